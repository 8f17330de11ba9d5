"""A long load of one kind: does the server grow? Devices come and go, subscribe, send and receive; messages
expire and are purged; identities are made and deleted; events are kept within a limit of the disk. Every few
seconds the server is looked at, and at the end the slope of each figure is worked out, in percent an hour.
"""

import csv
import datetime
import json
import socket
import ssl
import subprocess
import time

import hub_clients
from peers import PUBACK, connect_mqtt, mqtt_publish
from soaked_hub import BUILD, MIB, SoakedHub, Violation

WARM_UP = 0.4  # Of the time.
SETTINGS = {
    "LINARITE_HUB_EVENT_LOG_BYTES_MAX": str(4 * MIB),  # Of each partition.
    "LINARITE_STORE_MEMTABLE_BYTES": str(1 * MIB),
    # As patient as the clients: on a busy machine they may be slow.
    "LINARITE_LIMITS_HANDSHAKE_LIMIT": "1m",
    "LINARITE_MQTT_CONNECT_LIMIT": "1m",
}
# So many events at a time, and so often, are more than the log and its cache in memory hold in each partition;
# once at a time they are less than the log holds, so that the reader is not left behind.
FILL_EVENTS, FILL_TIMES = 12000, 8
FIELDS = ("rss_bytes", "anonymous_bytes", "descriptors", "threads", "disk_bytes")
# In percent an hour, of what is judged, and only over a time that shows it.
SLOPES_MAX = {"rss_bytes": 1.0, "descriptors": 2.0, "threads": 1.0}
JUDGED_FROM_SECONDS = 3600
EXPIRY_SECONDS = 3
KEPT_MAX = 500
SPARE_THREADS = 2  # RocksDB's own, which it starts when it first writes a table.


