"""The C++ SDK against the real hub over real TLS, by the programs of examples/cpp as they stand."""

import signal
import time

import pytest

from hub import PROGRAM, Client, parse

EXAMPLES = PROGRAM.parent / "examples" / "cpp"


def start(hub, name, *arguments, **options):
    path = EXAMPLES / name
    assert path.exists(), f"{path} is not built"
    return hub.start_client(path, *arguments, **options)


@pytest.fixture
def simulated_device(hub, device):
    program = start(hub, "simulated_device", device.connection_string)
    assert program.line() == "Waiting for C2D messages, press Ctrl-C to exit"
    return program


def expect_message(program, number, count):
    lines = [program.line() for _ in range(7)]
    assert lines == [
        "",
        f'Message received: {{"service client sent a message": {number}}}',
        f"  message id: message_{number}",
        f"  correlation id: correlation_{number}",
        "  content type: application/json",
        f"  testProperty = PropMsg_{number}",
        f"Total messages received: {count}",
    ]


def expect_sent(program, count):
    for number in range(count):
        assert program.line() == f"Sending message: {number}"


@pytest.mark.parametrize("sender", ["send_cloud_to_device", "send_cloud_to_device_blocking"])
def test_messages_arrive_and_their_feedback_comes_back(hub, device, simulated_device, sender):
    back_end = start(hub, sender, hub.connection_string("service"), device.id, "3")
    expect_sent(back_end, 3)
    for number in range(3):
        expect_message(simulated_device, number, number + 1)
    assert back_end.finish() == [f"message_{number}: success" for number in range(3)]
    simulated_device.process.send_signal(signal.SIGINT)
    assert simulated_device.finish() == []


@pytest.mark.parametrize("restart", ["restart", "restart_after_kill"])
def test_the_device_survives_a_restart_of_the_hub(hub, device, simulated_device, restart):
    getattr(hub, restart)()
    back_end = start(hub, "send_cloud_to_device", hub.connection_string("service"), device.id, "2")
    expect_sent(back_end, 2)
    for number in range(2):
        expect_message(simulated_device, number, number + 1)
    assert back_end.finish() == ["message_0: success", "message_1: success"]


def test_what_was_sent_before_the_device_came_waits_for_it(hub, device):
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--data", "early", "--mid", "m")
    program = start(hub, "simulated_device", device.connection_string)
    assert program.line() == "Waiting for C2D messages, press Ctrl-C to exit"
    assert program.line() == ""
    assert program.line() == "Message received: early"


def failure_of(program):
    program.finish(status=1)
    return program.error_text().strip()


def with_field(connection_string, name, value):
    fields = parse(connection_string)
    fields[name] = value
    return ";".join(f"{key}={fields[key]}" for key in fields)


def test_each_wrong_thing_is_named(hub, device):
    wrong_key = with_field(device.connection_string, "SharedAccessKey", "d3Jvbmcga2V5IHdyb25nIGtleQ==")
    assert "CONNACK 5" in failure_of(start(hub, "simulated_device", wrong_key))
    no_field = device.connection_string.replace("DeviceId", "DeviceName")
    assert "DeviceName" in failure_of(start(hub, "simulated_device", no_field))
    wrong_name = with_field(device.connection_string, "HostName", "127.1")  # The same address, another name.
    assert "HostName must be a name in the hub's certificate" in failure_of(start(hub, "simulated_device", wrong_name))


def test_an_untrusted_hub_is_refused_with_advice(hub, device):
    environment = {"SSL_CERT_FILE": "/dev/null"}
    program = Client([EXAMPLES / "simulated_device", device.connection_string], env=environment)
    assert "SSL_CERT_FILE" in failure_of(program)


def test_the_back_end_gets_the_hubs_own_error(hub, device):
    back_end = start(hub, "send_cloud_to_device", hub.connection_string("service"), "nobody")
    assert back_end.line() == "Sending message: 0"
    assert "tracking id" in failure_of(back_end)
    wrong_key = with_field(hub.connection_string("service"), "SharedAccessKey", "d3Jvbmcga2V5IHdyb25nIGtleQ==")
    assert "SharedAccessKey" in failure_of(start(hub, "send_cloud_to_device", wrong_key, device.id))


READING = "Reading events, press Ctrl-C to exit"


def read_events(hub, *arguments, text=None):
    """examples/cpp/read_events, which has begun."""
    program = start(hub, "read_events", text or hub.connection_string("service"), *arguments)
    assert program.line() == READING
    return program


def send_events(hub, device, bodies):
    for body in bodies:
        hub.cli("device", "send-d2c-message", "-d", device.id, "--data", body)


def shown(program, count):
    """The next events as [(place, body)], of which a place is partition and sequence number."""
    lines = [program.line() for _ in range(count)]
    return [(tuple(map(int, line.split(" ")[0].split("/"))), line.rpartition(": ")[2]) for line in lines]


def wait_for_checkpoint(path, place):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and f"{place[0]} {place[1]}" in path.read_text().splitlines():
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint {place} in {path}")


def test_a_reader_of_events_goes_on_behind_its_checkpoint(hub, device, tmp_path):
    """No hole and nothing twice: also over a crash of the hub while no reader is there."""
    checkpoints = tmp_path / "checkpoints"
    first = read_events(hub, checkpoints)
    send_events(hub, device, ["0", "1"])
    seen = shown(first, 2)
    wait_for_checkpoint(checkpoints, seen[-1][0])
    first.stop()
    send_events(hub, device, ["2", "3"])
    hub.restart_after_kill()
    second = read_events(hub, checkpoints)
    seen += shown(second, 2)
    hub.restart()
    send_events(hub, device, ["4"])
    seen += shown(second, 1)
    second.stop()
    assert [body for _, body in seen] == ["0", "1", "2", "3", "4"]
    assert len({place[0] for place, _ in seen}) == 1
    assert [place[1] for place, _ in seen] == [0, 1, 2, 3, 4]


def test_an_owner_of_events_disconnects_the_others_for_good(hub, device):
    send_events(hub, device, ["0"])
    without = read_events(hub)
    assert shown(without, 1)[0][1] == "0"
    owner = read_events(hub, "", "1")
    assert shown(owner, 1)[0][1] == "0"
    assert "partition" in failure_of(without)
    higher = read_events(hub, "", "2")
    assert shown(higher, 1)[0][1] == "0"
    assert "partition" in failure_of(owner)
    assert "partition" in failure_of(read_events(hub, "", "1"))
    send_events(hub, device, ["1"])
    assert shown(higher, 1)[0][1] == "1"
    higher.stop()


def test_events_by_the_text_of_event_hubs_clients(hub, device):
    send_events(hub, device, ["by Endpoint"])
    reader = read_events(hub, text=hub.event_hub_string())
    assert shown(reader, 1)[0][1] == "by Endpoint"
    reader.stop()


def test_events_without_tls_as_with_an_emulator(new_hub, monkeypatch):
    monkeypatch.setenv("LINARITE_LISTEN_PLAIN_AMQP_PORT", "5672")
    hub = new_hub()
    device = hub.create_device("sensor-1")
    send_events(hub, device, ["in the clear"])
    reader = read_events(hub, text=hub.event_hub_string("--use-emulator"))
    assert shown(reader, 1)[0][1] == "in the clear"
    reader.stop()
