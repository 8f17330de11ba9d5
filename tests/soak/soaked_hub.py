"""A real server under a long or heavy load: how it is started, what it is looked at by, and the good clients
whose promises are kept count of, by the same oracles as in tests/powercut."""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
sys.path[:0] = [str(ROOT / "tests/powercut"), str(ROOT / "tests/bench")]

import event_cuts  # noqa: E402
import hub_clients  # noqa: E402
import hub_cuts  # noqa: E402
import servers  # noqa: E402
from power_cut import PlainFolder  # noqa: E402
from store_cuts import Violation  # noqa: E402

Sample = collections.namedtuple(
    "Sample", "seconds rss_bytes anonymous_bytes descriptors sockets threads disk_bytes"
)
MIB = 1 << 20
# Good clients are patient: on a machine that does other things as well nothing is said by a time.
hub_clients.ANSWER_SECONDS = 60
KEPT_IDENTITIES = 90
UNDER_FULL_LOAD_SECONDS = 1
STOPPED_SECONDS = 0.5


def links_of(folder):
    """What the links in it lead to; some go while it is looked at."""
    for link in folder.iterdir():
        try:
            yield os.readlink(link)
        except FileNotFoundError:
            pass


def sample(server, data, started):
    """What the process holds now."""
    proc = pathlib.Path(f"/proc/{server.pid}")
    status = (proc / "status").read_text()
    if "RssAnon:" not in status:
        raise ProcessLookupError("the server has ended")
    threads, anonymous_kb = (int(status.split(name, 1)[1].split()[0]) for name in ("Threads:", "RssAnon:"))
    disk = 0
    for path in data.rglob("*"):
        try:
            disk += path.stat().st_blocks * 512
        except FileNotFoundError:  # RocksDB removes files at any time.
            pass
    open_files = list(links_of(proc / "fd"))
    sockets = sum(target.startswith("socket:") for target in open_files)
    rss = servers.resident_bytes(server.pid)
    seconds = time.monotonic() - started
    return Sample(seconds, rss, anonymous_kb * 1024, len(open_files), sockets, threads, disk)


class FreePorts:
    """For the classes of tests/powercut: a server on any free ports, with settings of its own."""

    settings = {}

    def start(self):
        ports = [word for name in ("mqtt", "amqp", "https", "admin") for word in (f"--{name}-port", "0")]
        (self.data / "control.json").unlink(missing_ok=True)
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen(
                [self.program, "serve", "--data", str(self.data), *ports],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**self.environment, **self.settings},
            )


class SharedLogOracle(event_cuts.EventOracle):
    """For a log that holds events of others as well, of which only number and offset are looked at."""

    def wrong(self, event, expected):
        if event.device in self.tried:
            return super().wrong(event, expected)
        log = self.logs[event.partition]
        if event.sequence != expected or expected != len(log):
            return f"number {expected} was to come"
        if log and event.offset <= log[-1][0]:
            return f"offset {event.offset} after {log[-1][0]}"
        log.append((event.offset, None, 0))
        return None


