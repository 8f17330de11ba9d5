"""A reader of the Event Hubs-compatible endpoint in as little AMQP 1.0 as that takes.

The SDKs reconnect, retry and buffer on their own; this one does not, so that what it saw, and when, is
known exactly: what the power-cut test's oracle needs, and the benches of misbehaving readers. One
connection, one session, one link for each partition. Any failure is an OSError.
"""

import collections
import socket
import struct
import time

from hub_clients import sas_token

HUB = "127.0.0.1"
CREDIT = 1000
WINDOW = 4096
FRAME_MAX = 65536
SELECTOR = "apache.org:selector-filter:string"
SASL_INIT, SASL_OUTCOME = 0x41, 0x44
OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
ANNOTATIONS, DATA = 0x72, 0x75
NOTHING = b"\x40"

Event = collections.namedtuple("Event", "partition sequence offset device body")


# --- what is written: only the types that this reader needs


def uint(value):
    return b"\x70" + struct.pack(">I", value)


def boolean(value):
    return b"\x41" if value else b"\x42"


def _bytes(code, value):
    return code + struct.pack(">I", len(value)) + value


def string(text):
    return _bytes(b"\xb1", text.encode())


def symbol(text):
    return _bytes(b"\xb3", text.encode())


def _compound(code, items):
    body = struct.pack(">I", len(items)) + b"".join(items)
    return code + struct.pack(">I", len(body)) + body


def described(code, items):
    return b"\x00\x53" + bytes([code]) + _compound(b"\xd0", items)


def mapping(*items):
    return _compound(b"\xd1", items)


# --- what is read


class Values:
    """Decodes one value after the other; a described one is a pair of descriptor and value."""

    FIXED = {
        0x40: (0, lambda raw: None), 0x41: (0, lambda raw: True), 0x42: (0, lambda raw: False),
        0x43: (0, lambda raw: 0), 0x44: (0, lambda raw: 0), 0x56: (1, lambda raw: raw[0] == 1),
        0x50: (1, lambda raw: raw[0]), 0x51: (1, lambda raw: struct.unpack(">b", raw)[0]),
        0x52: (1, lambda raw: raw[0]), 0x53: (1, lambda raw: raw[0]),
        0x54: (1, lambda raw: struct.unpack(">b", raw)[0]), 0x55: (1, lambda raw: struct.unpack(">b", raw)[0]),
        0x60: (2, lambda raw: struct.unpack(">H", raw)[0]), 0x61: (2, lambda raw: struct.unpack(">h", raw)[0]),
        0x70: (4, lambda raw: struct.unpack(">I", raw)[0]), 0x71: (4, lambda raw: struct.unpack(">i", raw)[0]),
        0x80: (8, lambda raw: struct.unpack(">Q", raw)[0]), 0x81: (8, lambda raw: struct.unpack(">q", raw)[0]),
        0x83: (8, lambda raw: struct.unpack(">q", raw)[0]), 0x98: (16, bytes),
    }  # fmt: skip
    SIZED = {0xA0: bytes, 0xB0: bytes, 0xA1: bytes.decode, 0xB1: bytes.decode, 0xA3: bytes.decode, 0xB3: bytes.decode}

    def __init__(self, raw):
        self.raw = raw
        self.at = 0

    def take(self, size):
        if self.at + size > len(self.raw):
            raise OSError("a value ends too early")
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, wide):
        return struct.unpack(">I", self.take(4))[0] if wide else self.take(1)[0]

    def next(self):
        code = self.take(1)[0]
        if code == 0x00:
            return self.next(), self.next()
        if code in self.FIXED:
            size, value = self.FIXED[code]
            return value(self.take(size))
        if code in self.SIZED:
            return self.SIZED[code](bytes(self.take(self.number(code >= 0xB0))))
        if code == 0x45:
            return []
        if code in (0xC0, 0xD0, 0xC1, 0xD1):
            self.number(code >= 0xD0)
            items = [self.next() for _ in range(self.number(code >= 0xD0))]
            return items if code in (0xC0, 0xD0) else dict(zip(items[::2], items[1::2]))
        if code in (0xE0, 0xF0):  # No array says anything to this reader.
            return self.take(self.number(code >= 0xF0))
        raise OSError(f"unexpected AMQP type {code:#x}")

    def rest(self):
        while self.at < len(self.raw):
            yield self.next()


# --- the connection


