"""The telemetry quickstart as a new user tries it: a device program, a reader, and nothing but connection strings."""

import os
import subprocess
import sys

import pytest

from hub import ROOT

EXAMPLES = ROOT / "examples" / "python"


def close_mqtt_port():
    """Of this test's own network; what is sent to it is lost, as behind a firewall."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    rule = ["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8883", "-j", "DROP"]
    subprocess.run(rule, check=True, env={**os.environ, "PATH": path})


@pytest.mark.parametrize("blocked", [False, True])
def test_a_device_sends_and_a_back_end_reads(hub, device, blocked):
    flags = []
    if blocked:
        close_mqtt_port()
        flags = ["--websockets"]
    reader = hub.start_client(sys.executable, EXAMPLES / "read_events.py", "--count", 3, *flags, hub.event_hub_string())
    sending = ["--count", 3, "--interval", 0, *flags, device.connection_string]
    sender = hub.start_client(sys.executable, EXAMPLES / "send_telemetry.py", *sending)
    sent = [line.split(": ", 1)[1] for line in sender.finish()]
    assert len(sent) == 3
    read = [line for line in reader.finish() if line.startswith(device.id)]
    assert [line.split(": ", 1)[1] for line in read] == sent
