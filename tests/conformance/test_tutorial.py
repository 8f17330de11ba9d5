"""The tutorial's own programs, unchanged but for their placeholders. What they print is compared exactly.

They are looked for in a folder shared/tutorial above the repository, or where LINARITE_TUTORIAL says; they are not
part of it. conftest.py leaves this file out, and says so, where there is no such folder.
"""

import re
import sys

import pytest

from tutorial_folder import TUTORIAL

SENT = re.compile(r"""^    \('data', b'(\{"service client sent a message": \d\d\.\d\d\})'\)$""")


def program(name, folder, **placeholders):
    """A copy of the program with its placeholders filled in."""
    text = (TUTORIAL / name).read_text(encoding="utf-8")
    for placeholder, value in placeholders.items():
        text = text.replace("{" + placeholder + "}", value)
    if name == "2020/SimulatedDevice.py":
        text = "import time\n" + text  # The document forgot it.
    path = folder / name.replace("/", "-")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def sender(hub, device, tmp_path):
    def start():
        path = program(
            "2021/SendCloudToDeviceMessage.py",
            tmp_path,
            IoTHubConnectionString=hub.connection_string("service"),
            deviceId=device.id,
        )
        return hub.start_client(sys.executable, path, stdin=True)

    return start


@pytest.fixture
def simulated_device(hub, device, tmp_path):
    def start(name):
        path = program(name, tmp_path, deviceConnectionString=device.connection_string)
        return hub.start_client(sys.executable, path)

    return start


def send_two(sender):
    client = sender()
    assert client.line() == "Starting the Python IoT Hub C2D Messaging service sample..."
    assert client.line() == "Sending message: 0"
    assert client.line() == "Sending message: 1"
    assert client.line() == "Press Enter to continue..."
    client.send("")
    assert client.finish() == []


def expect_2021_message(device, number):
    assert device.line() == ""
    assert device.line() == "Message received:"
    assert SENT.match(device.line())
    rest = [device.line() for _ in range(11)]
    assert rest == [
        f"    ('custom_properties', {{'testProperty': 'PropMsg_{number}'}})",
        f"    ('message_id', 'message_{number}')",
        "    ('expiry_time_utc', None)",
        f"    ('correlation_id', 'correlation_{number}')",
        "    ('user_id', None)",
        "    ('content_encoding', None)",
        "    ('content_type', 'application/json')",
        "    ('output_name', None)",
        "    ('input_name', None)",
        "    ('ack', None)",
        "    ('_iothub_interface_id', None)",
    ]
    assert device.line() == f"Total calls received: {number + 1}"
    assert device.line() == ""


def expect_2021_start(device):
    assert device.line() == "Starting the Python IoT Hub C2D Messaging device sample..."
    assert device.line() == "Waiting for C2D messages, press Ctrl-C to exit"


def test_the_2021_device_receives_from_the_2021_back_end(simulated_device, sender):
    device = simulated_device("2021/SimulatedDevice.py")
    expect_2021_start(device)
    send_two(sender)
    expect_2021_message(device, 0)
    expect_2021_message(device, 1)
    device.stop()


def test_the_2021_device_finds_what_was_sent_before_it_started(simulated_device, sender):
    send_two(sender)
    device = simulated_device("2021/SimulatedDevice.py")
    expect_2021_start(device)
    expect_2021_message(device, 0)
    expect_2021_message(device, 1)
    device.stop()


def test_the_2020_device_receives_from_the_2021_back_end(simulated_device, sender):
    device = simulated_device("2020/SimulatedDevice.py")
    assert device.line() == "Starting the IoT Hub Python sample..."
    assert device.line() == "IoTHubDeviceClient waiting for commands, press Ctrl-C to exit"
    send_two(sender)
    for number in (0, 1):
        assert device.line() == "Message received"
        data = device.line()
        assert re.fullmatch(r"""    Data: <<b'\{"service client sent a message": \d\d\.\d\d\}'>>""", data)
        assert device.line() == f"    Properties: {{'testProperty': 'PropMsg_{number}'}}"
        assert device.line() == f"    Total calls received: {number + 1}"
    device.stop()


def test_the_back_end_gets_an_error_for_a_device_that_is_not_there(hub, tmp_path):
    path = program(
        "2021/SendCloudToDeviceMessage.py",
        tmp_path,
        IoTHubConnectionString=hub.connection_string("service"),
        deviceId="nobody",
    )
    client = hub.start_client(sys.executable, path, stdin=True)
    assert client.line() == "Starting the Python IoT Hub C2D Messaging service sample..."
    assert client.line() == "Sending message: 0"
    # The program's own error path has a wrong format string; what counts is that it got the error.
    assert client.finish(status=1) == []
    assert "C2D message send failure" in client.error_text()


def test_the_2020_device_receives_from_the_2020_back_end(hub, simulated_device, device, tmp_path):
    receiver = simulated_device("2020/SimulatedDevice.py")
    assert receiver.line() == "Starting the IoT Hub Python sample..."
    assert receiver.line() == "IoTHubDeviceClient waiting for commands, press Ctrl-C to exit"
    connection_string = hub.connection_string("service")
    path = program(
        "2020/SendCloudToDeviceMessage.py", tmp_path, IoTHubConnectionString=connection_string, deviceId=device.id
    )
    sender = hub.start_client(sys.executable, path, stdin=True)
    lines = [sender.line() for _ in range(8)]
    assert lines[:4] == [
        "Starting the IoT Hub Service Client Messaging Python sample...",
        f"    Connection string = {connection_string}",
        f"    Device ID         = {device.id}",
        "Sending message: 0",
    ]
    # Its prompt and what its callbacks print come from two threads.
    assert "Press Enter to continue..." in lines
    assert [line for line in lines[4:] if not line.startswith("Press")] == [
        "open_complete_callback called with context: 0",
        "send_complete_callback called with context : 0",
        "messagingResult : OK",
    ]
    sender.send("")
    assert sender.finish() == []
    assert receiver.line() == "Message received"
    data = receiver.line()
    assert re.fullmatch(r"""    Data: <<b'\{"service client sent a message": \d\d\.\d\d\}'>>""", data)
    assert receiver.line() == "    Properties: {'Property': 'PropMsg_0'}"
    assert receiver.line() == "    Total calls received: 1"
    receiver.stop()


def test_the_2020_back_ends_message_has_its_ids(hub, simulated_device, device, tmp_path):
    path = program(
        "2020/SendCloudToDeviceMessage.py",
        tmp_path,
        IoTHubConnectionString=hub.connection_string("service"),
        deviceId=device.id,
    )
    sender = hub.start_client(sys.executable, path, stdin=True)
    sender.send("")  # It leaves as soon as it has sent.
    assert sender.finish()[-1] == "messagingResult : OK"
    receiver = simulated_device("2021/SimulatedDevice.py")
    expect_2021_start(receiver)
    lines = [receiver.line() for _ in range(14)]
    assert "    ('custom_properties', {'Property': 'PropMsg_0'})" in lines
    assert "    ('message_id', 'message_0')" in lines
    assert "    ('correlation_id', 'correlation_0')" in lines
    receiver.stop()
