"""Cuts the power under the real server, or kills it, while devices send telemetry and readers follow it.

The promises of docs/contract.md about events, checked over all cuts: what was answered with a PUBACK is in
the log and is never another event; sequence numbers have no gap; offsets rise; the events of a device come
in the order in which they were sent; a reader that goes on at its checkpoint misses nothing; and what any
reader saw before a cut lies in the same place afterwards, so that it was durable when it was shown.
"""

import collections
import time

import hub_clients
from amqp_reader import AmqpReader
from hub_cuts import START_SECONDS, HubCuts, Oracle
from power_cut import disk_of
from store_cuts import Violation

PARTITIONS = 4
QUIET_SECONDS = 5  # A reader that is given nothing for so long is at the end.
UNDER_WAY_MAX = 12  # Events that a device sends ahead of their PUBACKs.
PAD = b" " * 200


class EventOracle(Oracle):
    """What devices were told and what readers saw. Notes made after freeze() are dropped."""

    def __init__(self):
        super().__init__()
        self.tried = collections.Counter()  # By device: the number of its last event.
        self.acknowledged = set()  # (device, number)
        self.logs = collections.defaultdict(list)  # By partition: (offset, device, number) by sequence.
        self.last = collections.Counter()  # By device: the last number that is in the log.
        self.found = set()
        self.compared = 0  # Events that a reader saw again.

    def next_event(self, device):
        with self.lock:
            self.tried[device] += 1
            return self.tried[device]

    def note_acknowledged(self, device, number):
        with self.lock:
            if not self.frozen:
                self.acknowledged.add((device, number))

    def position(self, partition, sequence):
        """The offset of the event before this one, as a reader's checkpoint has it."""
        with self.lock:
            return self.logs[partition][sequence - 1][0] if sequence else None

    def end(self, partition):
        with self.lock:
            return len(self.logs[partition])

    def note_seen(self, event, expected):
        """A reader saw an event where `expected` was to come. False if it came too late to count."""
        with self.lock:
            if self.frozen:
                return False
            wrong = self.wrong(event, expected)
            if wrong:
                text = f"partition {event.partition}, sequence number {event.sequence}: {wrong}"
                self.violations.append(text)
            return not wrong

    def wrong(self, event, expected):
        log = self.logs[event.partition]
        device, _, number = event.body.decode().strip().partition("/")
        place = (event.offset, device, int(number))
        if event.sequence != expected:
            return f"number {expected} was to come"
        if event.device != device or not 0 < place[2] <= self.tried[device]:
            return f"nobody sent {event}"
        if expected < len(log):
            self.compared += 1
            return None if log[expected] == place else f"{place} is there, it was {log[expected]}"
        if log and event.offset <= log[-1][0]:
            return f"offset {event.offset} after {log[-1][0]}"
        if place[2] <= self.last[device]:
            return f"{device}/{number} after {device}/{self.last[device]}"
        self.last[device] = place[2]
        self.found.add((device, place[2]))
        log.append(place)
        return None

    def lost(self):
        with self.lock:
            return self.acknowledged - self.found


class Sender(hub_clients.Device):
    """A device that sends events, several at a time, and notes the PUBACKs."""

    def open(self):
        self.under_way = {}  # Packet id: number.
        super().open()
        self.client.max_inflight_messages_set(UNDER_WAY_MAX)
        self.client.on_publish = self.acknowledged

    def acknowledged(self, _client, _data, packet):
        self.oracle.note_acknowledged(self.name_, self.under_way.pop(packet))

    def step(self):
        while self.client.is_connected() and len(self.under_way) < UNDER_WAY_MAX:
            number = self.oracle.next_event(self.name_)
            body = f"{self.name_}/{number}".encode() + PAD
            sent = self.client.publish(f"devices/{self.name_}/messages/events/", body, qos=1)
            self.under_way[sent.mid] = number
        super().step()


