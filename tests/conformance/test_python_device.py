"""azure-iot-device 2.14.0 over MQTT: receiving, order, reconnecting, token renewal, refusals."""

import asyncio
import queue
import threading
import time

import pytest
from azure.iot.device import IoTHubDeviceClient, exceptions
from azure.iot.device.aio import IoTHubDeviceClient as AsyncDeviceClient
from azure.iot.hub import IoTHubRegistryManager

WAIT_S = 30


class Receiver:
    """The SDK's client with what it received in a queue."""

    def __init__(self, connection_string, **options):
        self.messages = queue.Queue()
        self.client = IoTHubDeviceClient.create_from_connection_string(connection_string, **options)

    def subscribe(self):
        self.client.on_message_received = self.messages.put
        self.client.connect()
        return self

    def next(self):
        return self.messages.get(timeout=WAIT_S)

    def next_bodies(self, count):
        return [self.next().data.decode() for _ in range(count)]

    def wait_connected(self, wanted):
        deadline = time.monotonic() + WAIT_S
        while self.client.connected != wanted:
            assert time.monotonic() < deadline, f"connected is still {self.client.connected}"
            time.sleep(0.02)


@pytest.fixture
def receiver(hub, device):
    return Receiver(device.connection_string, connection_retry_interval=1)


@pytest.fixture
def back_end(hub):
    return IoTHubRegistryManager.from_connection_string(hub.connection_string("iothubowner"))


def test_every_property_arrives(device, receiver, back_end):
    receiver.subscribe()
    properties = {
        "messageId": "m1",
        "correlationId": "c1",
        "contentType": "application/json; charset=utf-8",
        "contentEncoding": "utf-8",
        "iothub-ack": "full",
        "plain": "value",
        "odd &=/+%$ ü 日本": "a&b=c/d+e %41 ü 日本",
        "empty": "",
    }
    back_end.send_c2d_message(device.id, '{"wind": 12.3}', properties=properties)
    message = receiver.next()
    assert message.data == b'{"wind": 12.3}'
    assert message.message_id == "m1"
    assert message.correlation_id == "c1"
    assert message.content_type == "application/json; charset=utf-8"
    assert message.content_encoding == "utf-8"
    assert message.ack == "full"
    assert message.expiry_time_utc is None
    assert message.user_id is None
    assert message.custom_properties == {
        "plain": "value",
        "odd &=/+%$ ü 日本": "a&b=c/d+e %41 ü 日本",
        "empty": "",
    }


