#!/usr/bin/env python3
"""The tutorial, played for real: `./dev demo` runs this.

Usage: demo.py [python|cpp]

A hub of its own in a temporary folder, a device, a back end and a reader of feedback, the device and the back
end being the examples in this language. Every line that the programs print is shown, and looked at: the demo
ends with 0 only if all of it was seen.
"""

import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build" / "linarite"
PYTHON_EXAMPLES = ROOT / "examples" / "python"
CPP_EXAMPLES = ROOT / "build" / "examples" / "cpp"
PORTS = (443, 5671, 8883, 5300)  # The official SDKs know the first three and offer no other choice.
WAIT_S = 60
DEVICE = "sensor-1"
MESSAGES = 2


class Failed(Exception):
    """What the demo wanted to see and did not."""


class Program:
    """A running program whose output is shown with its name before each line, and kept."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                print(f"{self.name:>9} | {self.lines[-1]}", flush=True)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def saw(self, text):
        return any(text in line for line in self.lines)

    def expect(self, *texts):
        """Waits until each of the texts was printed."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or all(map(self.saw, texts)), timeout=WAIT_S)
            missing = [text for text in texts if not self.saw(text)]
        if missing:
            raise Failed(f"the {self.name} did not print {missing[0]!r}")

    def expect_end(self, status=0):
        try:
            got = self.process.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the {self.name} did not end") from None
        if got != status:
            raise Failed(f"the {self.name} ended with {got}")

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(timeout=WAIT_S)


def say(text):
    print(f"\n--- {text}", flush=True)


def ports_are_ours():
    """Whether this process may bind all the ports, and nobody else has them."""
    for port in PORTS:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def enter_own_network():
    """Starts the demo again in a user and network namespace of its own, where the ports are free."""
    if os.environ.get("LINARITE_DEMO_NAMESPACE"):
        raise Failed("port 443 is not to be had in a namespace either")
    say("port 443, 5671, 8883 or 5300 is not to be had here: going on in a network namespace of its own")
    unshare = shutil.which("unshare")
    inside = 'ip link set lo up && exec "$@"'
    environment = {**os.environ, "LINARITE_DEMO_NAMESPACE": "1"}
    environment["PATH"] += ":/usr/sbin:/sbin"
    command = [unshare, "-rn", "sh", "-c", inside, "demo", sys.executable, os.path.abspath(__file__), *sys.argv[1:]]
    os.execve(unshare, command, environment)


@dataclasses.dataclass(frozen=True)
class Examples:
    """A device and a back end in one language: how they are started, and what they print."""

    device: list  # The words of the command.
    device_environment: dict
    device_ready: str
    device_stops_itself: bool  # After the last message; else it goes on until Ctrl-C.
    back_end: list
    back_end_environment: dict
    sent: list  # What the back end prints while it sends.
    received: list  # What the device prints of the messages.
    last: str  # What it prints when it has the last one.
    feedback: list  # What the back end prints of the feedback; empty: another program reads it.


def python_examples(device_string, service_string):
    def message(number):
        return [
            f'body: {{"wind": {10.0 + number}}}',
            f"message_id: message-{number}",
            f"correlation_id: correlation-{number}",
            "content_type: application/json",
            f"property origin: back end, message {number}",
        ]

    sender = PYTHON_EXAMPLES / "send_cloud_to_device.py"
    numbers = range(1, MESSAGES + 1)
    return Examples(
        device=[sys.executable, PYTHON_EXAMPLES / "simulated_device.py", "--count", MESSAGES],
        device_environment={"DEVICE_CONNECTION_STRING": device_string},
        device_ready="connected",
        device_stops_itself=True,
        back_end=[sys.executable, sender, "--device-id", DEVICE, "--count", MESSAGES],
        back_end_environment={"SERVICE_CONNECTION_STRING": service_string},
        sent=[f"sent message-{number}" for number in numbers],
        received=[line for number in numbers for line in message(number)],
        last=f"{MESSAGES} received",
        feedback=[],
    )


def cpp_examples(device_string, service_string):
    def message(number):
        return [
            f'Message received: {{"service client sent a message": {number}}}',
            f"message id: message_{number}",
            f"correlation id: correlation_{number}",
            "content type: application/json",
            f"testProperty = PropMsg_{number}",
        ]

    numbers = range(MESSAGES)
    return Examples(
        device=[CPP_EXAMPLES / "simulated_device", device_string],
        device_environment={},
        device_ready="Waiting for C2D messages",
        device_stops_itself=False,
        back_end=[CPP_EXAMPLES / "send_cloud_to_device", service_string, DEVICE, MESSAGES],
        back_end_environment={},
        sent=[f"Sending message: {number}" for number in numbers],
        received=[line for number in numbers for line in message(number)],
        last=f"Total messages received: {MESSAGES}",
        feedback=[f"message_{number}: success" for number in numbers],
    )


LANGUAGES = {"python": python_examples, "cpp": cpp_examples}


def linarite(data, *words):
    """Runs one command of the command line and returns what it printed."""
    command = [PROGRAM, *words, "--data", data]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"linarite {' '.join(words)} ended with {done.returncode}")
    return done.stdout.strip()


def trusting(data, *command):
    """The command, run with the hub's CA among the trusted ones."""
    return [PROGRAM, "run", "--data", data, "--", *command]


def start_hub(data, running):
    say("starting a hub")
    hub = Program("hub", [PROGRAM, "serve", "--data", data])
    running.append(hub)
    hub.expect("ready")
    return hub


def register(data):
    """The connection strings of a new device and of a back end."""
    say(f"registering the device {DEVICE}")
    linarite(data, "hub", "device-identity", "create", "-d", DEVICE)
    return (
        linarite(data, "hub", "device-identity", "connection-string", "show", "-d", DEVICE, "-o", "tsv"),
        linarite(data, "hub", "connection-string", "show", "--policy-name", "service", "-o", "tsv"),
    )


def play(language, data, running):
    hub = start_hub(data, running)
    examples = LANGUAGES[language](*register(data))

    say("starting the device")
    device = Program("device", trusting(data, *examples.device), examples.device_environment)
    running.append(device)
    if not examples.feedback:
        reader = Program("feedback", [PROGRAM, "hub", "monitor-feedback", "--data", data])
        running.append(reader)
    device.expect(examples.device_ready)

    say(f"sending {MESSAGES} messages")
    back_end = Program("back end", trusting(data, *examples.back_end), examples.back_end_environment)
    running.append(back_end)
    back_end.expect(*examples.sent, *examples.feedback)
    back_end.expect_end()

    device.expect(*examples.received, examples.last)
    if not examples.device_stops_itself:
        device.process.send_signal(signal.SIGINT)
    device.expect_end()
    if not examples.feedback:
        reader.expect("message-1", "message-2", "Success")
        reader.stop()

    say("stopping the hub")
    hub.stop()
    hub.expect_end()


def main():
    language = sys.argv[1] if len(sys.argv) > 1 else "python"
    if language not in LANGUAGES:
        print(f"no examples in {language}: give one of {', '.join(LANGUAGES)}", file=sys.stderr)
        return 2
    if not ports_are_ours():
        enter_own_network()
    data = tempfile.mkdtemp(prefix="linarite-demo-")
    running = []
    started = time.monotonic()
    try:
        play(language, data, running)
    except Failed as failure:
        print(f"\nThe demo failed: {failure}.", file=sys.stderr)
        return 1
    finally:
        for program in reversed(running):
            program.stop(signal.SIGKILL)
        shutil.rmtree(data, ignore_errors=True)
    say(f"two messages sent, received, acknowledged and reported back, in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
