"""A disk that becomes full under the hub.

Devices send and readers read while another program takes the space. Acknowledgements stop before the disk is
full, readers read on, and once there is space again everything goes on by itself, in the same process. Then
the power is cut, and what was acknowledged before, during and after must be there.
"""

import http.client
import json
import os
import time

from event_cuts import EventCuts, Reader
from power_cut import PowerCutDisk
from store_cuts import Violation

WAIT_SECONDS = 20
QUIET_SECONDS = 1.5
LEFT_BYTES = 40 << 20  # Less than the store wants free.


class FullDisk(EventCuts):
    def ballast(self, left_bytes):
        """Takes all space but this much, as another program would."""
        state = os.statvfs(self.disk.path)
        size = state.f_bavail * state.f_frsize - left_bytes
        with open(self.disk.path / "ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def wait_for(self, what, reached):
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached():
            self.raise_violations()
            if time.monotonic() > deadline:
                raise Violation(f"not within {WAIT_SECONDS} s: {what}\n{self.log_tail()}")
            time.sleep(0.05)

    def acknowledged(self):
        return len(self.oracle.acknowledged)

    def quiet(self):
        """Whether no acknowledgement comes for a while: the hub ends the connections of devices that send."""
        before = self.acknowledged()
        time.sleep(QUIET_SECONDS)
        return self.acknowledged() == before

    def state(self):
        control = json.loads((self.data / "control.json").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", control["adminPort"], timeout=5)
        connection.request("GET", "/health")
        return json.loads(connection.getresponse().read())["store"]["state"]

    def run_workers(self, workers):
        for worker in workers:
            worker.start()
        return workers

    @staticmethod
    def stop_workers(workers):
        for worker in workers:
            worker.stop()
            worker.join()

    def run(self):
        self.start()
        place = self.wait_until_ready()
        self.create_devices(place)
        self.oracle.freeze(False)
        workers = self.run_workers(self.workers(place))
        self.wait_for("acknowledged events", lambda: self.acknowledged() > 1000)
        self.ballast(LEFT_BYTES)
        self.wait_for("acknowledgements stop", self.quiet)
        full_at = self.acknowledged()
        state = self.state()
        self.stop_workers(workers)
        again = self.run_workers(self.workers(place))
        readers = [worker for worker in again if isinstance(worker, Reader)]
        self.wait_for("readers go on", lambda: all(
            reader.checkpoints[n] >= self.oracle.end(n) for reader in readers for n in range(4)
        ))
        if not all(reader.is_alive() for reader in readers):
            raise Violation("a reader's connection ended")
        if self.acknowledged() != full_at:
            raise Violation("a device that came anew had events acknowledged on the full disk")
        self.stop_workers(again)
        (self.disk.path / "ballast").unlink()
        self.wait_for("the store has room", lambda: self.state() == "ok")
        self.run_workers(self.workers(place))
        self.wait_for("acknowledged events again", lambda: self.acknowledged() > full_at + 1000)
        self.oracle.freeze()
        self.disk.cut()
        self.kill()
        self.disk.remount()
        self.drain()
        return f"{full_at} events acknowledged, then: {state}; {self.acknowledged() - full_at} afterwards, 0 lost"


def run(folder, program, kind, seed):
    """Runs it once and returns a line for the report; raises Violation if a promise was broken."""
    with PowerCutDisk(folder, kind) as disk:
        cuts = FullDisk(disk, folder, program, seed)
        try:
            return f"{kind}, full disk: {cuts.run()}"
        finally:
            if cuts.server and cuts.server.poll() is None:
                cuts.kill()
