"""Running the program: first start, ports, a second instance, ends, configuration, logs, health and metrics."""

import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from hub import PROGRAM, Hub


def serve(data, *flags, timeout=20):
    """Runs `serve` when it is expected to end by itself."""
    command = [PROGRAM, "serve", "--data", data, *flags]
    return subprocess.run([str(w) for w in command], capture_output=True, text=True, timeout=timeout)


def one_sentence(done):
    """The program refused to start and said why in one line."""
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines, "nothing was said"
    return lines[-1]


def test_the_first_start_says_what_there_is(hub):
    log = hub.log()
    assert str(hub.data) in log
    for port in ("8883", "5671", "443", "5300"):
        assert port in log
    assert "ready" in log
    assert ".pem" in log


def test_the_default_data_folder(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    process = subprocess.Popen([PROGRAM, "serve"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while "ready" not in process.stderr.readline():
        assert process.poll() is None
    shown = subprocess.run([PROGRAM, "hub", "connection-string", "show"], env=environment, cwd=tmp_path)
    assert shown.returncode == 0
    process.terminate()
    assert process.wait(20) == 0


def test_secrets_are_for_the_owner_only(hub):
    for path in hub.data.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0 or path.suffix in (".pem", ".crt"), f"{path} has mode {mode:o}"
    assert stat.S_IMODE(hub.data.stat().st_mode) & 0o077 == 0
    for path in hub.data.rglob("*"):
        if path.is_file() and path.suffix in (".pem", ".key") and b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_instance_on_the_same_data_is_refused(hub):
    flags = ("--mqtt-port", "0", "--amqp-port", "0", "--https-port", "0", "--admin-port", "0")
    assert str(hub.data) in one_sentence(serve(hub.data, *flags))
    assert hub.is_ready()


def test_a_port_that_is_taken(tmp_path, hub):
    said = one_sentence(serve(tmp_path / "other"))
    assert re.search(r"\b(443|5671|8883|5300)\b", said)


def test_port_0_picks_free_ones_and_prints_them(new_hub, tmp_path):
    other = Hub(tmp_path / "zero", tmp_path)
    flags = ("--mqtt-port", "0", "--amqp-port", "0", "--https-port", "0")
    other.start(*flags)
    ports = {int(port) for port in re.findall(r":(\d{4,5})\b", other.log())} - {5300}
    listening = 0
    for port in ports:
        with socket.socket() as probe:
            listening += probe.connect_ex(("127.0.0.1", port)) == 0
    assert listening >= 3
    other.stop()


def test_sigterm_ends_clean_and_quickly(hub, device):
    client = hub.node("device.js", device.connection_string)
    assert client.json() == "open"
    started = time.monotonic()
    hub.stop()
    assert time.monotonic() - started < 10


def test_in_memory_keeps_nothing(new_hub):
    hub = new_hub("--in-memory")
    hub.trust_here()
    hub.create_device("d1")
    hub.restart()
    assert hub.cli_json("hub", "device-identity", "list") == []


def test_an_unknown_format_of_the_store_is_refused(hub):
    """A file of the store that is not what it should be stops the start; nothing is served from it."""
    hub.stop()
    store = next(path for path in sorted(hub.data.rglob("CURRENT")))
    store.write_bytes(b"not a store\n")
    one_sentence(serve(hub.data))


def test_host_names_are_aliases(new_hub):
    hub = new_hub("--host", "hub.example.test")
    hub.trust_here()
    text = hub.connection_string("service")
    assert "hub.example.test" in text or "127.0.0.1" in text
    assert hub.rest("GET", "/statistics/service", policy="service").status == 200


# --- configuration ----------------------------------------------------------------------------------


def test_the_default_configuration_checks_and_reads_back(hub, tmp_path):
    printed = hub.run("config", "print")
    assert printed.returncode == 0
    path = tmp_path / "linarite.toml"
    path.write_text(printed.stdout)
    assert hub.run("config", "check", "--config", path).returncode == 0


def test_an_unknown_key_is_an_error_with_its_place(hub, tmp_path):
    path = tmp_path / "linarite.toml"
    path.write_text('# a comment\nnot_a_key = 1\n')
    for done in (hub.run("config", "check", "--config", path), serve(tmp_path / "x", "--config", path)):
        assert done.returncode != 0
        assert "not_a_key" in done.stderr
        assert re.search(r"\b2\b", done.stderr), done.stderr


def test_toml_that_is_none(hub, tmp_path):
    path = tmp_path / "linarite.toml"
    path.write_text("a = = b\n")
    assert hub.run("config", "check", "--config", path).returncode != 0


# --- admin listener ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_health(hub, path):
    assert hub.admin(path).status == 200


def test_the_ca_is_served(hub):
    assert b"BEGIN CERTIFICATE" in hub.admin("/ca.pem").body
    assert b"PRIVATE" not in hub.admin("/ca.pem").body


def test_metrics_have_names_and_no_device_ids(hub):
    hub.create_device("very-special-device-name")
    hub.cli("device", "c2d-message", "send", "-d", "very-special-device-name", "--data", "x")
    text = hub.admin("/metrics").body.decode()
    assert re.search(r"^# TYPE linarite_\w+ (counter|gauge|histogram)", text, re.MULTILINE)
    assert "very-special-device-name" not in text


def test_the_admin_listener_is_only_on_loopback(hub):
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    (admin,) = [line for line in listening.splitlines() if ":5300" in line]
    assert "127.0.0.1:5300" in admin


def test_no_secret_is_logged(hub, device):
    key = hub.connection_string("iothubowner").rsplit("SharedAccessKey=", 1)[1]
    token = hub.policy_token("iothubowner")
    hub.rest("GET", "/devices/sensor-1", token=token)
    hub.rest("GET", "/devices/sensor-1", token=token + "x")
    hub.rest("GET", "/devices?token=" + token.replace(" ", "%20"))
    log = hub.log()
    for secret in (key, device.key, "sig=", "SharedAccessSignature"):
        assert secret not in log
