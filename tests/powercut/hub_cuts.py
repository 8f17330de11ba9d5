"""Cuts the power under the real server, or kills it, while back ends send, devices receive and identities change.

The promises of docs/contract.md, checked over all cuts: an acknowledged send reaches its device; a message
whose success was told never comes again; the messages of a device come first in the order they were sent;
an identity is as it was last acknowledged, and a disabled one stays out. What was answered after the cut
was answered by a server that lay to nobody it could reach: it does not count. A server that is only killed answers
nothing afterwards, so all that came from it counts.
"""

import collections
import json
import os
import pathlib
import random
import ssl
import subprocess
import threading
import time

import hub_clients
from power_cut import disk_of
from store_cuts import Violation

START_SECONDS = 20
RUNNING_SECONDS = (0.3, 1.2)
DRAIN_SECONDS = 60
DEVICES = 4
RECOVERY_SHARE = 0.15


class Oracle:
    """What the hub has promised. Notes made after freeze() are dropped: the power was already gone."""

    def __init__(self):
        self.lock = threading.Lock()
        self.frozen = False
        self.ending = False  # The server is about to end: connections may break.
        self.numbers = collections.Counter()
        self.sent = set()
        self.completed = set()
        self.received = collections.defaultdict(list)
        self.identities = {}  # name: state last acknowledged
        self.uncertain = {}  # name: states asked for and not acknowledged
        self.refusals = collections.Counter()
        self.violations = []

    def next_message(self, device):
        with self.lock:
            self.numbers[device] += 1
            return f"{device}/{self.numbers[device]}"

    def next_identity(self):
        with self.lock:
            self.numbers["identity"] += 1
            return f"made-{self.numbers['identity']}"

    def keep(self, name):
        return int(name.rsplit("-", 1)[1]) % 3 == 0

    def identity_asked(self, name, state):
        with self.lock:
            self.uncertain.setdefault(name, set()).add(state)

    def note(self, kind, what):
        with self.lock:
            if self.frozen:
                return
            if kind == "identity":
                name, state = what
                self.identities[name] = state
                self.uncertain.pop(name, None)
            else:
                getattr(self, kind).add(what)

    def note_received(self, device, message):
        with self.lock:
            if message in self.completed:
                self.violations.append(f"{message} came again after its completion was told")
            self.received[device].append(message)

    def note_refusal(self, status, body):
        with self.lock:
            self.refusals[status, bytes(body)[:80]] += 1

    def violation(self, text):
        with self.lock:
            self.violations.append(text)

    def freeze(self, frozen=True):
        with self.lock:
            self.frozen = self.ending = frozen

    def lost(self):
        with self.lock:
            seen = set().union(*map(set, self.received.values())) if self.received else set()
            return self.sent - seen

    def out_of_order(self):
        for device, messages in self.received.items():
            first = list(dict.fromkeys(messages))
            numbers = [int(message.rsplit("/", 1)[1]) for message in first]
            for before, after in zip(numbers, numbers[1:]):
                if after < before:
                    return f"{device} received {after} for the first time after {before}"
        return None


class Place:
    """Where a running server is, and how to get in: what its control file and command line tell."""

    def __init__(self, program, data):
        control = json.loads((data / "control.json").read_text())
        self.https_port = control["httpsPort"]
        self.mqtt_port = control["mqttPort"]
        self.amqp_port = control["amqpPort"]
        self.ca_file = str(data / "ca.pem")
        self.tls = ssl.create_default_context(cafile=self.ca_file)
        words = ["hub", "connection-string", "show", "--policy-name", "iothubowner", "-o", "tsv"]
        done = subprocess.run(
            [program, *words, "--data", data], capture_output=True, text=True, check=True, timeout=20
        )
        self.owner_connection_string = done.stdout.strip()
        self.owner_key = self.owner_connection_string.split("SharedAccessKey=", 1)[1]


