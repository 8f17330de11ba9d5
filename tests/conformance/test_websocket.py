"""The official SDKs over WebSockets on port 443, for networks that let nothing else through."""

import json
import queue

import pytest
from azure.iot.device import IoTHubDeviceClient
from azure.iot.hub import IoTHubRegistryManager

from hub import NODE_FOLDER

WAIT_S = 30


@pytest.fixture
def back_end(hub):
    return IoTHubRegistryManager.from_connection_string(hub.connection_string("iothubowner"))


def test_a_python_device_receives_and_completes(hub, device, back_end):
    messages = queue.Queue()
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string, websockets=True)
    client.on_message_received = messages.put
    client.connect()
    back_end.send_c2d_message(device.id, "by WebSocket", properties={"messageId": "m1", "testProperty": "x"})
    message = messages.get(timeout=WAIT_S)
    assert message.data == b"by WebSocket"
    assert message.message_id == "m1"
    assert message.custom_properties == {"testProperty": "x"}
    hub.wait_for_metric("linarite_mqtt_connections", 1)
    client.shutdown()
    hub.wait_for_metric("linarite_mqtt_connections", 0)


def test_a_python_device_comes_back_after_a_restart(hub, device, back_end):
    messages = queue.Queue()
    client = IoTHubDeviceClient.create_from_connection_string(
        device.connection_string, websockets=True, connection_retry_interval=1
    )
    client.on_message_received = messages.put
    client.connect()
    hub.restart()
    back_end.send_c2d_message(device.id, "after")
    assert messages.get(timeout=WAIT_S).data == b"after"
    client.shutdown()


def test_a_large_message_arrives_whole(hub, device, back_end):
    messages = queue.Queue()
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string, websockets=True)
    client.on_message_received = messages.put
    client.connect()
    body = "x" * 65_000
    back_end.send_c2d_message(device.id, body)
    assert messages.get(timeout=WAIT_S).data == body.encode()
    client.shutdown()


def test_node_device_and_back_end(hub, device):
    reader = hub.node("feedback.js", hub.connection_string("service"), "ws")
    assert reader.json() == "open"
    client = hub.node("device.js", device.connection_string, "ws")
    assert client.json() == "open"
    sender = hub.start_client("node", NODE_FOLDER / "send.js", hub.connection_string("service"), "ws", stdin=True)
    assert sender.json() == "open"
    sender.send(json.dumps({"device": device.id, "body": "by WebSocket", "messageId": "m1", "ack": "full"}))
    assert sender.json() == "sent"
    got = client.json()
    assert (got["body"], got["messageId"]) == ("by WebSocket", "m1")
    assert client.json() == "completed"
    (record,) = reader.json()["records"]
    assert (record["originalMessageId"], record["statusCode"]) == ("m1", "Success")


def test_a_wrong_key_is_refused_as_on_8883(hub, device):
    client = hub.node("device.js", device.connection_string.replace("SharedAccessKey=", "SharedAccessKey=AAAA"), "ws")
    assert client.json()["error"] == "UnauthorizedError"


def test_a_plain_request_to_the_path_is_told_what_it_takes(hub):
    answer = hub.rest("GET", "/$iothub/websocket", token="")
    assert answer.status == 426
