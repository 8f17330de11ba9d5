"""MQTT CONNECT and what follows, with a bare client: return codes, sessions, refused publishes."""

import queue
import ssl

import paho.mqtt.client as paho
import pytest

from hub import HOST, parse, sas_token

API = "api-version=2021-04-12"
WAIT_S = 20


class Mqtt:
    """One MQTT client whose callbacks arrive in one queue, in order."""

    def __init__(self, client_id, user, password, clean=False, transport="tcp"):
        self.events = queue.Queue()
        self.client = paho.Client(client_id, clean_session=clean, reconnect_on_failure=False, transport=transport)
        self.client.ws_set_options(path="/$iothub/websocket")
        self.client.tls_set_context(ssl.create_default_context())
        self.client.username_pw_set(user, password)
        put = self.events.put
        self.client.on_connect = lambda c, u, flags, code: put(("connack", code, flags["session present"]))
        self.client.on_disconnect = lambda c, u, code: put(("closed",))
        self.client.on_subscribe = lambda c, u, mid, granted: put(("suback", tuple(granted)))
        self.client.on_message = lambda c, u, m: put(("message", m.topic, m.payload) + (("dup",) if m.dup else ()))
        self.client.on_publish = lambda c, u, mid: put(("puback",))
        self.client.connect(HOST, 8883 if transport == "tcp" else 443, keepalive=60)
        self.client.loop_start()

    def next(self):
        return self.events.get(timeout=WAIT_S)


@pytest.fixture
def connect(hub, device):
    def start(password=None, client_id=None, user=None, clean=False):
        user = f"{HOST}/{device.id}/?{API}" if user is None else user
        return Mqtt(client_id or device.id, user, device.token() if password is None else password, clean)

    return start


def refused_with(client, code):
    assert client.next()[:2] == ("connack", code)
    assert client.next() == ("closed",)


def test_connect(connect):
    assert connect().next() == ("connack", 0, 0)


@pytest.mark.parametrize(
    "user",
    [
        f"{HOST}/sensor-1",
        f"{HOST}/sensor-1/?{API}&DeviceClientType=py%2F1",
        f"{HOST}/sensor-1/{API}",
        f"any.host.example/sensor-1/?{API}",  # The token names the host; the user name need not.
    ],
)
def test_forms_of_the_user_name(connect, user):
    assert connect(user=user).next() == ("connack", 0, 0)


@pytest.mark.parametrize("user", ["", "sensor-1", f"{HOST}", f"{HOST}/other/?{API}"])
def test_a_user_name_of_another_is_refused(connect, user):
    refused_with(connect(user=user), 5)


def test_a_client_id_of_another_is_refused(connect):
    refused_with(connect(client_id="other"), 5)


def test_bad_tokens_are_refused(connect, device):
    resource = f"{HOST}/devices/{device.id}"
    bad = [
        device.token(lifetime_s=-3600),
        sas_token(f"{HOST}/devices/other", device.key),
        sas_token(f"{HOST}/devices/sensor", device.key),
        sas_token(resource, "AAAA" + device.key[4:]),
        sas_token("example.org/devices/sensor-1", device.key),
        device.token() + "x",
        "SharedAccessSignature",
        "",
    ]
    for token in bad:
        refused_with(connect(password=token), 5)


def test_a_policy_with_device_connect_may_connect_a_device(hub, connect):
    key = parse(hub.connection_string("device"))["SharedAccessKey"]
    assert connect(password=sas_token(HOST, key, policy="device")).next()[:2] == ("connack", 0)


@pytest.mark.parametrize("policy", ["service", "registryRead", "registryReadWrite"])
def test_a_policy_without_device_connect_may_not(hub, connect, policy):
    refused_with(connect(password=hub.policy_token(policy)), 5)


def test_a_disabled_device(hub, connect):
    hub.cli("hub", "device-identity", "update", "-d", "sensor-1", "--status", "disabled")
    refused_with(connect(), 3)


