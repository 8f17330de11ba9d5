"""Back ends that read telemetry with Microsoft's Event Hubs SDK for JavaScript, and Node devices that send it."""

import pytest
from azure.iot.device import IoTHubDeviceClient, Message


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_node_reads(hub, device, transport):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
    for i in range(3):
        message = Message(f'{{"n": {i}}}', content_type="application/json", content_encoding="utf-8")
        message.custom_properties["k"] = "v"
        client.send_message(message)
    client.shutdown()
    reader = hub.node("events.js", hub.event_hub_string(), transport)
    assert reader.json() == ["0", "1", "2", "3"]
    events = [reader.json() for _ in range(3)]
    assert [event["body"] for event in events] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert {event["device"] for event in events} == {device.id}
    assert [event["sequenceNumber"] for event in events] == [0, 1, 2]
    assert events[0]["properties"] == {"k": "v"}
    reader.stop()


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_a_node_device_is_read(hub, device, transport):
    sender = hub.node("telemetry.js", device.connection_string, transport)
    assert [sender.json() for _ in range(4)] == ["open", "sent 0", "sent 1", "sent 2"]
    reader = hub.node("events.js", hub.event_hub_string())
    reader.json()
    events = [reader.json() for _ in range(3)]
    assert [event["sequenceNumber"] for event in events] == [0, 1, 2]
    reader.stop()
