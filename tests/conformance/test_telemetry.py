"""Telemetry of unmodified device SDKs: taken, and acknowledged once it is on the disk."""

import pytest
from azure.iot.device import IoTHubDeviceClient, Message

EVENTS = "linarite_events_appended_total"


@pytest.fixture
def client(hub, device):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
    client.connect()
    yield client
    client.shutdown()


def test_python_sends_and_is_acknowledged(hub, client):
    message = Message("{}", message_id="m 1", content_encoding="utf-8", content_type="application/json")
    message.custom_properties["odd &=/+% ü"] = "a&b=c/d"
    client.send_message(message)  # Returns after the PUBACK.
    client.send_message("plain")
    hub.wait_for_metric(EVENTS, 2)


def test_a_large_message(hub, client):
    client.send_message(Message("x" * 255 * 1024))  # The SDK itself counts more than it sends.
    hub.wait_for_metric(EVENTS, 1)


def test_node_sends_and_is_acknowledged(hub, device):
    sender = hub.node("telemetry.js", device.connection_string)
    assert [sender.json() for _ in range(4)] == ["open", "sent 0", "sent 1", "sent 2"]
    hub.wait_for_metric(EVENTS, 3)


def test_a_killed_hub_goes_on(hub, device):
    for body in ("before", "after"):
        client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
        client.send_message(body)
        client.shutdown()
        hub.wait_for_metric(EVENTS, 1)  # Of this run.
        hub.restart_after_kill()