class AmqpReader:
    """`positions` gives the offset behind which each partition is read; None is the beginning."""

    def __init__(self, tls, port, owner_key, entity, positions, group="$Default"):
        plain = socket.create_connection((HUB, port), timeout=5)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname=HUB)
        self.received = bytearray()
        self.partial = collections.defaultdict(bytearray)
        self.transfers = 0
        self.counts = collections.Counter()  # Deliveries of each link.
        self.credit = CREDIT
        self.open(owner_key)
        for partition, position in positions.items():
            self.attach(partition, f"{entity}/ConsumerGroups/{group}/Partitions/{partition}", position)

    def open(self, owner_key):
        password = sas_token(HUB, owner_key, "iothubowner")
        response = f"\0iothubowner@sas.root.{HUB}\0{password}".encode()
        self.socket.sendall(b"AMQP\x03\x01\x00\x00")
        self.send(SASL_INIT, [symbol("PLAIN"), _bytes(b"\xb0", response), string(HUB)], kind=1)
        self.expect_header(3)
        while True:  # The mechanisms come before the outcome.
            _, code, fields, _ = self.frame()
            if code == SASL_OUTCOME:
                break
        if fields[0] != 0:
            raise OSError(f"SASL outcome {fields[0]}")
        self.socket.sendall(b"AMQP\x00\x01\x00\x00")
        self.send(OPEN, [string("reader"), string(HUB), uint(FRAME_MAX), NOTHING, uint(600_000)])
        self.send(BEGIN, [NOTHING, uint(0), uint(WINDOW), uint(WINDOW), uint(255)])
        self.expect_header(0)

    def attach(self, partition, address, position):
        chosen = f"amqp.annotation.x-opt-offset > '{-1 if position is None else position}'"
        selector = b"\x00" + symbol(SELECTOR) + string(chosen)
        source = described(0x28, [string(address), *[NOTHING] * 6, mapping(symbol(SELECTOR), selector)])
        name = f"{address} {time.monotonic()}"
        role = [boolean(True), b"\x50\x01", b"\x50\x00"]  # Receiver; the hub sends settled.
        self.send(ATTACH, [string(name), uint(int(partition)), *role, source, described(0x29, [])])
        self.flow(partition)

    def flow(self, partition):
        session = [uint(self.transfers), uint(WINDOW), uint(0), uint(WINDOW)]
        link = [uint(int(partition)), uint(self.counts[int(partition)]), uint(self.credit)]
        self.send(FLOW, session + link)

    def send(self, code, fields, kind=0):
        body = described(code, fields)
        self.socket.sendall(struct.pack(">IBBH", len(body) + 8, 2, kind, 0) + body)

    def fill(self, size):
        while len(self.received) < size:
            more = self.socket.recv(1 << 16)
            if not more:
                raise OSError("the connection has ended")
            self.received += more

    def expect_header(self, protocol):
        self.fill(8)
        if self.received[:8] != b"AMQP" + bytes([protocol, 1, 0, 0]):
            raise OSError(f"no AMQP header but {bytes(self.received[:8])}")
        del self.received[:8]

    def frame(self):
        """Kind, code, fields and payload of the next frame that is not empty."""
        while True:
            self.fill(8)
            size, start, kind, _ = struct.unpack(">IBBH", self.received[:8])
            self.fill(size)
            body = bytes(self.received[4 * start : size])
            del self.received[:size]
            if body:
                values = Values(body)
                code, fields = values.next()
                return kind, code, fields, body[values.at :]

    def read(self, seconds):
        """The next event, or None if none came within this time."""
        self.socket.settimeout(seconds)
        try:
            _, code, fields, payload = self.frame()
        except TimeoutError:
            return None
        finally:
            self.socket.settimeout(5)
        if code in (DETACH, END, CLOSE):
            raise OSError(f"the hub ended it: {fields}")
        return self.transfer(fields, payload) if code == TRANSFER else None

    def transfer(self, fields, payload):
        fields += [None] * (11 - len(fields))
        link = fields[0]
        self.transfers += 1
        self.partial[link] += payload
        if fields[5]:  # More of it is to come.
            return None
        message = bytes(self.partial.pop(link))
        self.counts[link] += 1
        if fields[4] is not True and fields[1] is not None:
            accepted = described(0x24, [])
            self.send(DISPOSITION, [boolean(True), uint(fields[1]), NOTHING, boolean(True), accepted])
        if self.counts[link] % (self.credit // 2) == 0 or self.transfers % (WINDOW // 2) == 0:
            self.flow(link)
        return self.event(link, message)

    @staticmethod
    def event(link, message):
        sections = dict(Values(message).rest())
        about = sections[ANNOTATIONS]
        return Event(
            link, about["x-opt-sequence-number"], int(about["x-opt-offset"]),
            about.get("iothub-connection-device-id"), sections.get(DATA, b""),
        )  # fmt: skip

    def close(self):
        self.socket.close()

