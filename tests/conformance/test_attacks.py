"""What outsiders try on the real program: the scanners of TLS, odd handshakes, floods, and rights that end."""

import queue
import re
import socket
import ssl
import subprocess
import threading

import pytest

from hub import HOST
from test_mqtt_connect import API, Mqtt

TLS_PORTS = (8883, 5671, 443)


def without_trust():
    """What a scanner does: it only looks."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", TLS_PORTS)
def test_what_sslscan_finds(hub, port):
    scan = subprocess.run(["sslscan", "--no-colour", f"{HOST}:{port}"], capture_output=True, text=True, timeout=60)
    found = scan.stdout
    assert scan.returncode == 0, scan.stderr
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"^{version} +disabled$", found, re.MULTILINE), found
    assert "Session renegotiation not supported" in found
    assert "vulnerable" not in found.replace("not vulnerable", "")
    suites = set(re.findall(r"(?:Preferred|Accepted) +(TLSv\S+) +\d+ bits +(\S+)", found))
    always = {
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    }
    # The RSA certificate of a new data folder comes a moment after the start.
    with_rsa = {("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"), ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")}
    assert always <= suites <= always | with_rsa
    groups = set(re.findall(r"^TLSv1\.\d +\d+ bits +(\S+)(?: \(.*\))?$", found, re.MULTILINE))
    assert groups == {"secp256r1", "x25519"}


@pytest.mark.parametrize("name", ["nobody.example", "a" * 63 + ".example", "xn--nxasmq6b.example", "127.0.0.1.nip.io"])
def test_an_odd_server_name_changes_nothing(hub, name):
    with socket.create_connection((HOST, 8883), 20) as tcp:
        with without_trust().wrap_socket(tcp, server_hostname=name) as tls:
            assert tls.version() == "TLSv1.3"


def test_odd_protocols_of_alpn_change_nothing(hub):
    for protocols in (["h2"], ["h2", "http/1.1"], ["x" * 255], ["mqtt", "amqp"]):
        context = without_trust()
        context.set_alpn_protocols(protocols)
        with socket.create_connection((HOST, 443), 20) as tcp:
            with context.wrap_socket(tcp, server_hostname=HOST) as tls:
                expected = "http/1.1" if "http/1.1" in protocols else None
                assert tls.selected_alpn_protocol() == expected, "HTTP/2 is never agreed to"


def test_a_client_hello_may_come_byte_by_byte(hub):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = without_trust().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with socket.create_connection((HOST, 8883), 20) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    tcp.send(bytes([byte]))
                incoming.write(tcp.recv(65536))
    assert tls.version() == "TLSv1.3"


# --- Rights that end --------------------------------------------------------------------------------


def connected(device, transport="tcp"):
    client = Mqtt(device.id, f"{HOST}/{device.id}/?{API}", device.token(), transport=transport)
    assert client.next()[:2] == ("connack", 0)
    return client


def disable(hub, device):
    answer = hub.rest("GET", f"/devices/{device.id}")
    identity = {**answer.json, "status": "disabled"}
    return hub.rest("PUT", f"/devices/{device.id}", identity, headers={"If-Match": "*"})


def delete(hub, device):
    return hub.rest("DELETE", f"/devices/{device.id}", headers={"If-Match": "*"})


@pytest.mark.parametrize("end, refusal", [(disable, 3), (delete, 5)])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_a_device_that_may_no_longer_is_cut_and_stays_out(hub, device, end, refusal, transport):
    client = connected(device, transport)
    assert end(hub, device).status in (200, 204)
    assert client.next() == ("closed",)
    # A new TLS connection is a new look at who it is; nothing of the old one can be resumed.
    for again in ("tcp", "websockets"):
        late = Mqtt(device.id, f"{HOST}/{device.id}/?{API}", device.token(), transport=again)
        assert late.next()[:2] == ("connack", refusal)


# --- Floods -----------------------------------------------------------------------------------------


def mqtt_connect(device_id, password):
    """A CONNECT packet."""

    def text(value):
        return len(value).to_bytes(2, "big") + value.encode()

    body = text("MQTT") + bytes([4, 0xC2]) + (60).to_bytes(2, "big")
    body += text(device_id) + text(f"{HOST}/{device_id}/?{API}") + text(password)
    size, length = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return b"\x10" + length + body


def raw_connect(device_id, password):
    """The return code of CONNACK on a connection of its own."""
    with socket.create_connection((HOST, 8883), 60) as tcp:
        with without_trust().wrap_socket(tcp, server_hostname=HOST) as tls:
            tls.sendall(mqtt_connect(device_id, password))
            return tls.recv(4)[3]


@pytest.fixture
def limited_hub(new_hub, tmp_path):
    def make(setting):
        config = tmp_path / "linarite.toml"
        config.write_text(f"[throttle]\n{setting}\n")
        return new_hub("--config", config)

    return make


def test_a_good_device_gets_in_beside_many_bad_ones_of_its_address(limited_hub):
    hub = limited_hub("authentication_failures_per_minute = 5")
    device = hub.create_device("sensor-1")
    codes = queue.Queue()

    def try_wrong():
        codes.put(raw_connect(device.id, "SharedAccessSignature sr=x&sig=y&se=1"))

    threads = [threading.Thread(target=try_wrong, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        assert codes.get(timeout=60) == 5
    # Most of the others are being held back by now.
    assert raw_connect(device.id, device.token()) == 0
    for _ in range(7):
        assert codes.get(timeout=60) == 5
    held = b'linarite_throttled_total{limit="authentication_failures_per_minute"}'
    assert re.search(re.escape(held) + rb" [1-9]", hub.admin("/metrics").body)


def test_addresses_that_connect_too_often_are_closed_before_their_handshake(limited_hub):
    limited_hub("address_connects_per_second = 1")
    peers = [socket.create_connection((HOST, port), 20) for port in TLS_PORTS * 20]
    closed = 0
    for peer in peers:
        peer.settimeout(0.1)
        try:
            closed += peer.recv(1) == b""
        except ConnectionResetError:
            closed += 1
        except TimeoutError:
            pass
    assert closed >= len(peers) / 2
    assert closed < len(peers)
