"""azure-iothub 1.16.6 and azure-iot-device 1.18.4, the programs of node/ driven from here."""

import json
import time

import pytest


class Lines:
    """A program that answers each line of JSON with one."""

    def __init__(self, client):
        self.client = client

    def __call__(self, value):
        self.client.send(json.dumps(value))
        return self.client.json()


@pytest.fixture
def registry(hub):
    return Lines(hub.start_client("node", "registry.js", hub.connection_string("iothubowner"), stdin=True))


def start_sender(hub, policy="service"):
    client = hub.start_client("node", "send.js", hub.connection_string(policy), stdin=True)
    assert client.json() == "open"
    return Lines(client)


@pytest.fixture
def send(hub, device):
    return start_sender(hub)


@pytest.fixture
def feedback(hub, device):
    client = hub.node("feedback.js", hub.connection_string("service"))
    assert client.json() == "open"
    return client


def start_device(hub, device, *options):
    client = hub.node("device.js", device.connection_string, *options)
    assert client.json() == "open"
    return client


# --- registry ---------------------------------------------------------------------------------------


def test_registry_create_get_update_delete(registry):
    created = registry(["create", {"deviceId": "n1"}])
    assert created["status"] == 200
    assert created["result"]["deviceId"] == "n1"
    assert created["result"]["authentication"]["symmetricKey"]["primaryKey"]

    assert registry(["get", "n1"])["result"] == created["result"]

    updated = registry(["update", {"deviceId": "n1", "status": "disabled", "statusReason": "moved"}])
    assert updated["result"]["status"] == "disabled"
    keys = created["result"]["authentication"]["symmetricKey"]
    assert updated["result"]["authentication"]["symmetricKey"] == keys

    assert [one["deviceId"] for one in registry(["list"])["result"]] == ["n1"]
    assert registry(["delete", "n1"])["status"] == 204
    assert registry(["get", "n1"])["error"] == "DeviceNotFoundError"


def test_registry_errors_have_their_own_classes(registry):
    registry(["create", {"deviceId": "n1"}])
    assert registry(["create", {"deviceId": "n1"}])["error"] == "DeviceAlreadyExistsError"
    assert registry(["delete", "nobody"])["error"] == "DeviceNotFoundError"
    assert registry(["create", {"deviceId": "in/valid"}])["error"] == "ArgumentError"


def test_registry_with_a_policy_without_the_right(hub):
    lines = Lines(hub.start_client("node", "registry.js", hub.connection_string("service"), stdin=True))
    assert lines(["list"])["error"] == "UnauthorizedError"


# --- send -------------------------------------------------------------------------------------------


def test_send_and_receive_with_every_field(hub, device, send):
    client = start_device(hub, device)
    message = {
        "device": device.id,
        "body": '{"wind": 12.3}',
        "messageId": "m1",
        "correlationId": "c1",
        "contentType": "application/json",
        "contentEncoding": "utf-8",
        "userId": "back end",
        "ack": "full",
        "properties": {"testProperty": "x", "odd &=/+%": "ü&b=c/d"},
    }
    assert send(message) == "sent"
    got = client.json()
    assert got["body"] == '{"wind": 12.3}'
    assert (got["messageId"], got["correlationId"]) == ("m1", "c1")
    assert (got["contentType"], got["contentEncoding"]) == ("application/json", "utf-8")
    assert got["to"] == "/devices/sensor-1/messages/devicebound"
    # The Node SDK knows no iothub-ack over MQTT and shows it as a property, from the original as well.
    assert got["properties"] == {"iothub-ack": "full", "testProperty": "x", "odd &=/+%": "ü&b=c/d"}
    assert client.json() == "completed"


def test_ids_that_look_like_uuids_stay_what_they_were(hub, device, send):
    client = start_device(hub, device)
    name = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    assert send({"device": device.id, "body": "x", "messageId": name, "correlationId": name}) == "sent"
    got = client.json()
    assert (got["messageId"], got["correlationId"]) == (name, name)


def test_a_message_without_a_body(hub, device, send):
    client = start_device(hub, device)
    assert send({"device": device.id, "messageId": "empty"}) == "sent"
    assert client.json()["body"] == ""


def test_an_unknown_device(send):
    assert send({"device": "nobody", "body": "x"})["error"] == "DeviceNotFoundError"