class Events(FreePorts, event_cuts.EventCuts):
    """Devices that send events at a fixed rate, and a reader of all that comes."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.oracle = SharedLogOracle()

    def drain(self):
        """The reader goes on at its checkpoint: every acknowledged event must come."""
        self.start()
        place = self.wait_until_ready()
        self.oracle.freeze(False)
        reader = event_cuts.Reader(place, self.oracle, self.checkpoints)
        reader.start()
        progress, deadline = None, 0
        while self.oracle.lost() and not self.oracle.violations:
            if progress != (progress := sum(self.checkpoints.values())):
                deadline = time.monotonic() + event_cuts.QUIET_SECONDS
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        reader.stop()
        reader.join(2 * hub_clients.ANSWER_SECONDS)
        self.raise_violations()
        lost = sorted(self.oracle.lost())
        if lost:
            raise Violation(f"{len(lost)} acknowledged events are lost, the first is {lost[0]}")

    def workers(self, place):
        senders = [PacedSender(place, self.oracle, name, key) for name, key in self.keys.items()]
        return [*senders, event_cuts.Reader(place, self.oracle, self.checkpoints)]


class Commands(FreePorts, hub_cuts.HubCuts):
    """Back ends that send to devices, and these; an operator; a reader of feedback."""

    device_prefix = "commanded"

    def workers(self, place):
        out = [PacedOperator(place, self.oracle), PatientFeedbackReader(place, self.oracle)]
        for name, key in self.keys.items():
            out.append(hub_clients.Device(place, self.oracle, name, key))
            out.append(PacedRestSender(place, self.oracle, name))
        return out


class PacedSender(event_cuts.Sender):
    """Sends one event at each tick of its rate."""

    rate = 20

    def open(self):
        self.next = time.monotonic()
        super().open()

    def step(self):
        while (
            self.client.is_connected()
            and time.monotonic() >= self.next
            and len(self.under_way) < event_cuts.UNDER_WAY_MAX
        ):
            number = self.oracle.next_event(self.name_)
            body = f"{self.name_}/{number}".encode() + event_cuts.PAD
            sent = self.client.publish(f"devices/{self.name_}/messages/events/", body, qos=1)
            self.under_way[sent.mid] = number
            self.next += 1 / self.rate
        hub_clients.Device.step(self)


class Patient:
    """For a worker of the REST API. What is refused for now, or finds no place, is no broken promise: it comes
    again, on a new connection."""

    pause = 0.05  # Between two steps.
    refusals = 0

    def step(self):
        try:
            super().step()
        except OSError:
            if self.oracle.ending:
                raise
            self.refusals += 1
            self.ended.wait(0.2)
            self.rest.close()
            self.rest = hub_clients.Rest(self.place)
        self.ended.wait(self.pause)


class PacedRestSender(Patient, hub_clients.RestSender):
    pass


class ForgetfulOperator(hub_clients.Operator):
    """Deletes what it kept a while ago: the hub is not asked to hold more and more."""

    def step(self):
        super().step()
        old = f"made-{self.oracle.numbers['identity'] - KEPT_IDENTITIES}"
        if self.oracle.identities.get(old, "deleted") != "deleted":
            self.write(old, "deleted")


class PacedOperator(Patient, ForgetfulOperator):
    pause = 0.1


class PatientFeedbackReader(Patient, hub_clients.FeedbackReader):
    pass


class SoakedHub:
    """The server, its good clients, and at the end the proof that nothing which was acknowledged is lost."""

    def __init__(self, folder, program, settings=None, preload=None, mutation=None):
        disk = PlainFolder(folder)
        arguments = (disk, folder, program, 1, preload, mutation)
        self.events, self.commands = Events(*arguments), Commands(*arguments)
        self.events.settings = self.commands.settings = settings or {}
        self.started = time.monotonic()
        self.workers = []
        self.left_behind = None

    @property
    def server(self):
        return self.events.server

    def start(self):
        self.events.start()
        self.commands.server = self.events.server
        self.place = self.events.wait_until_ready()
        self.events.create_devices(self.place)
        self.commands.create_devices(self.place)

    def metric(self, name):
        control = json.loads((self.events.data / "control.json").read_text())
        return servers.metric(control["adminPort"], name)

    def make_device(self, name):
        """Its key."""
        _, _, body = hub_clients.Rest(self.place).call("PUT", f"/devices/{name}", body={"deviceId": name})
        return json.loads(body)["authentication"]["symmetricKey"]["primaryKey"]

    def start_good_clients(self):
        self.workers = self.events.workers(self.place) + self.commands.workers(self.place)
        for worker in self.workers:
            worker.start()

    def sample(self):
        return sample(self.server, self.events.data, self.started)

    def raise_violations(self):
        for cuts in (self.events, self.commands):
            cuts.raise_violations()
        for worker in self.workers:
            if not worker.is_alive():
                raise Violation(f"the connection of a good client ended: {type(worker).__name__}")
        if self.server.poll() is not None:
            raise Violation(f"the server ended:\n{self.events.log_tail()}")

    def stop_good_clients(self):
        for cuts in (self.events, self.commands):
            cuts.oracle.ending = True
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.join(2 * hub_clients.ANSWER_SECONDS)
        self.workers = []

    def kill_and_prove(self):
        """Kills the server under its good clients, when they send as much as they can; each then starts it again
        and misses nothing."""
        for worker in self.workers:
            if isinstance(worker, PacedSender):
                worker.rate = float("inf")
        time.sleep(UNDER_FULL_LOAD_SECONDS)
        for cuts in (self.events, self.commands):
            cuts.oracle.ending = True
        # What is on its way to the clients reaches them before the server's memory goes.
        self.server.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        self.events.kill()
        self.stop_good_clients()
        self.commands.drain()
        self.events.drain()
        return len(self.events.oracle.acknowledged), len(self.commands.oracle.sent)

    def end(self):
        for cuts in (self.events, self.commands):
            if cuts.server and cuts.server.poll() is None:
                cuts.kill()