class Churn(hub_clients.Worker):
    """One device's life after the other."""

    leaks = False  # The control: what it should take away stays.

    def __init__(self, place, oracle, name):
        super().__init__(place, oracle)
        self.name_, self.lives, self.kept = name, 0, []

    def ask(self, method, path, wanted, **more):
        status, headers, body = self.rest.call(method, path, **more)
        if status not in wanted:
            self.oracle.violation(f"{method} {path} was answered {status}: {body[:200]!r}")
        return headers, body

    def send(self, name, expiry=None):
        headers = {"iothub-messageid": f"{name}-{time.monotonic_ns()}", "iothub-ack": "none"}
        if expiry:
            headers["iothub-expiry"] = expiry
        self.ask("POST", f"/devices/{name}/messages/deviceBound", (204,), body="x" * 500, headers=headers)

    def live(self, name, key):
        """Connects, publishes, subscribes, receives what waits, and leaves."""
        token = hub_clients.sas_token(f"{hub_clients.HOST}/devices/{name}", key)
        one, code = connect_mqtt(self.place, name, token, hub_clients.ANSWER_SECONDS)
        if code != 0:
            self.oracle.violation(f"{name} was refused with {code}")
        topic = f"devices/{name}/messages/devicebound/#".encode()
        subscribe = b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x00"
        one.sendall(bytes([0x82, len(subscribe)]) + subscribe)
        one.sendall(mqtt_publish(name, b"e" * 1000))
        answers = b""
        while PUBACK not in answers:
            piece = one.recv(65536)
            if not piece:
                raise OSError("the hub is gone")
            answers += piece
        if self.leaks:
            place = (hub_clients.HOST, self.place.mqtt_port)
            self.kept += [one, *(socket.create_connection(place, timeout=5) for _ in range(10))]
            del self.kept[:-KEPT_MAX]  # Which closes them.
        else:
            one.sendall(b"\xe0\x00")
            one.close()

    def step(self):
        self.lives += 1
        name = f"{self.name_}-{self.lives}"
        _, body = self.ask("PUT", f"/devices/{name}", (200,), body={"deviceId": name})
        key = json.loads(body)["authentication"]["symmetricKey"]["primaryKey"]
        self.send(name)
        self.live(name, key)
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=EXPIRY_SECONDS)
        self.send(name, soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for _ in range(3):
            self.send(name)
        if self.lives % 2:
            self.ask("DELETE", f"/devices/{name}/commands", (200,))
        if not self.leaks:
            self.ask("DELETE", f"/devices/{name}", (204,), headers={"If-Match": "*"})
        self.ended.wait(0.02)


class Expiring(hub_clients.Worker):
    """Sends to one device that never comes what expires after a moment."""

    def open(self):
        super().open()
        self.rest.call("PUT", "/devices/absent", body={"deviceId": "absent"})

    def step(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=EXPIRY_SECONDS)
        headers = {"iothub-messageid": "m", "iothub-expiry": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.rest.call("POST", "/devices/absent/messages/deviceBound", body="x" * 200, headers=headers)
        self.ended.wait(0.1)


def slope(points):
    """Of a line through (seconds, value) by least squares, in percent of the mean an hour."""
    count = len(points)
    mean_x, mean_y = (sum(point[i] for point in points) / count for i in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread or not mean_y:
        return 0.0
    return 3600 * 100 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread / mean_y


def fill(hub):
    """Brings the event logs to their limit, as days of the load would: what they hold in memory is no growth."""
    place = hub.place
    words = {
        "connection-string": place.owner_connection_string, "ca": place.ca_file, "host": hub_clients.HOST,
        "mqtt-port": place.mqtt_port, "amqp-port": place.amqp_port, "https-port": place.https_port,
        "devices": 50, "messages": FILL_EVENTS, "payload": 256, "pid": hub.server.pid,
    }  # fmt: skip
    command = [str(BUILD / "hub_load"), "fill-events"]
    for name, value in words.items():
        command += [f"--{name}", str(value)]
    for _ in range(FILL_TIMES):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Violation(f"hub_load: {done.stderr.strip()}")
        # Those of the good clients came between: only when the reader has all is it not left behind.
        appended = hub.metric("linarite_events_appended_total")
        while sum(hub.events.checkpoints.values()) < appended:
            time.sleep(0.1)
            hub.raise_violations()


def observe(hub, seconds, every, writer, churns):
    """Looks at the server until the time is over."""
    samples, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(every, max(0.0, end - time.monotonic())))
        samples.append(hub.sample())
        writer.writerow([*samples[-1], sum(churn.lives for churn in churns)])
        hub.raise_violations()
    return samples


def judge(samples, seconds, always):
    """The slopes after the warm-up; raises Violation for one that is too steep, if the time shows it."""
    warm = [each for each in samples if each.seconds >= samples[0].seconds + WARM_UP * seconds]
    slopes = {field: slope([(each.seconds, getattr(each, field)) for each in warm]) for field in FIELDS}
    for field, most in SLOPES_MAX.items():
        if (always or seconds >= JUDGED_FROM_SECONDS) and slopes[field] > most:
            raise Violation(f"{field} rises by {slopes[field]:.1f} % an hour, more than {most} %")
    return slopes


def run(folder, program, options, leaks=False):
    hub = SoakedHub(folder, program, settings=SETTINGS)
    kept = BUILD / "soak"
    kept.mkdir(parents=True, exist_ok=True)
    series = kept / f"drift-{time.strftime('%Y%m%d-%H%M%S')}{'-control' if leaks else ''}.csv"
    try:
        hub.start()
        idle = hub.sample()
        hub.start_good_clients()
        if options.fill:
            fill(hub)
        churns = [Churn(hub.place, hub.commands.oracle, f"life-{n}") for n in range(2)]
        for worker in [*churns, Expiring(hub.place, hub.commands.oracle)]:
            worker.leaks = leaks
            worker.start()
            hub.workers.append(worker)
        with open(series, "w", newline="", buffering=1) as file:
            writer = csv.writer(file)
            writer.writerow([*idle._fields, "lives"])
            samples = observe(hub, options.seconds, options.every, writer, churns)
        slopes = judge(samples, options.seconds, options.always_judged)
        lives = sum(churn.lives for churn in churns)
        if not lives:
            raise Violation("no device lived")
        hub.stop_good_clients()
        last = samples[-1]
        after = came_back(hub, idle, options.patience)
        hub.start_good_clients()
        events, sent = hub.kill_and_prove()
        return [
            f"drift: {options.seconds:.0f} s, {len(samples)} samples in {series.name}; "
            + ", ".join(f"{field} {value:+.2f} %/h" for field, value in slopes.items())
            + f" after {100 * WARM_UP:.0f} % of the time; at the end {last.rss_bytes // MIB} MiB, "
            f"{last.descriptors} descriptors, {last.threads} threads, {last.disk_bytes // MIB} MiB on the disk; idle "
            f"before and after {idle.descriptors} and {after.descriptors} descriptors; {lives} lives of devices, "
            f"{events} events and {sent} sends acknowledged, 0 lost after a kill"
        ]
    except ssl.SSLError as error:
        raise Violation(str(error)) from error
    finally:
        hub.end()


def came_back(hub, idle, patience):
    """Without clients the server holds the sockets and threads that it held before them."""
    deadline = time.monotonic() + patience
    while True:
        now = hub.sample()
        if now.sockets <= idle.sockets and now.threads <= idle.threads + SPARE_THREADS:
            return now
        if time.monotonic() > deadline:
            raise Violation(
                f"without clients there are {now.sockets} sockets and {now.threads} threads, before them "
                f"{idle.sockets} and {idle.threads}"
            )
        time.sleep(0.2)
