"""Back ends that read telemetry with Microsoft's Event Hubs SDK for Java."""

import pytest
from azure.iot.device import IoTHubDeviceClient, Message

from hub import ROOT

FOLDER = ROOT / "tests" / "conformance" / "java"


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_java_reads(hub, device, transport):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
    for i in range(3):
        message = Message(f"event {i}")
        message.custom_properties["k"] = "v"
        client.send_message(message)
    client.shutdown()
    program = ("java", "-cp", f"{FOLDER}/lib/*", FOLDER / "EventsReader.java")
    reader = hub.start_client(*program, hub.event_hub_string(), transport)
    assert reader.line() == "partitions 0 1 2 3"
    assert reader.line() == "beginning of 0: 0"
    assert [reader.line() for _ in range(3)] == [f"{device.id} {i} of 2 event {i} {{k=v}}" for i in range(3)]
    reader.stop()
