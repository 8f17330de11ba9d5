"""Cuts the power under store_writer again and again, on one store that grows older."""

import os
import pathlib
import random
import subprocess
import time

from power_cut import PowerCutDisk

SECONDS_MAX = 60
WRITING_SECONDS_MAX = 0.8
RECOVERY_SECONDS_MAX = 0.05
RECOVERY_SHARE = 0.2  # Of the cuts: during recovery instead of during writing.
REACTION_SECONDS_MAX = 0.1


class Violation(Exception):
    """A promise of the store was broken; the text says which."""


class StoreCuts:
    """One store on one disk, its oracle beside the disk, and the counts of the report."""

    def __init__(self, disk, folder, writer, seed, unsafe_no_sync=False):
        self.disk = disk
        self.oracle = pathlib.Path(folder) / "oracle"
        self.oracle.touch()
        self.log = pathlib.Path(folder) / "writer.log"
        self.command = [str(writer), str(disk.path / "store"), str(self.oracle)]
        if unsafe_no_sync:
            self.command.append("--unsafe-no-sync")
        self.random = random.Random(seed)
        self.noticed = 0  # Writers that saw the disk fail before they were killed.
        self.cuts_in_recovery = 0

    def acknowledged(self):
        with self.oracle.open("rb") as lines:
            return sum(1 for _ in lines)

    def start(self, *arguments):
        with self.log.open("w") as log:
            return subprocess.Popen(
                [*self.command, *arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )

    def cut(self):
        """Cuts; what the writer was told afterwards is not a promise (see PowerCutDisk.cut)."""
        self.promised_bytes = self.oracle.stat().st_size
        self.disk.cut()

    def forget_late_promises(self):
        # A line under way at the cut may have been there in part.
        with self.oracle.open("rb") as lines:
            promised = lines.read(self.promised_bytes)
        os.truncate(self.oracle, promised.rfind(b"\n") + 1)

    def cycle(self, number):
        """Starts the writer, which first verifies what the last cycle left; cuts, kills, remounts."""
        writer = self.start("--run", str(number))
        try:
            if self.random.random() < RECOVERY_SHARE:
                self.cuts_in_recovery += 1
                time.sleep(self.random.uniform(0, RECOVERY_SECONDS_MAX))
                self.cut()
            else:
                self.expect_ready(writer)
                time.sleep(self.random.uniform(0, WRITING_SECONDS_MAX))
                self.cut()
                time.sleep(self.random.uniform(0, REACTION_SECONDS_MAX))
        finally:
            writer.kill()
            rest = writer.communicate(timeout=SECONDS_MAX)[0]
        self.forget_late_promises()
        self.noticed += rest.startswith("failed")
        self.disk.remount()

    def verify(self):
        """Opens the store once more and compares it with the oracle."""
        writer = self.start("--verify-only")
        self.expect_ready(writer)
        writer.communicate(timeout=SECONDS_MAX)

    def expect_ready(self, writer):
        line = writer.stdout.readline()
        if line != "ready\n":
            writer.communicate(timeout=SECONDS_MAX)
            said = line.strip() or f"the writer ended with {writer.returncode}"
            raise Violation(f"{said}\n{self.log.read_text()}")


def run(folder, writer, kind, cycles, seed, unsafe_no_sync=False):
    """Runs the cycles and returns a line for the report; raises Violation if something was lost."""
    started = time.monotonic()
    with PowerCutDisk(folder, kind) as disk:
        cuts = StoreCuts(disk, folder, writer, seed, unsafe_no_sync)
        try:
            for number in range(1, cycles + 1):
                cuts.cycle(number)
            cuts.verify()
        except Violation as violation:
            raise Violation(f"{kind}, seed {seed}, after {disk.cuts} cuts: {violation}") from None
        return (
            f"{kind}: {disk.cuts} power cuts ({cuts.cuts_in_recovery} of them during recovery, "
            f"{cuts.noticed} seen by the writer), {cuts.acknowledged()} batches acknowledged, 0 lost, "
            f"{time.monotonic() - started:.0f} s"
        )