def test_a_session_is_present_after_a_subscription(hub, connect):
    first = connect()
    assert first.next() == ("connack", 0, 0)
    first.client.subscribe("devices/sensor-1/messages/devicebound/#", qos=1)
    assert first.next() == ("suback", (1,))
    first.client.disconnect()
    assert first.next() == ("closed",)
    second = connect()
    assert second.next() == ("connack", 0, 1)
    hub.restart_after_kill()
    assert second.next() == ("closed",)
    assert connect().next() == ("connack", 0, 1)
    clean = connect(clean=True)
    assert clean.next() == ("connack", 0, 0)
    clean.client.disconnect()
    assert clean.next() == ("closed",)
    assert connect().next() == ("connack", 0, 0)


def test_topics_of_others_are_not_granted(connect):
    client = connect()
    client.next()
    client.client.subscribe([("devices/other/messages/devicebound/#", 1), ("#", 1)])
    kind, granted = client.next()
    assert (kind, set(granted)) == ("suback", {128})


def test_qos_2_is_lowered(connect):
    client = connect()
    client.next()
    client.client.subscribe("devices/sensor-1/messages/devicebound/#", qos=2)
    assert client.next() == ("suback", (1,))


def test_the_topic_of_a_message(hub, connect):
    client = connect()
    client.next()
    client.client.subscribe("devices/sensor-1/messages/devicebound/#", qos=1)
    client.next()
    hub.cli(
        "device", "c2d-message", "send", "-d", "sensor-1", "--data", "body", "--mid", "m 1", "--cid", "c/1",
        "--ct", "text/plain", "--ce", "utf-8", "--props", "a=b c;d=ü", "--ack", "full",
    )  # fmt: skip
    kind, topic, body = client.next()
    assert (kind, body) == ("message", b"body")
    head, bag = topic.rsplit("/", 1)
    assert head == "devices/sensor-1/messages/devicebound"
    # The command line sends over AMQP, to the address that Azure's back-end SDKs give.
    assert bag.split("&") == [
        "%24.mid=m%201",
        "%24.to=%2Fdevices%2Fsensor-1%2Fmessages%2Fdevicebound",
        "%24.cid=c%2F1",
        "%24.ct=text%2Fplain",
        "%24.ce=utf-8",
        "iothub-ack=full",
        "a=b%20c",
        "d=%C3%BC",
    ]


def test_what_was_not_acknowledged_comes_again(hub, connect):
    first = connect()
    assert first.next() == ("connack", 0, 0)
    first.client._send_puback = lambda mid: paho.MQTT_ERR_SUCCESS  # This client has no other way to keep a message.
    first.client.subscribe("devices/sensor-1/messages/devicebound/#", qos=1)
    assert first.next() == ("suback", (1,))
    for body in ("one", "two"):
        hub.cli("device", "c2d-message", "send", "-d", "sensor-1", "--data", body)
    assert [first.next()[2], first.next()[2]] == [b"one", b"two"]
    second = connect()  # Takes over, with the session and its subscription.
    assert second.next() == ("connack", 0, 1)
    again = [second.next(), second.next()]
    assert [(event[2], event[3:]) for event in again] == [(b"one", ("dup",)), (b"two", ("dup",))]


@pytest.mark.parametrize("topic", ["devices/other/messages/events/", "anything", "devices/sensor-1/messages/devicebound/"])
def test_publishing_where_a_device_may_not_closes(connect, topic):
    client = connect()
    client.next()
    client.client.publish(topic, b"x", qos=1)
    assert client.next() == ("closed",)


def test_publishing_with_qos_2_closes(connect):
    client = connect()
    client.next()
    client.client.publish("devices/sensor-1/messages/events/", b"x", qos=2)
    assert client.next() == ("closed",)


def test_an_expired_token_ends_the_connection(timed_hub):
    device = timed_hub.create_device("sensor-1")
    client = Mqtt(device.id, f"{HOST}/{device.id}/?{API}", device.token(lifetime_s=3600))
    assert client.next()[:2] == ("connack", 0)
    timed_hub.advance("59m")
    timed_hub.advance("10m")
    assert client.next() == ("closed",)
    refused_with(Mqtt(device.id, f"{HOST}/{device.id}/?{API}", device.token(lifetime_s=3600)), 5)
