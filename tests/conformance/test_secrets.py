"""What is secret stays secret: keys in the data folder, the file of master keys, certificates and keys that change
while devices stay connected."""

import base64
import os
import resource
import signal
import ssl
import subprocess
import time
import urllib.parse

import pytest
from azure.iot.hub import IoTHubRegistryManager

from hub import HOST, PROGRAM, START_S, parse
from test_operation import one_sentence, serve
from test_python_device import Receiver


def forms(key):
    """A key as it could stand in a file: its text, its bytes, in a URL, in hexadecimal."""
    raw = base64.b64decode(key)
    text = key.encode()
    return [text, text.rstrip(b"="), raw, urllib.parse.quote(key, safe="").encode(), raw.hex().encode()]


def files_with(folder, key):
    """Names of the files below a folder that hold a key, in any form."""
    contents = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path.name for path, content in contents.items() if any(form in content for form in forms(key))}


def all_keys(hub):
    keys = set()
    for policy in ("iothubowner", "service", "device", "registryRead", "registryReadWrite"):
        for kind in ("primary", "secondary"):
            show = ("hub", "connection-string", "show", "--policy-name", policy, "--key-type", kind, "-o", "tsv")
            keys.add(parse(hub.cli(*show))["SharedAccessKey"])
    for device in hub.cli_json("hub", "device-identity", "list"):
        name = ("hub", "device-identity", "show", "-d", device["deviceId"])
        keys.update(hub.cli_json(*name)["authentication"]["symmetricKey"].values())
    return keys


def test_no_key_lies_in_the_data_folder_the_log_or_the_metrics(hub, device):
    given = base64.b64encode(b"a key that is easily found").decode()
    other = base64.b64encode(os.urandom(32)).decode()
    hub.cli("hub", "device-identity", "create", "-d", "given", "--pk", given, "--sk", other)
    keys = all_keys(hub)
    tokens = [hub.policy_token("service"), device.token()]
    assert hub.rest("GET", "/statistics/service", token=tokens[0]).status == 200
    assert hub.rest("GET", "/devices/given", token=tokens[1]).status == 401
    receiver = Receiver(device.connection_string).subscribe()
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--da", "x")
    receiver.next()
    receiver.client.shutdown()
    # Keys that are replaced were never there either.
    hub.cli("hub", "policy", "renew-key", "--name", "service", "--rk", "primary")
    hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "swap")
    hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "primary")
    keys |= all_keys(hub)
    assert len(keys) == 16  # Ten of policies and one renewed, four of devices and one renewed.
    shown = hub.log().encode() + hub.admin("/metrics").body + hub.admin("/health").body
    signatures = [urllib.parse.unquote(part) for token in tokens for part in token.split("&") if part[:4] == "sig="]
    secrets = [*keys, *(signature.removeprefix("sig=") for signature in signatures)]
    hub.kill()  # Everything is still in the store's log, then in its tables.
    for _ in range(2):
        for secret in secrets:
            assert files_with(hub.data, secret) == set()
            assert not any(form in shown + hub.log().encode() for form in forms(secret))
        hub.start()
        hub.stop()


def test_the_search_finds_what_is_there(hub):
    """The control of the test above: the secrets that are documented are found by the same search."""
    line = next(line for line in (hub.data / "master.key").read_text().splitlines() if line.startswith("key "))
    assert files_with(hub.data, line.split()[2]) == {"master.key"}


# --- the file of master keys ------------------------------------------------------------------------


def readable(path):
    path.chmod(0o644)
    return "0400 or 0600"


def missing(path):
    path.unlink()
    return "it is missing"


def damaged(path):
    path.write_text(path.read_text().replace("key ", "kex "))
    return "damaged"