class HubCuts:
    device_prefix = "device"

    def __init__(self, disk, folder, program, seed, preload=None, mutation=None):
        self.disk = disk
        self.data = disk.path / "data"
        self.folder = pathlib.Path(folder)
        self.program = str(program)
        self.random = random.Random(seed)
        self.environment = dict(os.environ)
        if preload:
            self.environment["LD_PRELOAD"] = str(preload)
        if mutation:
            self.environment["LINARITE_MUTATION"] = mutation
        self.oracle = Oracle()
        self.keys = {}
        self.server = None
        self.cuts_in_recovery = 0
        self.slowest_start = 0.0

    # --- the server

    def start(self):
        log = open(self.folder / "server.log", "ab")
        self.server = subprocess.Popen(
            [self.program, "serve", "--data", str(self.data)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment,
        )

    def wait_until_ready(self):
        """The control file appears when the ports accept; a server that refuses to start ends."""
        started = time.monotonic()
        while not (self.data / "control.json").exists() or not self.is_this_server():
            if self.server.poll() is not None:
                raise Violation(f"the server did not start:\n{self.log_tail()}")
            if time.monotonic() - started > START_SECONDS:
                raise Violation(f"the server was not ready within {START_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.01)
        self.slowest_start = max(self.slowest_start, time.monotonic() - started)
        return Place(self.program, self.data)

    def is_this_server(self):
        try:
            return json.loads((self.data / "control.json").read_text())["pid"] == self.server.pid
        except (ValueError, KeyError):
            return False

    def log_tail(self):
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]

    def kill(self):
        self.server.kill()
        self.server.wait()

    # --- one cycle

    def workers(self, place):
        oracle = self.oracle
        out = [hub_clients.Operator(place, oracle), hub_clients.FeedbackReader(place, oracle)]
        for number, (name, key) in enumerate(self.keys.items()):
            out.append(hub_clients.Device(place, oracle, name, key))
            sender = hub_clients.AmqpSender if number == 0 else hub_clients.RestSender
            out.append(sender(place, oracle, name))
        return out

    def create_devices(self, place):
        rest = hub_clients.Rest(place)
        for number in range(DEVICES):
            name = f"{self.device_prefix}-{number}"
            _, _, body = rest.call("PUT", f"/devices/{name}", body={"deviceId": name})
            self.keys[name] = json.loads(body)["authentication"]["symmetricKey"]["primaryKey"]

    def cycle(self):
        self.start()
        if self.keys and self.random.random() < RECOVERY_SHARE:
            self.cuts_in_recovery += 1
            time.sleep(self.random.uniform(0, 0.1))
            self.disk.cut()
            self.kill()
            self.disk.remount()
            return
        place = self.wait_until_ready()
        if not self.keys:
            self.create_devices(place)
        self.check_identities(place)
        self.oracle.freeze(False)
        workers = self.workers(place)
        for worker in workers:
            worker.start()
        time.sleep(self.random.uniform(*RUNNING_SECONDS))
        self.interrupt()
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(2 * hub_clients.ANSWER_SECONDS)
        self.oracle.freeze()
        self.disk.remount()
        self.raise_violations()

    def interrupt(self):
        self.oracle.ending = True
        if not self.disk.kills:
            self.oracle.freeze()
        self.disk.cut()
        if not self.disk.kills:
            time.sleep(self.random.uniform(0, 0.05))
        self.kill()

    def check_identities(self, place):
        rest = hub_clients.Rest(place)
        names = set(self.oracle.identities) | set(self.oracle.uncertain)
        for name in sorted(names, key=lambda text: int(text.rsplit("-", 1)[1]))[-40:]:
            status, _, body = rest.call("GET", f"/devices/{name}")
            found = json.loads(body)["status"] if status == 200 else "deleted"
            known = self.oracle.identities.get(name, "deleted")
            allowed = {known} | self.oracle.uncertain.get(name, set())
            if found not in allowed:
                raise Violation(f"identity {name} is {found} after a cut, not {sorted(allowed)}")
            self.oracle.identities[name] = found
            self.oracle.uncertain.pop(name, None)

    def raise_violations(self):
        if self.oracle.violations:
            raise Violation(self.oracle.violations[0])
        wrong = self.oracle.out_of_order()
        if wrong:
            raise Violation(wrong)

    # --- the end

    def drain(self):
        """No more cuts: every acknowledged message must come, or must have come."""
        self.start()
        place = self.wait_until_ready()
        self.check_identities(place)
        self.oracle.freeze(False)
        workers = [hub_clients.FeedbackReader(place, self.oracle)]
        workers += [hub_clients.Device(place, self.oracle, name, key) for name, key in self.keys.items()]
        for worker in workers:
            worker.start()
        deadline = time.monotonic() + DRAIN_SECONDS
        rest = hub_clients.Rest(place)
        while time.monotonic() < deadline:
            pending = 0
            for name in self.keys:
                pending += json.loads(rest.call("GET", f"/devices/{name}")[2])["cloudToDeviceMessageCount"]
            if pending == 0:
                break
            time.sleep(0.05)
        time.sleep(0.3)
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(2 * hub_clients.ANSWER_SECONDS)
        self.server.terminate()
        if self.server.wait(START_SECONDS) != 0:
            raise Violation(f"the server did not end clean:\n{self.log_tail()}")
        self.raise_violations()
        lost = sorted(self.oracle.lost())
        if lost:
            raise Violation(f"{len(lost)} acknowledged messages are lost, the first is {lost[0]}")


def run(folder, program, kind, cycles, seed, preload=None, mutation=None):
    """Runs the cycles and returns a line for the report; raises Violation if a promise was broken."""
    started = time.monotonic()
    with disk_of(folder, kind) as disk:
        cuts = HubCuts(disk, folder, program, seed, preload, mutation)
        try:
            for _ in range(cycles):
                cuts.cycle()
            cuts.drain()
        except Violation as violation:
            raise Violation(f"{kind}, seed {seed}, after {disk.cuts} {disk.cut_name}: {violation}") from None
        finally:
            if cuts.server and cuts.server.poll() is None:
                cuts.kill()
        oracle = cuts.oracle
        return (
            f"{kind}: {disk.cuts} {disk.cut_name} under the hub ({cuts.cuts_in_recovery} during recovery), "
            f"{len(oracle.sent)} sends acknowledged, 0 lost, {len(oracle.completed)} completions told, "
            f"{len(oracle.identities)} identities, slowest start {cuts.slowest_start:.2f} s, "
            f"{time.monotonic() - started:.0f} s"
        )
