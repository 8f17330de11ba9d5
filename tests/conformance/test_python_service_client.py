"""The module iothub_service_client (python/), which offers the API of the Azure IoT SDK 1.x for Python.

First what needs no hub, then each program against the real one. A program that ends by itself is started as one,
because how it ends is a part of the promise.
"""

import gc
import queue
import signal
import subprocess
import sys
import threading

import pytest
from iothub_service_client import (
    IoTHubDeviceCapabilities,
    IoTHubDeviceConnectionState,
    IoTHubDeviceStatus,
    IoTHubError,
    IoTHubFeedbackStatusCode,
    IoTHubMap,
    IoTHubMapError,
    IoTHubMapErrorArg,
    IoTHubMapResult,
    IoTHubMessage,
    IoTHubMessageContent,
    IoTHubMessageError,
    IoTHubMessaging,
    IoTHubMessagingError,
    IoTHubMessagingResult,
    IoTHubRegistryManager,
    IoTHubRegistryManagerAuthMethod,
    IoTHubRegistryManagerError,
    IoTHubRegistryManagerResult,
    IoTHubServiceClientAuth,
    IoTHubServiceClientAuthError,
    messaging,
)
from iothub_service_client.wall_time import utc_text

from hub import parse

WAIT_S = 30
UNREACHABLE = "HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=d3Jvbmcga2V5"
SHARED_KEY = IoTHubRegistryManagerAuthMethod.SHARED_PRIVATE_KEY


# --- without a hub ----------------------------------------------------------------------------------


def result_of(thrown):
    return thrown.value.args[0].result


def test_results_are_numbers_that_print_as_their_names():
    assert IoTHubMessagingResult.ERROR == 2
    assert str(IoTHubMessagingResult.OK) == "{0}".format(IoTHubMessagingResult.OK) == "OK"
    assert "%d" % IoTHubFeedbackStatusCode.UNKNOWN == f"{IoTHubFeedbackStatusCode.UNKNOWN:d}" == "4"


def test_a_map_adds_each_key_once():
    properties = IoTHubMap()
    assert properties.add("a", "1") is None
    with pytest.raises(IoTHubMapError) as thrown:
        properties.add("a", "2")
    assert result_of(thrown) == IoTHubMapResult.KEYEXISTS
    assert "IoTHubMap.add, IoTHubMapResult.KEYEXISTS" in str(thrown.value)
    properties.add_or_update("a", "3")
    assert properties.get_value_from_key("a") == "3"
    assert properties.contains_key("a") and not properties.contains_key("b")
    assert properties.contains_value("3") and not properties.contains_value("1")
    assert properties.get_internals() == {"a": "3"}
    properties.delete("a")
    for missing in (properties.delete, properties.get_value_from_key):
        with pytest.raises(IoTHubMapError) as thrown:
            missing("a")
        assert result_of(thrown) == IoTHubMapResult.KEYNOTFOUND
    with pytest.raises(TypeError):
        properties.add("a", 1)


def test_a_map_asks_its_filter():
    asked = []
    properties = IoTHubMap(lambda key, value: asked.append((key, value)) or IoTHubMapResult.FILTER_REJECT)
    with pytest.raises(IoTHubMapError) as thrown:
        properties.add("key", "value")
    assert result_of(thrown) == IoTHubMapResult.FILTER_REJECT
    assert asked == [("key", "value")] and properties.get_internals() == {}


def test_a_message_is_text_or_bytes():
    text = IoTHubMessage("grüße")
    assert text.get_content_type() == IoTHubMessageContent.STRING and text.get_string() == "grüße"
    with pytest.raises(IoTHubMessageError):
        text.get_bytearray()
    data = IoTHubMessage(bytearray(b"\x00\xff"))
    assert data.get_content_type() == IoTHubMessageContent.BYTEARRAY and data.get_bytearray() == b"\x00\xff"
    assert data.get_string() is None
    assert data.message_id is None and data.correlation_id is None
    data.message_id = "m"
    assert data.message_id == "m" and data.properties() is data.properties()
    for wrong in (1, b"bytes", None):
        with pytest.raises(TypeError):
            IoTHubMessage(wrong)
    with pytest.raises(TypeError):
        data.correlation_id = 1