def of_another_hub(path):
    other = path.parent.parent / "other"
    flags = ("--mqtt-port", "0", "--amqp-port", "0", "--https-port", "0", "--admin-port", "0")
    command = [str(word) for word in (PROGRAM, "serve", "--data", other, *flags)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while "ready" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
    path.write_text((other / "master.key").read_text())
    return "another hub"


@pytest.mark.parametrize("change", [readable, missing, damaged, of_another_hub])
def test_a_start_without_the_right_master_key_is_refused(hub, device, change):
    path = hub.data / "master.key"
    good = path.read_text()
    hub.stop()
    expected = change(path)
    said = one_sentence(serve(hub.data))
    assert str(path) in said and expected in said
    path.write_text(good)
    path.chmod(0o400)
    hub.start()
    assert Receiver(device.connection_string).subscribe().client.connected


def test_a_master_key_from_elsewhere(hub, device, tmp_path):
    """As a credential of systemd or a mounted secret: a path, a file that is only read."""
    secret = tmp_path / "secret"
    hub.stop()
    (hub.data / "master.key").rename(secret)
    secret.chmod(0o400)
    os.environ["LINARITE_STORE_MASTER_KEY_FILE"] = str(secret)
    hub.start()
    assert Receiver(device.connection_string).subscribe().client.connected
    hub.stop()
    assert not (hub.data / "master.key").exists()
    done = hub.run("store", "check", "--data", hub.data, "--master-key-file", secret)
    assert done.returncode == 0, done.stderr
    lost = hub.run("store", "check", "--data", hub.data)
    assert (lost.returncode, "can't be opened" in lost.stdout) == (1, True)


def test_a_rewrap_changes_the_master_key_and_no_other(hub, device):
    before = (hub.data / "master.key").read_text()
    keys = all_keys(hub)
    assert "stop it first" in hub.run("store", "rewrap", "--data", hub.data).stderr
    hub.stop()
    done = hub.cli_json("store", "rewrap")
    assert done["recordsSealed"] == 6
    assert done["masterKey"] in (hub.data / "master.key").read_text()
    assert done["masterKey"] not in before
    hub.start()
    assert all_keys(hub) == keys
    assert Receiver(device.connection_string).subscribe().client.connected
    hub.stop()
    (hub.data / "master.key").write_text(before)
    assert "of another time" in one_sentence(serve(hub.data))


# --- the process ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dumps", [False, True])
def test_core_dumps_are_off_unless_they_are_asked_for(new_hub, dumps):
    resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
    if dumps:
        os.environ["LINARITE_SERVER_CORE_DUMPS"] = "true"
    hub = new_hub()
    assert resource.prlimit(hub.process.pid, resource.RLIMIT_CORE) == ((4096, 4096) if dumps else (0, 0))
    # The files in /proc of a process that may not be dumped belong to root. Where all is root's this proves nothing.
    if os.geteuid() != 0:
        assert os.stat(f"/proc/{hub.process.pid}/mem").st_uid == (os.geteuid() if dumps else 0)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_public_address_needs_own_certificates_or_words(tmp_path, address):
    os.environ["LINARITE_LISTEN_ADDRESSES"] = address
    said = one_sentence(serve(tmp_path / "data"))
    for what in (address, "tls.certificate_files", "--allow-dev-ca-on-public-address", "LINARITE_LISTEN_ALLOW_DEV_CA"):
        assert what in said
    assert not (tmp_path / "data").exists()


# --- keys and certificates that change --------------------------------------------------------------


def test_the_other_key_of_a_device_is_renewed_while_it_stays_connected(hub, device):
    receiver = Receiver(device.connection_string, connection_retry=False).subscribe()
    hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "secondary")
    hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "swap")
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--da", "still here")
    assert receiver.next().data == b"still here"
    # Swapped, its key is the secondary one now, and goes.
    hub.cli("hub", "device-identity", "renew-key", "-d", device.id, "--kt", "secondary")
    receiver.wait_connected(False)


def test_the_other_key_of_a_policy_is_renewed_while_its_senders_stay_connected(hub, device):
    sender = IoTHubRegistryManager.from_connection_string(hub.connection_string("service"))
    receiver = Receiver(device.connection_string).subscribe()
    sender.send_c2d_message(device.id, "before")
    hub.cli("hub", "policy", "renew-key", "--name", "service", "--rk", "secondary")
    sender.send_c2d_message(device.id, "after")
    assert [receiver.next().data, receiver.next().data] == [b"before", b"after"]


def make_certificate(folder, name):
    """A self-signed certificate for 127.0.0.1 with its key, under one name for the hub's configuration."""
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name}"
    paths = [str(folder / "hub.pem"), str(folder / "hub.key")]
    extra = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    return paths


def test_certificates_change_while_a_device_stays_connected(new_hub, tmp_path):
    certificate, key = make_certificate(tmp_path, "first")
    os.environ["LINARITE_TLS_CERTIFICATE_FILES"] = certificate
    os.environ["LINARITE_TLS_KEY_FILES"] = key
    hub = new_hub()
    first = ssl.get_server_certificate((HOST, 443))
    os.environ["SSL_CERT_FILE"] = certificate
    identity = hub.cli_json("hub", "device-identity", "create", "-d", "d1")
    words = ("hub", "device-identity", "connection-string", "show", "-d", "d1", "-o", "tsv")
    receiver = Receiver(
        hub.cli(*words), connection_retry=False, server_verification_cert=(tmp_path / "hub.pem").read_text()
    ).subscribe()
    assert identity["deviceId"] == "d1"

    make_certificate(tmp_path, "second")
    hub.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + START_S
    while ssl.get_server_certificate((HOST, 443)) == first:
        assert time.monotonic() < deadline, hub.log()
        time.sleep(0.02)
    assert ssl.get_server_certificate((HOST, 8883)) == (tmp_path / "hub.pem").read_text() != first
    assert receiver.client.connected
    os.environ["SSL_CERT_FILE"] = str(tmp_path / "hub.pem")
    hub.cli("device", "c2d-message", "send", "-d", "d1", "--da", "over the old connection")
    assert receiver.next().data == b"over the old connection"

    # What can't be read changes nothing.
    (tmp_path / "hub.pem").write_text("no certificate")
    hub.process.send_signal(signal.SIGHUP)
    while "the old certificates stay in use" not in hub.log():
        assert time.monotonic() < deadline, hub.log()
        time.sleep(0.02)
    assert receiver.client.connected
