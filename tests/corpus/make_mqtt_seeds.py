#!/usr/bin/env python3
"""Writes the seed inputs of mqtt_packet_fuzz and mqtt_connection_fuzz beside this file."""
import pathlib
import struct

here = pathlib.Path(__file__).parent


def length(n):
    out = bytearray()
    while True:
        low, n = n & 127, n >> 7
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def packet(first, body=b""):
    return bytes([first]) + length(len(body)) + body


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack(">H", len(s)) + s


def number(n):
    return struct.pack(">H", n)


def connect(flags=0, tail=b"", name="MQTT", level=4, client="dev1", keep_alive=60):
    return packet(0x10, text(name) + bytes([level, flags]) + number(keep_alive) + text(client) + tail)


user = text("hub.example.test/dev1/?api-version=2021-04-12&DeviceClientType=x")
token = text("SharedAccessSignature sr=hub.example.test%2Fdevices%2Fdev1&sig=AA%3D&se=1999999999")
events = "devices/dev1/messages/events/%24.mid=a%2Fb&k=v%20w"

packets = {
    "connect_minimal": connect(2),
    "connect_sas": connect(0xC0, user + token),
    "connect_will": connect(0xEC, text("devices/dev1/messages/events/") + text("gone") + user + token),
    "connect_mqisdp": connect(name="MQIsdp", level=3),
    "connect_v5": connect(level=5),
    "connect_password_only": connect(0x40, token),
    "connect_reserved": connect(1),
    "connack": packet(0x20, b"\1\0"),
    "connack_refused": packet(0x20, b"\0\5"),
    "publish_q0": packet(0x30, text(events) + b'{"t":1}'),
    "publish_q1": packet(0x32, text(events) + number(7) + b'{"t":1}'),
    "publish_q1_dup_retain": packet(0x3B, text("$iothub/twin/GET/?$rid=7") + number(65535)),
    "publish_q2": packet(0x34, text("a") + number(1)),
    "publish_utf8": packet(0x30, text("\u00fc/\u20ac/\U0001f600")),
    "publish_surrogate": packet(0x30, text(b"\xed\xa0\x80")),
    "publish_zero": packet(0x30, text("a\0b")),
    "publish_noncharacter": packet(0x30, text("\uffff")),
    "publish_128": packet(0x30, text("a") + b"x" * 125),
    "puback": packet(0x40, number(1)),
    "pubrec": packet(0x50, number(1)),
    "pubrel": packet(0x62, number(1)),
    "pubcomp": packet(0x70, number(1)),
    "subscribe": packet(0x82, number(1) + text("devices/dev1/messages/devicebound/#") + b"\1"
                        + text("$iothub/twin/res/#") + b"\0" + text("+/+") + b"\2"),
    "subscribe_many": packet(0x82, number(1) + (text("a") + b"\0") * 65),
    "suback": packet(0x90, number(1) + b"\1\0\x80"),
    "unsubscribe": packet(0xA2, number(2) + text("$iothub/methods/POST/#") + text("a")),
    "unsuback": packet(0xB0, number(2)),
    "pingreq": packet(0xC0),
    "pingresp": packet(0xD0),
    "disconnect": packet(0xE0),
    "reserved_0": b"\0\0",
    "reserved_15": b"\xf0\0",
    "length_five_bytes": b"\x30\xff\xff\xff\xff\x01",
    "length_not_minimal": b"\x30\x83\x00",
    "length_longer_than_data": b"\x30\x7f\0\1a",
}
p = packets
session = p["connect_sas"] + p["subscribe"] + p["publish_q1"] + p["puback"] + p["pingreq"]
streams = {
    "session": session + p["unsubscribe"] + p["disconnect"],
    "will_then_silence": p["connect_will"] + p["publish_q0"],
    "unsupported": p["connect_mqisdp"] + p["pingreq"],
    "no_connect": p["publish_q0"],
    "two_connects": p["connect_sas"] + p["connect_sas"],
    "qos2": p["connect_sas"] + p["publish_q2"],
    "server_packet": p["connect_sas"] + p["connack"],
    "acks": p["connect_sas"] + p["publish_q1"] * 6 + b"".join(packet(0x40, number(n)) for n in (7, 1, 2, 9)),
    "truncated": session[:-9],
    "after_disconnect": session + p["disconnect"] + session,
}
client_streams = {
    "session": p["connack"] + p["publish_q1"] * 3 + packet(0x40, number(7)) + packet(0x90, number(8) + b"\1")
    + p["suback"] + p["pingresp"],
    "refused": p["connack_refused"] + p["publish_q0"],
    "unexpected": p["connack"] + p["unsuback"],
    "wrong_side": p["connack"] + p["subscribe"],
}

for name, data in packets.items():
    (here / "mqtt_packet" / name).write_bytes(data)
for role, group in ((0, streams), (0x80, client_streams)):
    side = "client" if role else "server"
    for name, data in group.items():
        for behaviour, piece, seconds in ((2, 1, 0), (0, 7, 20), (4, 3, 0), (1, 50, 1)):
            head = bytes([role | behaviour, piece, seconds])
            (here / "mqtt_connection" / f"{side}_{name}_{behaviour}_{piece}").write_bytes(head + data)