def test_an_expiry_arrives_in_its_exact_form(device, receiver, back_end):
    receiver.subscribe()
    in_an_hour_ms = (int(time.time()) + 3600) * 1000 + 250
    back_end.send_c2d_message(device.id, "soon", properties={"expiryTimeUtc": in_an_hour_ms})
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(in_an_hour_ms // 1000)) + ".2500000Z"
    assert receiver.next().expiry_time_utc == shown


def test_a_message_without_properties_has_only_the_id_that_the_sdk_made(device, receiver, back_end):
    receiver.subscribe()
    back_end.send_c2d_message(device.id, "bare")
    message = receiver.next()
    assert message.data == b"bare"
    assert len(message.message_id) == 36
    assert message.custom_properties == {}
    assert message.ack is None


@pytest.mark.parametrize("size", [0, 1, 65_000])
def test_bodies_of_any_size_arrive_whole(device, receiver, back_end, size):
    receiver.subscribe()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    back_end.send_c2d_message(device.id, body)
    assert receiver.next().data == body


def test_messages_sent_while_offline_arrive_in_order(device, receiver, back_end):
    for number in range(50):
        back_end.send_c2d_message(device.id, str(number))
    receiver.subscribe()
    assert receiver.next_bodies(50) == [str(number) for number in range(50)]


def test_an_acknowledged_message_never_comes_again(hub, device, receiver, back_end):
    receiver.subscribe()
    back_end.send_c2d_message(device.id, "once")
    assert receiver.next().data == b"once"
    receiver.client.shutdown()
    hub.restart()
    second = Receiver(device.connection_string).subscribe()
    back_end = IoTHubRegistryManager.from_connection_string(hub.connection_string("service"))
    back_end.send_c2d_message(device.id, "after")
    assert second.next().data == b"after"
    assert second.messages.empty()


def test_the_async_client_receives(device, back_end):
    async def receive():
        client = AsyncDeviceClient.create_from_connection_string(device.connection_string)
        received = asyncio.Queue()
        loop = asyncio.get_running_loop()
        client.on_message_received = lambda message: loop.call_soon_threadsafe(received.put_nowait, message)
        await client.connect()
        await loop.run_in_executor(None, back_end.send_c2d_message, device.id, "to the async client")
        message = await asyncio.wait_for(received.get(), WAIT_S)
        await client.shutdown()
        return message

    assert asyncio.run(receive()).data == b"to the async client"


@pytest.mark.parametrize("how", ["restart", "restart_after_kill"])
def test_the_client_reconnects_and_its_subscription_is_still_there(hub, device, receiver, how):
    receiver.subscribe()
    getattr(hub, how)()
    # Sent before the client is back: it does not subscribe again, so the hub must remember for it.
    sender = IoTHubRegistryManager.from_connection_string(hub.connection_string("service"))
    sender.send_c2d_message(device.id, "after the restart")
    assert receiver.next().data == b"after the restart"


def test_the_client_renews_its_token_and_goes_on_receiving(hub, device, back_end):
    # The SDK renews 120 s before the end: here after 3 s, by a new connection without a subscription.
    receiver = Receiver(device.connection_string, sastoken_ttl=123).subscribe()
    changes = queue.Queue()
    receiver.client.on_connection_state_change = lambda: changes.put(receiver.client.connected)
    before = back_end.get_device(device.id).connection_state_updated_time
    deadline = time.monotonic() + WAIT_S
    while back_end.get_device(device.id).connection_state_updated_time == before:
        assert time.monotonic() < deadline, "no new connection was made"
        time.sleep(0.1)
    receiver.wait_connected(True)
    back_end.send_c2d_message(device.id, "with the new token")
    assert receiver.next().data == b"with the new token"


def test_a_wrong_key_is_refused(hub, device):
    wrong = device.connection_string.replace(device.key, "AAAA" + device.key[4:])
    with pytest.raises(exceptions.CredentialError):
        IoTHubDeviceClient.create_from_connection_string(wrong).connect()


def test_an_unknown_device_is_refused_like_a_wrong_key(hub, device):
    unknown = device.connection_string.replace("DeviceId=sensor-1", "DeviceId=sensor-2")
    with pytest.raises(exceptions.CredentialError):
        IoTHubDeviceClient.create_from_connection_string(unknown).connect()


def test_a_disabled_device_is_refused_as_not_available(hub, device):
    hub.cli("hub", "device-identity", "update", "-d", device.id, "--status", "disabled")
    with pytest.raises(exceptions.ConnectionFailedError):
        IoTHubDeviceClient.create_from_connection_string(device.connection_string).connect()


@pytest.mark.parametrize("change", ["disable", "delete", "renew-key"])
def test_a_change_of_the_identity_ends_its_connection(hub, device, change):
    receiver = Receiver(device.connection_string, connection_retry=False).subscribe()
    if change == "disable":
        hub.cli("hub", "device-identity", "update", "-d", device.id, "--status", "disabled")
    elif change == "delete":
        hub.cli("hub", "device-identity", "delete", "-d", device.id)
    else:
        hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "primary")
    receiver.wait_connected(False)


def test_a_second_connection_takes_over(device, back_end):
    first = Receiver(device.connection_string, connection_retry=False).subscribe()
    second = Receiver(device.connection_string, connection_retry=False).subscribe()
    first.wait_connected(False)
    back_end.send_c2d_message(device.id, "to the second")
    assert second.next().data == b"to the second"
    assert first.messages.empty()


def test_the_identity_shows_whether_the_device_is_connected(hub, device, receiver, back_end):
    assert back_end.get_device(device.id).connection_state == "Disconnected"
    receiver.subscribe()
    assert back_end.get_device(device.id).connection_state == "Connected"
    receiver.client.shutdown()
    deadline = time.monotonic() + WAIT_S
    while back_end.get_device(device.id).connection_state != "Disconnected":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_twenty_devices_receive_at_the_same_time(hub, back_end):
    receivers = [Receiver(hub.create_device(f"d{n}").connection_string) for n in range(20)]
    starts = [threading.Thread(target=receiver.subscribe) for receiver in receivers]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    for n in range(20):
        back_end.send_c2d_message(f"d{n}", f"to d{n}")
    assert [receiver.next().data for receiver in receivers] == [f"to d{n}".encode() for n in range(20)]