def test_errors_are_of_one_family():
    for kind in (IoTHubMapError, IoTHubMessageError, IoTHubMessagingError, IoTHubRegistryManagerError):
        assert issubclass(kind, IoTHubError)
    assert repr(IoTHubMapErrorArg("add", IoTHubMapResult.ERROR)) == "IoTHubMapError(IoTHubMap.add, IoTHubMapResult.ERROR)"
    with pytest.raises(TypeError):
        IoTHubMapErrorArg("add", IoTHubMessagingResult.ERROR)


def test_times_are_written_as_the_hub_does():
    assert utc_text(None) == "0001-01-01T00:00:00"
    assert utc_text(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"


@pytest.mark.parametrize(
    "make, error",
    [
        (IoTHubMessaging, IoTHubMessagingError),
        (IoTHubRegistryManager, IoTHubRegistryManagerError),
        (IoTHubServiceClientAuth, IoTHubServiceClientAuthError),
    ],
)
def test_a_wrong_connection_string_names_the_field(make, error):
    with pytest.raises(error, match="SharedAccessKeyName"):
        make("HostName=hub.test;SharedAccessKey=d3Jvbmcga2V5")


def test_messaging_that_is_not_open_refuses():
    closed = IoTHubMessaging(IoTHubServiceClientAuth(UNREACHABLE))
    with pytest.raises(IoTHubMessagingError, match="not open"):
        closed.send_async("d", IoTHubMessage("x"), None, None)
    with pytest.raises(TypeError):
        closed.open("no function", None)
    closed.close()


# --- against a hub ----------------------------------------------------------------------------------


class Calls:
    """Callbacks that keep what they get, and the thread on which they got it."""

    def __init__(self):
        self.got = queue.Queue()

    def __call__(self, *arguments):
        self.got.put((threading.current_thread().name, *arguments))

    def next(self):
        thread, *arguments = self.got.get(timeout=WAIT_S)
        assert thread == "iothub_service_client"
        return arguments


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def opened(hub, calls):
    """Open messaging, whose open callback was called."""
    client = IoTHubMessaging(hub.connection_string("service"))
    client.open(calls, "opened")
    assert calls.next() == ["opened"]
    yield client
    client.close()


def waiting(hub, device):
    """How many messages wait for the device."""
    return hub.rest("GET", f"/devices/{device.id}").json["cloudToDeviceMessageCount"]


def test_sends_and_tells_each_outcome(hub, device, opened, calls):
    for number in range(3):
        opened.send_async(device.id, IoTHubMessage(f"m{number}"), calls, number)
    assert [calls.next() for _ in range(3)] == [[number, IoTHubMessagingResult.OK] for number in range(3)]
    opened.send_async("nobody", IoTHubMessage("x"), calls, "lost")
    assert calls.next() == ["lost", IoTHubMessagingResult.ERROR]
    assert waiting(hub, device) == 3
    with pytest.raises(IoTHubMessagingError, match="open already"):
        opened.open(None, None)
    with pytest.raises(IoTHubMessagingError, match="modules"):
        opened.send_async(device.id, "module", IoTHubMessage("x"), calls, None)


def test_feedback_comes_to_its_callback(hub, device, opened, calls):
    opened.set_feedback_message_callback(calls, "feedback")
    message = IoTHubMessage("x")
    message.message_id = "m1"
    message.properties().add("iothub-ack", "full")
    opened.send_async(device.id, message, None, None)
    opened.close()
    hub.rest("DELETE", f"/devices/{device.id}/commands")
    opened.open(None, None)
    context, user_id, lock_token, records = calls.next()
    assert (context, user_id, lock_token, len(records)) == ("feedback", "", "", 1)
    record = records[0]
    assert record["originalMessageId"] == "m1" and record["deviceId"] == device.id
    assert record["statusCode"] == IoTHubFeedbackStatusCode.UNKNOWN and record["description"] == "purged"
    assert record["generationId"] == device.identity["generationId"]
    assert record["enqueuedTimeUtc"].endswith("Z") and record["correlationId"] == ""


def test_a_wrong_acknowledgement_is_refused_at_once(device, opened):
    message = IoTHubMessage("x")
    message.properties().add("iothub-ack", "perhaps")
    with pytest.raises(IoTHubMessagingError) as thrown:
        opened.send_async(device.id, message, None, None)
    assert result_of(thrown) == IoTHubMessagingResult.INVALID_ARG


def test_more_sends_than_the_limit_are_refused_not_dropped(device, opened, calls, monkeypatch):
    monkeypatch.setattr(messaging, "SENDS_MAX", 1)
    held = threading.Event()
    opened.send_async(device.id, IoTHubMessage("x"), lambda *_: held.wait(WAIT_S), None)
    with pytest.raises(IoTHubMessagingError, match="on their way"):
        opened.send_async(device.id, IoTHubMessage("x"), None, None)
    held.set()


def test_a_callback_that_throws_or_closes_holds_up_nothing(hub, device, opened, calls, capsys):
    def throw(*_):
        raise SystemExit("thrown by the callback")

    opened.send_async(device.id, IoTHubMessage("x"), throw, None)
    opened.send_async(device.id, IoTHubMessage("x"), lambda *_: opened.close() or calls("closed"), None)
    assert calls.next() == ["closed"]
    assert "thrown by the callback" in capsys.readouterr().err
    assert waiting(hub, device) == 2


def test_messaging_that_is_forgotten_finishes_what_it_accepted(hub, device, calls):
    client = IoTHubMessaging(hub.connection_string("service"))
    client.open(None, None)
    client.send_async(device.id, IoTHubMessage("x"), calls, "sent")
    del client
    gc.collect()
    assert calls.next() == ["sent", IoTHubMessagingResult.OK]


def test_many_threads_send_on_one_connection(hub, device, opened, calls):
    def send():
        for _ in range(10):
            opened.send_async(device.id, IoTHubMessage("x"), calls, None)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [calls.next()[1] for _ in range(40)] == [IoTHubMessagingResult.OK] * 40
    assert waiting(hub, device) == 40


def test_a_wrong_key_fails_the_sends(hub, device, calls, caplog):
    fields = parse(hub.connection_string("service")) | {"SharedAccessKey": "d3Jvbmcga2V5IHdyb25nIGtleQ=="}
    client = IoTHubMessaging(";".join(f"{name}={value}" for name, value in fields.items()))
    client.open(calls, "never")
    client.send_async(device.id, IoTHubMessage("x"), calls, "sent")
    assert calls.next() == ["sent", IoTHubMessagingResult.ERROR]
    client.close()
    assert "SharedAccessKey" in caplog.text and calls.got.empty()


def test_the_registry(hub):
    registry = IoTHubRegistryManager(hub.connection_string("iothubowner"))
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    other = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
    made = registry.create_device("d1", key, other, SHARED_KEY)
    assert (made.deviceId, made.primaryKey, made.secondaryKey, made.authMethod) == ("d1", key, other, SHARED_KEY)
    assert made.status == IoTHubDeviceStatus.ENABLED and made.eTag and made.generationId
    assert made.connectionState == IoTHubDeviceConnectionState.DISCONNECTED
    assert (made.lastActivityTime, made.cloudToDeviceMessageCount, made.isManaged) == ("0001-01-01T00:00:00", 0, False)
    assert registry.create_device("d2", "", "", SHARED_KEY).primaryKey
    assert registry.update_device("d1", other, key, IoTHubDeviceStatus.DISABLED, SHARED_KEY) is None
    read = registry.get_device("d1")
    assert (read.primaryKey, read.status) == (other, IoTHubDeviceStatus.DISABLED)
    assert [device.deviceId for device in registry.get_device_list(10)] == ["d1", "d2"]
    assert len(registry.get_device_list(1)) == 1
    statistics = registry.get_statistics()
    counts = (statistics.totalDeviceCount, statistics.enabledDeviceCount, statistics.disabledDeviceCount)
    assert counts == (2, 1, 1)
    registry.delete_device("d1")
    assert [device.deviceId for device in registry.get_device_list(10)] == ["d2"]


def test_the_registry_tells_what_is_wrong(hub, device):
    registry = IoTHubRegistryManager(IoTHubServiceClientAuth(hub.connection_string("iothubowner")))
    edge = IoTHubDeviceCapabilities()
    edge.iot_edge = True
    result = IoTHubRegistryManagerResult
    for expected, call in [
        (result.DEVICE_EXIST, lambda: registry.create_device(device.id, "", "", SHARED_KEY)),
        (result.DEVICE_NOT_EXIST, lambda: registry.get_device("nobody")),
        (result.DEVICE_NOT_EXIST, lambda: registry.delete_device("nobody")),
        (result.INVALID_ARG, lambda: registry.get_device_list(0)),
        (result.INVALID_ARG, lambda: registry.create_device("d2", "", "", SHARED_KEY, edge)),
        (result.HTTP_STATUS_ERROR, lambda: registry.create_device("d 2", "", "", SHARED_KEY)),
    ]:
        with pytest.raises(IoTHubRegistryManagerError) as thrown:
            call()
        assert result_of(thrown) == expected, thrown.value
    hub.stop()
    with pytest.raises(IoTHubRegistryManagerError) as thrown:
        registry.get_statistics()
    assert result_of(thrown) == result.HTTPAPI_ERROR


# --- how a program ends -----------------------------------------------------------------------------

LEAVES = """
import sys
from iothub_service_client import IoTHubMessage, IoTHubMessaging
client = IoTHubMessaging(sys.argv[1])
client.open(None, None)
for number in range(200):
    client.send_async(sys.argv[2], IoTHubMessage("x"), lambda context, result: print(result), number)
"""


def leave(hub, device, tmp_path, *more):
    path = tmp_path / "leaves.py"
    path.write_text(LEAVES + "\n".join(more), encoding="utf-8")
    return hub.start_client(sys.executable, path, hub.connection_string("service"), device.id)


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "del client"])
def test_leaving_with_sends_in_flight_loses_nothing(hub, device, tmp_path, end):
    # The device's queue takes 50. The hub refuses the others before the first ones are on its disk.
    assert sorted(leave(hub, device, tmp_path, end).finish()) == ["ERROR"] * 150 + ["OK"] * 50
    assert waiting(hub, device) == 50


