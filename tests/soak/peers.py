#!/usr/bin/env python3
"""One peer that wants nothing but its answers, or some thousands that want no good: `peers.py KIND --data DIR ...`
until SIGTERM, then says what it did as one JSON object. Each is a process of its own, with its own sockets and time."""

import argparse
import collections
import json
import os
import pathlib
import resource
import select
import signal
import socket
import ssl
import struct
import threading
import time

import soaked_hub
from hub_clients import HOST, sas_token

CONNECT_SECONDS = 5
STEADY_RATE = 50
STEADY_PATIENCE_SECONDS = 60
HELLO = b"\x16\x03\x01\x02\x00"  # How each TLS handshake begins; the rest never comes.


def mqtt_text(text):
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded


def mqtt_connect(device, token):
    """A CONNECT packet of MQTT 3.1.1, clean session."""
    body = mqtt_text("MQTT") + bytes([4, 0xC2, 0, 60]) + mqtt_text(device)
    body += mqtt_text(f"{HOST}/{device}/?api-version=2021-04-12") + mqtt_text(token)
    size, out = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        out += bytes([digit | (0x80 if size else 0)])
        if not size:
            return b"\x10" + out + body


class HalfOpen:
    """Keeps `count` connections that never finish their handshake: half of them say nothing more, the others
    one byte a second. What the server ends is opened again."""

    def __init__(self, place, options, counts):
        self.ports = [place.mqtt_port, place.amqp_port, place.https_port]
        self.sources = options.source
        self.wanted, self.counts = options.count, counts
        self.poll = select.epoll()
        self.sockets = {}
        self.order = collections.deque()

    def open_one(self):
        one = socket.socket()
        one.setblocking(False)
        number = self.counts["opened"]
        try:
            one.bind((self.sources[number % len(self.sources)], 0))
            one.connect_ex((HOST, self.ports[number % len(self.ports)]))
        except OSError:
            one.close()
            self.counts["refused"] += 1
            return
        self.counts["attacks"] += 1
        self.counts["opened"] += 1
        self.sockets[one.fileno()] = one
        self.order.append(one.fileno())
        self.poll.register(one, select.EPOLLIN | select.EPOLLRDHUP)

    def drop(self, descriptor):
        one = self.sockets.pop(descriptor, None)
        if one is not None:
            self.poll.unregister(descriptor)
            one.close()
            self.counts["ended_by_the_server"] += 1

    def say_a_byte(self, part):
        """To the next part of those that talk, so that each has its turn once a second."""
        for _ in range(min(part, len(self.order))):
            descriptor = self.order.popleft()
            one = self.sockets.get(descriptor)
            if one is None:
                continue
            self.order.append(descriptor)
            if descriptor % 2:
                try:
                    one.send(HELLO[:1])
                    self.counts["bytes"] += 1
                except OSError:
                    pass  # Not connected yet, or ended.

    def run(self, ended):
        while not ended.wait(0.05):
            for descriptor, _ in self.poll.poll(0, 2000):
                self.drop(descriptor)
            for _ in range(min(200, self.wanted - len(self.sockets))):
                self.open_one()
            self.say_a_byte(len(self.order) // 20 + 1)
            self.counts["most"] = max(self.counts["most"], len(self.sockets))


def mqtt_publish(device, body):
    """A PUBLISH of QoS 1, packet 2, of a device's event; it must be longer than 127 bytes and not than 16383."""
    content = mqtt_text(f"devices/{device}/messages/events/") + b"\x00\x02" + body
    return bytes([0x32, len(content) % 128 | 0x80, len(content) // 128]) + content


PUBACK = b"\x40\x02\x00\x02"


def tls_socket(place, port, patience=CONNECT_SECONDS):
    plain = socket.create_connection((HOST, port), timeout=patience)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return place.tls.wrap_socket(plain, server_hostname=HOST)


def connect_mqtt(place, device, token, patience=CONNECT_SECONDS):
    """The connection and the code of its CONNACK."""
    one = tls_socket(place, place.mqtt_port, patience)
    one.sendall(mqtt_connect(device, token))
    answer = one.recv(4)
    return one, answer[3] if len(answer) == 4 else -1


def steady(place, options, counts, ended):
    """A device that sends at a fixed rate, one event after the other: how long it waits, from the moment at which
    each was due."""
    token = sas_token(f"{HOST}/devices/{options.device}", options.key)
    one, code = connect_mqtt(place, options.device, token)
    if code != 0:
        raise OSError(f"refused with {code}")
    one.settimeout(STEADY_PATIENCE_SECONDS)
    say_ready()
    waits, due = [], time.monotonic()
    while not ended.wait(max(0.0, due - time.monotonic())):
        one.sendall(mqtt_publish(options.device, b"e" * 200))
        answer = b""
        while len(answer) < len(PUBACK):
            piece = one.recv(len(PUBACK) - len(answer))
            if not piece:
                raise OSError("the connection ended")
            answer += piece
        waits.append(time.monotonic() - due)
        due += 1 / STEADY_RATE
    one.close()
    waits.sort()
    counts["attacks"] = len(waits)
    for name, part in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        counts[name] = round(1000 * waits[min(len(waits) - 1, int(len(waits) * part))], 1)


def takeovers(place, options, counts, ended):
    """All want to be the same device: each connection ends the one before."""
    token = sas_token(f"{HOST}/devices/{options.device}", options.key)
    before = None
    while not ended.is_set():
        try:
            one, code = connect_mqtt(place, options.device, token)
            # Without an answer: the next one was quicker.
            counts[{0: "connected", -1: "taken_over_at_once"}.get(code, "refused")] += 1
            counts["attacks"] += 1
        except OSError:
            counts["no_connection"] += 1
            continue
        if before:
            before.close()
        before = one
    if before:
        before.close()


def bad_credentials(place, _options, counts, ended):
    """By turns over MQTT and HTTPS, for a device that is there and one that is not."""
    key = "bm90IHRoZSBrZXkgb2YgYW55Ym9keSBhdCBhbGwuLi4="
    turn = 0
    while not ended.is_set():
        turn += 1
        counts["attacks"] += 1
        device = "device-0" if turn % 2 else f"nobody-{turn}"
        try:
            if turn % 4 < 2:
                one, code = connect_mqtt(place, device, sas_token(f"{HOST}/devices/{device}", key))
                counts["let_in" if code == 0 else "refused"] += 1
            else:
                one = tls_socket(place, place.https_port)
                token = sas_token(HOST, key, "iothubowner")
                one.sendall(
                    f"GET /devices/{device}?api-version=2021-04-12 HTTP/1.1\r\nHost: {HOST}\r\n"
                    f"Authorization: {token}\r\n\r\n".encode()
                )
                counts["refused" if b" 401 " in one.recv(100) else "let_in"] += 1
            one.close()
        except (OSError, ssl.SSLError):
            counts["no_connection"] += 1


def in_threads(kind):
    def run(place, options, counts, ended):
        threads = [
            threading.Thread(target=kind, args=(place, options, counts, ended)) for _ in range(options.count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def say_ready():
    print("ready", flush=True)


KINDS = {
    "steady": steady,
    "half_open": lambda place, options, counts, ended: HalfOpen(place, options, counts).run(ended),
    "takeovers": in_threads(takeovers),
    "bad_credentials": in_threads(bad_credentials),
}


def end_with_parent(parent, ended):
    while not ended.wait(1):
        if os.getppid() != parent:
            os._exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=4, help="connections, or threads")
    parser.add_argument("--source", nargs="*", default=["127.0.0.2"], help="addresses to come from")
    parser.add_argument("--device", default="")
    parser.add_argument("--key", default="")
    options = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=end_with_parent, args=(os.getppid(), ended), daemon=True).start()
    place = soaked_hub.hub_cuts.Place(options.program, options.data)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counts = collections.Counter()
    if options.kind != "steady":  # Which says so when it is connected.
        say_ready()
    KINDS[options.kind](place, options, counts, ended)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