class Reader(hub_clients.Worker):
    """Reads all partitions: from its checkpoints, or from anywhere before."""

    def __init__(self, place, oracle, checkpoints):
        super().__init__(place, oracle)
        self.checkpoints = checkpoints  # By partition: the sequence number that comes next.
        self.reader = None

    def open(self):
        positions = {n: self.oracle.position(n, self.checkpoints[n]) for n in range(PARTITIONS)}
        self.reader = AmqpReader(
            self.place.tls, self.place.amqp_port, self.place.owner_key, hub_clients.HOST, positions
        )

    def step(self):
        event = self.reader.read(0.05)
        if event and self.oracle.note_seen(event, self.checkpoints[event.partition]):
            self.checkpoints[event.partition] += 1

    def close(self):
        if self.reader:
            self.reader.close()
        if not self.ended.is_set() and not self.oracle.ending:
            self.oracle.violation("a reader's connection ended while the hub was up")


class EventCuts(HubCuts):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.oracle = EventOracle()
        # Survives the cuts, as what a reader keeps on its own disk does.
        self.checkpoints = collections.Counter()

    def readers(self, place):
        earlier = {n: self.random.randint(0, self.oracle.end(n)) for n in range(PARTITIONS)}
        return [Reader(place, self.oracle, self.checkpoints), Reader(place, self.oracle, earlier)]

    def workers(self, place):
        senders = [Sender(place, self.oracle, name, key) for name, key in self.keys.items()]
        return [*senders, *self.readers(place)]

    def raise_violations(self):
        if self.oracle.violations:
            raise Violation(self.oracle.violations[0])

    def drain(self):
        """No more cuts: every acknowledged event must be in the log, every reader must get through it."""
        self.start()
        place = self.wait_until_ready()
        self.oracle.freeze(False)
        again = dict.fromkeys(range(PARTITIONS), 0)
        readers = [Reader(place, self.oracle, self.checkpoints), Reader(place, self.oracle, again)]
        for reader in readers:
            reader.start()
        progress, deadline = None, 0
        while not self.oracle.violations:
            behind = [n for n in again if again[n] < self.oracle.end(n)]
            if not behind and not self.oracle.lost():
                break
            if progress != (progress := sum(again.values())):
                deadline = time.monotonic() + QUIET_SECONDS
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        alive = all(reader.is_alive() for reader in readers)
        for reader in readers:
            reader.stop()
            reader.join(2 * hub_clients.ANSWER_SECONDS)
        self.server.terminate()
        if self.server.wait(START_SECONDS) != 0:
            raise Violation(f"the server did not end clean:\n{self.log_tail()}")
        self.raise_violations()
        lost = sorted(self.oracle.lost())
        if lost:
            raise Violation(f"{len(lost)} acknowledged events are lost, the first is {lost[0]}")
        if behind or not alive:
            raise Violation(f"the readers did not get through, not in partitions {behind}")


def run(folder, program, kind, cycles, seed, preload=None, mutation=None):
    """Runs the cycles and returns a line for the report; raises Violation if a promise was broken."""
    started = time.monotonic()
    with disk_of(folder, kind) as disk:
        cuts = EventCuts(disk, folder, program, seed, preload, mutation)
        oracle = cuts.oracle
        try:
            for _ in range(cycles):
                cuts.cycle()
            cuts.drain()
        except Violation as violation:
            raise Violation(f"{kind}, seed {seed}, after {disk.cuts} {disk.cut_name}: {violation}") from None
        finally:
            if cuts.server and cuts.server.poll() is None:
                cuts.kill()
        return (
            f"{kind}: {disk.cuts} {disk.cut_name} under the event log ({cuts.cuts_in_recovery} during recovery), "
            f"{len(oracle.acknowledged)} events acknowledged, {len(oracle.found)} in the log, 0 lost, "
            f"{oracle.compared} compared again, slowest start {cuts.slowest_start:.2f} s, "
            f"{time.monotonic() - started:.0f} s"
        )
