"""More than the server can do: five times the events it can take, thousands of peers that never finish their
handshake, a storm of takeovers of one device, a flood of wrong credentials, and all at once.

Meanwhile good clients work on. None of their connections may end, nothing that they were told may be untrue,
the server's memory must stay within its budget, and afterwards it must hold no more than before. How much
longer the good clients wait is reported and not judged: it depends on the machine.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

from soaked_hub import BUILD, MIB, SoakedHub, Violation

OVERLOAD = 5
BURST_SECONDS = 3  # What is offered meanwhile must be taken before the next burst.
START_SECONDS = 0.1
SOURCES = [f"127.0.0.{n}" for n in range(2, 10)]
PEERS_OF_PROCESS = 4000
SPARE_SOCKETS = 4  # Who looks at it.
ATTACKS = ["events", "half_open", "takeovers", "bad_credentials"]
KINDS = [[], *([each] for each in ATTACKS), ATTACKS, []]  # Each for its part of the time.
# What the server may hold: its caches, backlogs and memtables at their defaults, and something for each peer.
BUDGET_MIB = 640
BUDGET_KIB_PER_PEER = 48
# What it may hold afterwards, more than before: caches and memtables. Memory of connections is given back.
LEFT_MIB = 96


class Sampler(threading.Thread):
    """Looks at the server twice a second, until it is stopped."""

    def __init__(self, hub):
        super().__init__(daemon=True)
        self.hub, self.samples, self.ended = hub, [], threading.Event()

    def run(self):
        while not self.ended.wait(0.5):
            try:
                self.samples.append(self.hub.sample())
            except OSError:
                return  # The server is gone, which is noticed elsewhere.

    def most(self, field):
        return max(getattr(each, field) for each in self.samples)


class Attack:
    """Processes that run until they are ended."""

    def __init__(self, commands):
        self.processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        for process in self.processes:
            if process.stdout.readline() != "ready\n":
                raise Violation("an attacker did not start")

    def end(self):
        for process in self.processes:
            process.terminate()
        said = [json.loads(process.communicate()[0] or "{}") for process in self.processes]
        if not all(each.get("attacks") for each in said):
            raise Violation(f"an attacker did nothing: {said}")
        return {key: round(sum(each.get(key, 0) for each in said), 1) for key in set().union(*said)}


class Overload:
    def __init__(self, hub, options, program):
        self.hub, self.peers, self.threads, self.program = hub, options.peers, options.threads, program
        self.bursts_max = options.bursts
        self.victim, self.good = (("--device", name, "--key", hub.make_device(name)) for name in ("victim", "good"))
        self.sustainable = 0

    def peer(self, kind, *words):
        script = os.path.join(os.path.dirname(__file__), "peers.py")
        data = self.hub.events.data
        return [sys.executable, script, kind, "--program", self.program, "--data", data, *map(str, words)]

    def commands(self, kind):
        if kind == "half_open":
            parts = range(0, self.peers, PEERS_OF_PROCESS)
            return [
                self.peer(kind, "--count", min(PEERS_OF_PROCESS, self.peers - part), "--source", *SOURCES)
                for part in parts
            ]
        if kind == "takeovers":
            return [self.peer(kind, "--count", self.threads, *self.victim)]
        return [self.peer(kind, "--count", self.threads)]

    def load(self, rate, seconds, crowded=False):
        """Events of devices of its own, each of which must be acknowledged. 0 is as fast as they are taken."""
        place = self.hub.place
        words = {
            "connection-string": place.owner_connection_string, "ca": place.ca_file, "host": "127.0.0.1",
            "mqtt-port": place.mqtt_port, "amqp-port": place.amqp_port, "https-port": place.https_port,
            "devices": 50, "seconds": seconds, "warm-up": START_SECONDS, "rate": rate, "depth": 60000,
            "pid": self.hub.server.pid,
        }  # fmt: skip
        command = [str(BUILD / "hub_load"), "uplink"]
        for name, value in words.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
        # Who comes anew may find no place among the peers that crowd the ports. Who is connected must stay: the
        # good clients look after that.
        if crowded and not re.search("lost|changed|twice|a second time", done.stderr):
            return {"completed": 0, "no_place": 1}
        raise Violation(f"hub_load: {done.stderr.strip()}")

    def during(self, kinds, seconds):
        """Attacks for so long, and says how long a good device waited meanwhile."""
        good = Attack([self.peer("steady", *self.good)])
        attack = Attack([command for kind in kinds if kind != "events" for command in self.commands(kind)])
        begin, counts = time.monotonic(), {"events_taken": 0, "bursts_without_a_place": 0}
        try:
            bursts = 0
            while time.monotonic() < begin + seconds:
                if "events" in kinds and bursts < self.bursts_max:
                    bursts += 1
                    burst = self.load(
                        self.sustainable * OVERLOAD, min(BURST_SECONDS, seconds / 8), crowded="half_open" in kinds
                    )
                    counts["events_taken"] += burst["completed"]
                    counts["bursts_without_a_place"] += burst.get("no_place", 0)
                else:
                    time.sleep(0.2)
                self.hub.raise_violations()
            waits = good.end()
        finally:
            counts |= attack.end()
            counts.pop("attacks", None)
        if counts.get("let_in"):
            raise Violation(f"{counts['let_in']} peers with wrong credentials were let in")
        return waits, counts


def wait_until_idle(hub, before, left, patience):
    """Sockets and memory as before, within so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        now = hub.sample()
        wrong = []
        if now.sockets > before.sockets + SPARE_SOCKETS:
            wrong.append(f"{now.sockets} sockets, before {before.sockets}")
        if now.rss_bytes > before.rss_bytes + left:
            wrong.append(f"{now.rss_bytes // MIB} MiB, before {before.rss_bytes // MIB}")
        if not wrong:
            return now
        if time.monotonic() > deadline:
            raise Violation(f"{patience} s after the load the server holds {' and '.join(wrong)}")
        time.sleep(0.5)