def test_a_disabled_device(hub, send):
    hub.cli("hub", "device-identity", "update", "-d", "sensor-1", "--status", "disabled")
    assert send({"device": "sensor-1", "body": "x"})["error"] == "DeviceNotFoundError"


def test_the_51st_message(send):
    for _ in range(50):
        assert send({"device": "sensor-1", "body": "x"}) == "sent"
    assert send({"device": "sensor-1", "body": "x"})["error"] == "DeviceMaximumQueueDepthExceededError"


def test_a_message_that_is_too_large(send):
    assert send({"device": "sensor-1", "body": "x" * 65_537})["error"] == "MessageTooLargeError"
    assert send({"device": "sensor-1", "body": "x"}) == "sent"


def test_an_expiry_in_the_past(send):
    a_minute_ago_ms = int(time.time() - 60) * 1000
    refused = send({"device": "sensor-1", "body": "x", "expiryTimeUtc": a_minute_ago_ms})
    assert refused["error"] == "ArgumentError"


def test_a_policy_without_service_connect(hub, device):
    send = start_sender(hub, "registryRead")
    assert send({"device": "sensor-1", "body": "x"})["error"] == "UnauthorizedError"


# --- feedback ---------------------------------------------------------------------------------------


def test_feedback_of_a_completed_message(hub, device, send, feedback):
    start_device(hub, device)
    assert send({"device": device.id, "body": "x", "messageId": "m1", "ack": "full"}) == "sent"
    batch = feedback.json()
    assert batch["contentType"] == "application/vnd.microsoft.iothub.feedback.json"
    (record,) = batch["records"]
    when = record.pop("enqueuedTimeUtc")
    assert time.strptime(when[:19], "%Y-%m-%dT%H:%M:%S") and when.endswith("Z")
    assert record == {
        "originalMessageId": "m1",
        "statusCode": "Success",
        "description": "Success",
        "deviceId": "sensor-1",
        "deviceGenerationId": device.identity["generationId"],
    }


def test_feedback_of_purged_messages(hub, device, send, feedback):
    for number, ack in enumerate(["full", "negative", "positive", "none"]):
        assert send({"device": device.id, "body": "x", "messageId": f"m{number}", "ack": ack}) == "sent"
    hub.cli("device", "c2d-message", "purge", "-d", device.id)
    records = []
    while len(records) < 2:
        records += feedback.json()["records"]
    assert [(r["originalMessageId"], r["statusCode"]) for r in records] == [("m0", "Purged"), ("m1", "Purged")]


def test_completed_feedback_does_not_come_again(hub, device, send, feedback):
    first = start_device(hub, device)
    assert send({"device": device.id, "body": "x", "messageId": "m1", "ack": "positive"}) == "sent"
    assert feedback.json()["records"][0]["originalMessageId"] == "m1"
    hub.wait_for_metric("linarite_feedback_pending", 0)  # The record is printed before it is completed.
    feedback.stop()
    first.stop()  # Two programs on one identity would take over from each other without end.
    hub.restart()
    again = hub.node("feedback.js", hub.connection_string("service"))
    assert again.json() == "open"
    client = start_device(hub, device)
    sender = start_sender(hub)
    assert sender({"device": device.id, "body": "x", "messageId": "m2", "ack": "positive"}) == "sent"
    assert client.json()["messageId"] == "m2"
    assert again.json()["records"][0]["originalMessageId"] == "m2"


def test_feedback_waits_for_a_reader_over_a_crash(hub, device, send):
    client = start_device(hub, device)
    assert send({"device": device.id, "body": "x", "messageId": "m1", "ack": "full"}) == "sent"
    assert client.json()["messageId"] == "m1"
    deadline = time.monotonic() + 20
    while hub.cli_json("hub", "device-identity", "show", "-d", device.id)["cloudToDeviceMessageCount"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    hub.restart_after_kill()
    reader = hub.node("feedback.js", hub.connection_string("service"))
    assert reader.json() == "open"
    assert reader.json()["records"][0]["originalMessageId"] == "m1"


# --- device -----------------------------------------------------------------------------------------


def test_the_node_device_reconnects_after_a_restart(hub, device, send):
    client = start_device(hub, device)
    assert send({"device": device.id, "body": "before"}) == "sent"
    assert client.json()["body"] == "before"
    assert client.json() == "completed"
    hub.restart()
    sender = start_sender(hub)
    assert sender({"device": device.id, "body": "after"}) == "sent"
    assert client.json()["body"] == "after"
