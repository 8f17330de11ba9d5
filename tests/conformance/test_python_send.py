"""azure-iot-hub 2.7.0 over AMQP: what is accepted, what is refused, and that nothing accepted is lost."""

import time

import pytest
from azure.iot.hub import IoTHubRegistryManager

QUEUE_DEPTH = 50
MESSAGE_SIZE_MAX = 65_536


@pytest.fixture
def back_end(hub, device):
    return IoTHubRegistryManager.from_connection_string(hub.connection_string("iothubowner"))


def refused(back_end, device_id, body="x", **properties):
    with pytest.raises(Exception, match="C2D message send failure"):
        back_end.send_c2d_message(device_id, body, properties=properties)


def pending(back_end, device_id="sensor-1"):
    return back_end.get_device(device_id).cloud_to_device_message_count


def test_a_sent_message_is_pending(back_end):
    back_end.send_c2d_message("sensor-1", "x")
    assert pending(back_end) == 1


@pytest.mark.parametrize("how", ["restart", "restart_after_kill"])
def test_what_was_accepted_survives(hub, back_end, how):
    for number in range(10):
        back_end.send_c2d_message("sensor-1", str(number))
    getattr(hub, how)()
    assert pending(back_end) == 10


def test_an_unknown_device_is_refused_and_the_link_goes_on(back_end):
    refused(back_end, "nobody")
    back_end.send_c2d_message("sensor-1", "x")
    assert pending(back_end) == 1


def test_a_disabled_device_is_refused(hub, back_end):
    hub.cli("hub", "device-identity", "update", "-d", "sensor-1", "--status", "disabled")
    refused(back_end, "sensor-1")
    assert pending(back_end) == 0


def test_the_51st_message_is_refused(back_end):
    for number in range(QUEUE_DEPTH):
        back_end.send_c2d_message("sensor-1", str(number))
    refused(back_end, "sensor-1")
    assert pending(back_end) == QUEUE_DEPTH


def test_a_message_too_large_is_refused_and_the_link_goes_on(back_end):
    refused(back_end, "sensor-1", bytes(MESSAGE_SIZE_MAX + 1))
    back_end.send_c2d_message("sensor-1", bytes(MESSAGE_SIZE_MAX - 1024))
    assert pending(back_end) == 1


def test_properties_count_for_the_size(back_end):
    refused(back_end, "sensor-1", bytes(MESSAGE_SIZE_MAX - 1024), long="x" * 2048)


def test_an_expiry_in_the_past_is_refused(back_end):
    refused(back_end, "sensor-1", expiryTimeUtc=int(time.time() * 1000) - 1000)
    assert pending(back_end) == 0


def test_an_expiry_more_than_two_days_ahead_is_refused(back_end):
    refused(back_end, "sensor-1", expiryTimeUtc=int(time.time() * 1000) + 3 * 24 * 3600 * 1000)


def test_a_policy_without_service_connect_cannot_send(hub, device):
    other = IoTHubRegistryManager.from_connection_string(hub.connection_string("registryReadWrite"))
    with pytest.raises(Exception):
        other.send_c2d_message("sensor-1", "x")
    owner = IoTHubRegistryManager.from_connection_string(hub.connection_string("iothubowner"))
    assert pending(owner) == 0


def test_a_message_expires_after_an_hour(timed_hub):
    timed_hub.create_device("sensor-1")
    back_end = IoTHubRegistryManager.from_connection_string(timed_hub.connection_string("iothubowner"))
    back_end.send_c2d_message("sensor-1", "x")
    timed_hub.advance("59m")
    assert pending(back_end) == 1
    timed_hub.advance("2m")
    # The token of this client is as old as the message: a new client asks.
    late = timed_hub.cli_json("hub", "device-identity", "show", "-d", "sensor-1")
    assert late["cloudToDeviceMessageCount"] == 0