def run(folder, program, options, preload=None, mutation=None):
    """Returns the lines of the report; raises Violation if a promise was broken."""
    hub = SoakedHub(folder, program, preload=preload, mutation=mutation)
    budget = BUDGET_MIB * MIB + options.peers * BUDGET_KIB_PER_PEER * 1024
    try:
        hub.start()
        hub.start_good_clients()
        kinds = options.kinds
        overload = Overload(hub, options, program)
        if any("events" in each for each in kinds):
            overload.sustainable = overload.load(0, min(5, options.seconds / 20))["per_second"]
        before = hub.sample()
        sampler = Sampler(hub)
        sampler.start()
        undisturbed = None
        for each in kinds:
            waits, counts = overload.during(each, options.seconds / len(kinds))
            undisturbed = undisturbed or waits["p99_ms"]
            did = ", ".join(f"{key} {value}" for key, value in sorted(counts.items()) if value)
            print(
                f"{' and '.join(each) or 'undisturbed'}: a good device waits {waits['p50_ms']} ms, p99 "
                f"{waits['p99_ms']} ms, {waits['p99_ms'] / undisturbed:.1f} of undisturbed; {did}",
                flush=True,
            )
            if options.left_behind and "half_open" in each:
                hub.left_behind = Attack(overload.commands("half_open"))
                while hub.sample().sockets <= before.sockets + 2 * SPARE_SOCKETS:
                    time.sleep(0.1)
        after = wait_until_idle(hub, before, LEFT_MIB * MIB, options.patience)
        sampler.ended.set()
        most = sampler.most("rss_bytes")
        if most > budget:
            raise Violation(f"the server held {most // MIB} MiB, its budget is {budget // MIB}")
        events, sent = hub.kill_and_prove()
        return [
            f"overload: {overload.sustainable:.0f} events a second are sustainable; memory {before.rss_bytes // MIB} "
            f"MiB before, at most {most // MIB} (budget {budget // MIB}), {after.rss_bytes // MIB} after; descriptors "
            f"{before.descriptors}, at most {sampler.most('descriptors')}, {after.descriptors}; {events} events and "
            f"{sent} sends acknowledged to good clients, 0 lost after a kill"
        ]
    finally:
        if hub.left_behind:
            hub.left_behind.end()
        hub.end()
