"""The C++ SDK over WebSockets, by the commands that stand on it: where only port 443 can be reached."""

import json
import signal
import time

import pytest

from hub import PROGRAM

WAIT_S = 30


class NarrowNetwork:
    """A hub as one sees it who knows its name only: nobody listens on 8883 and 5671."""

    def __init__(self, hub):
        self.hub = hub
        self.login = hub.connection_string("iothubowner")

    def words(self, *words):
        return (PROGRAM, *words, "--login", self.login)

    def run(self, *words):
        return self.hub.run(*words, "--login", self.login)

    def cli(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def start(self, *words):
        return self.hub.start_client(*self.words(*words))

    def wait_for_events(self):
        deadline = time.monotonic() + WAIT_S
        while b"\nlinarite_events_appended_total 0\n" in self.hub.admin("/metrics").body:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def narrow(new_hub):
    hub = new_hub("--mqtt-port", "0", "--amqp-port", "0")
    hub.trust_here()
    hub.create_device("d1")
    return NarrowNetwork(hub)


def test_only_websockets_come_through(narrow):
    send = ("device", "send-d2c-message", "-d", "d1", "--da", "x")
    assert "8883" in narrow.run(*send).stderr
    narrow.cli(*send, "--websocket")


def test_a_message_goes_to_the_device_and_its_feedback_comes_back(narrow):
    device = narrow.start("device", "simulate", "-d", "d1", "--da", "x", "--rate", "10", "--mc", "1000000", "--websocket")
    narrow.hub.wait_for_metric("linarite_mqtt_connections", 1)
    send = ("device", "c2d-message", "send", "-d", "d1", "--data", "turn left", "--mid", "m1", "--ack", "full")
    feedback = json.loads(narrow.cli(*send, "--wait", "--websocket"))["feedback"]
    assert (feedback["originalMessageId"], feedback["statusCode"]) == ("m1", "Success")
    assert device.json()["c2dMessage"]["payload"] == "turn left"
    device.process.send_signal(signal.SIGINT)
    done = json.loads("\n".join(device.finish()))
    assert done["received"] == 1 and done["failed"] == 0
    narrow.hub.wait_for_metric("linarite_mqtt_connections", 0)


def test_a_large_message_crosses_whole(narrow):
    body = "x" * 100_000
    narrow.cli("device", "send-d2c-message", "-d", "d1", "--da", body, "--websocket")
    shown = narrow.cli("hub", "monitor-events", "-e", "0", "-t", "2", "--websocket")
    assert json.loads(shown)["event"]["payload"] == body


@pytest.mark.parametrize("restart", ["restart", "restart_after_kill"])
def test_a_device_that_lost_its_connection_sends_everything(narrow, restart):
    device = narrow.start("device", "simulate", "-d", "d1", "--da", "x", "--rate", "50", "--mc", "300", "--websocket")
    narrow.wait_for_events()
    getattr(narrow.hub, restart)()
    narrow.wait_for_events()
    narrow.cli("device", "c2d-message", "send", "-d", "d1", "--data", "welcome back", "--websocket")
    assert device.json()["c2dMessage"]["payload"] == "welcome back"
    done = json.loads("\n".join(device.finish()))
    assert [done[name] for name in ("sent", "acknowledged", "failed", "received")] == [300, 300, 0, 1]


def test_a_reader_of_events_goes_on_after_a_restart(narrow):
    monitor = narrow.start("hub", "monitor-events", "-e", "0", "--websocket")
    for body in ("before", "after"):
        narrow.cli("device", "send-d2c-message", "-d", "d1", "--da", body, "--websocket")
        assert monitor.json()["event"]["payload"] == body
        if body == "before":
            narrow.hub.restart()
    monitor.process.send_signal(signal.SIGINT)
    assert monitor.process.wait(20) == 0


def test_feedback_is_watched_through_a_websocket(narrow):
    monitor = narrow.start("hub", "monitor-feedback", "-w", "m2", "--websocket")
    narrow.cli("device", "c2d-message", "send", "-d", "d1", "--data", "x", "--mid", "m2", "--ack", "full", "--websocket")
    narrow.cli("device", "simulate", "-d", "d1", "--da", "x", "--mc", "2", "--mi", "1", "--websocket")
    assert monitor.json()["feedback"]["originalMessageId"] == "m2"
    assert monitor.process.wait(20) == 0


def test_a_wrong_key_is_refused_as_without(narrow):
    words = ("device", "send-d2c-message", "-d", "d1", "--da", "x", "--websocket", "--key", "d3Jvbmcga2V5")
    assert "CONNACK 5" in narrow.run(*words).stderr


def test_the_hub_of_a_data_directory_is_found_on_its_https_port(new_hub):
    hub = new_hub("--mqtt-port", "0", "--amqp-port", "0", "--https-port", "0")
    hub.create_device("d1")
    hub.cli("device", "send-d2c-message", "-d", "d1", "--da", "x", "--websocket")
    assert json.loads(hub.cli("hub", "monitor-events", "-e", "0", "-t", "1", "--websocket"))["event"]["payload"] == "x"