def test_an_exception_does_not_keep_the_program(hub, device, tmp_path):
    program = leave(hub, device, tmp_path, "raise ValueError('the program failed')")
    assert len(program.finish(status=1)) == 200
    assert "the program failed" in program.error_text()


def test_ctrl_c_ends_a_program_that_waits_for_outcomes(hub, device, tmp_path):
    program = leave(hub, device, tmp_path, "print('leaving', flush=True)")
    hub.process.send_signal(signal.SIGSTOP)  # No outcome comes any more.
    while program.line() != "leaving":
        pass
    # The first may come before the program waits, and then only ends what it was doing.
    for _ in range(2):
        program.process.send_signal(signal.SIGINT)
        try:
            program.process.wait(timeout=5)
            break
        except subprocess.TimeoutExpired:
            continue
    assert program.process.returncode is not None
    hub.process.send_signal(signal.SIGCONT)


ASKS = """
import sys
from iothub_service_client import IoTHubRegistryManager
registry = IoTHubRegistryManager(sys.argv[1])
print("asking", flush=True)
registry.get_statistics()
"""


def test_ctrl_c_ends_a_call_of_the_registry(hub, tmp_path):
    path = tmp_path / "asks.py"
    path.write_text(ASKS, encoding="utf-8")
    connection_string = hub.connection_string("iothubowner")
    program = hub.start_client(sys.executable, path, connection_string)
    hub.process.send_signal(signal.SIGSTOP)  # No answer comes.
    assert program.line() == "asking"
    program.process.send_signal(signal.SIGINT)
    assert program.finish(status=-signal.SIGINT) == []
    assert "KeyboardInterrupt" in program.error_text()
    hub.process.send_signal(signal.SIGCONT)
