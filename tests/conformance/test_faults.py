"""Faults on demand: the hub hurts the connection of a device that asks for it, and the SDK comes back."""

import threading

import pytest
from azure.iot.device import IoTHubDeviceClient, Message

EVENTS = "linarite_events_appended_total"
FAULTS = 'linarite_mqtt_closed_total{reason="fault"}'


@pytest.fixture
def faulty_hub(new_hub, tmp_path):
    settings = tmp_path / "faults.toml"
    settings.write_text("[mqtt]\nfault_injection = true\n")
    hub = new_hub("--config", settings)
    hub.trust_here()
    return hub


@pytest.mark.parametrize("websockets", [False, True])
@pytest.mark.parametrize("fault", ["KillTcp", "ShutDownMqtt"])
def test_a_killed_device_reconnects(faulty_hub, fault, websockets):
    device = faulty_hub.create_device("sensor-1")
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string, websockets=websockets)
    changes = {True: threading.Event(), False: threading.Event()}
    client.connect()
    client.on_connection_state_change = lambda: changes[client.connected].set()
    message = Message("boom")
    message.custom_properties = {
        "AzIoTHub_FaultOperationType": fault,
        "AzIoTHub_FaultOperationCloseReason": "boom",
        "AzIoTHub_FaultOperationDelayInSecs": "1",
    }
    client.send_message(message)  # Returns after the PUBACK.
    assert changes[False].wait(20) and changes[True].wait(60)
    client.send_message("still here")
    faulty_hub.wait_for_metric(EVENTS, 1)
    faulty_hub.wait_for_metric(FAULTS, 1)
    client.shutdown()


def test_without_the_setting_it_is_telemetry(hub, device):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
    message = Message("boom")
    message.custom_properties = {"AzIoTHub_FaultOperationType": "KillTcp"}
    client.send_message(message)
    client.shutdown()
    hub.wait_for_metric(EVENTS, 1)
