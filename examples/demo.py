#!/usr/bin/env python3
"""The tutorial, played for real: `./dev demo` runs this.

A hub of its own in a temporary folder, a device, a back end and a reader of feedback. Every line that the
programs print is shown, and looked at: the demo ends with 0 only if all of it was seen.
"""

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
EXAMPLES = ROOT / "examples" / "python"
PORTS = (443, 5671, 8883, 5300)  # The official SDKs know the first three and offer no other choice.
WAIT_S = 60


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
    command = [unshare, "-rn", "sh", "-c", inside, "demo", sys.executable, os.path.abspath(__file__)]
    os.execve(unshare, command, environment)


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


def play(data, running):
    say("starting a hub")
    hub = Program("hub", [PROGRAM, "serve", "--data", data])
    running.append(hub)
    hub.expect("ready")

    say("registering the device sensor-1")
    linarite(data, "hub", "device-identity", "create", "-d", "sensor-1")
    device_string = linarite(data, "hub", "device-identity", "connection-string", "show", "-d", "sensor-1", "-o", "tsv")
    service_string = linarite(data, "hub", "connection-string", "show", "--policy-name", "service", "-o", "tsv")

    say("starting the device and a reader of feedback")
    python = sys.executable
    device = Program(
        "device",
        trusting(data, python, EXAMPLES / "simulated_device.py", "--count", "2"),
        {"DEVICE_CONNECTION_STRING": device_string},
    )
    running.append(device)
    feedback = Program("feedback", [PROGRAM, "hub", "monitor-feedback", "--data", data])
    running.append(feedback)
    device.expect("connected")

    say("sending two messages")
    back_end = Program(
        "back end",
        trusting(data, python, EXAMPLES / "send_cloud_to_device.py", "--device-id", "sensor-1", "--count", "2"),
        {"SERVICE_CONNECTION_STRING": service_string},
    )
    running.append(back_end)
    back_end.expect("sent message-1", "sent message-2")
    back_end.expect_end()

    for number in (1, 2):
        device.expect(
            f'body: {{"wind": {10.0 + number}}}',
            f"message_id: message-{number}",
            f"correlation_id: correlation-{number}",
            "content_type: application/json",
            f"property origin: back end, message {number}",
        )
    device.expect("2 received")
    device.expect_end()
    feedback.expect("message-1", "message-2", "Success")

    say("stopping the hub")
    feedback.stop()
    hub.stop()
    hub.expect_end()


def main():
    if not ports_are_ours():
        enter_own_network()
    data = tempfile.mkdtemp(prefix="linarite-demo-")
    running = []
    started = time.monotonic()
    try:
        play(data, running)
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
