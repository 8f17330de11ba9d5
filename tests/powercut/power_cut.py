"""A file system whose power can be cut.

A file in a directory of the host becomes a loop device with a file system on it. cut() shuts that file
system down without writing its log (EXT4_IOC_SHUTDOWN or XFS_IOC_GOINGDOWN with "no log flush"): what was
not synced before is gone, and every later access fails with EIO. Then the programs that use it are
killed, and remount() brings back what a power cut would have left. Needs root and loop devices.
"""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import time

SHUTDOWN = 0x8004587D  # The same number for ext4 and XFS.
SHUTDOWN_WITHOUT_LOG = 2
UNMOUNT_SECONDS_MAX = 10
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}


class PowerCutDisk:
    """Use it in a `with` statement; `path` is where the file system is mounted."""

    kills = False
    cut_name = "power cuts"

    def __init__(self, folder, kind="ext4", megabytes=512, mount_options=""):
        self.kind = kind
        self.image = pathlib.Path(folder) / f"{kind}.img"
        self.path = pathlib.Path(folder) / f"{kind}.mount"
        self.mount_options = ",".join(filter(None, ["loop", mount_options]))
        self.cuts = 0
        with self.image.open("wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run([*MAKE[kind], str(self.image)], check=True)
        self.path.mkdir()

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *exception):
        if os.path.ismount(self.path):
            self.unmount()
        self.image.unlink()
        self.path.rmdir()

    def mount(self):
        """Mounts it, which replays the file system's journal."""
        subprocess.run(
            ["mount", "-t", self.kind, "-o", self.mount_options, str(self.image), str(self.path)], check=True
        )

    def unmount(self):
        """All programs that use it must have ended; what they had mapped may take a moment to go."""
        deadline = time.monotonic() + UNMOUNT_SECONDS_MAX
        while subprocess.run(["umount", str(self.path)], stderr=subprocess.DEVNULL).returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.path} stays in use")
            time.sleep(0.02)

    def cut(self):
        """Cuts the power. Programs still run, but no longer reach this disk.

        Only what was acknowledged before this call was promised. An fdatasync under way at the cut may
        return success afterwards although its data is gone (seen with strace on Linux 6.18, ext4 and XFS);
        when the power really fails, no program lives to be told.
        """
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", SHUTDOWN_WITHOUT_LOG))
        finally:
            os.close(directory)
        self.cuts += 1

    def remount(self):
        """After cut(), and after the programs that used it were killed: the power is back."""
        self.unmount()
        self.mount()


class PlainFolder:
    """The same for a server that is only killed: a folder of the host, whose power stays."""

    kills = True
    cut_name = "kills"

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "killed"
        self.path.mkdir()
        self.cuts = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        shutil.rmtree(self.path)

    def cut(self):
        """Counts: the kill that follows is the event."""
        self.cuts += 1

    def remount(self):
        """Nothing was unmounted."""


def disk_of(folder, kind):
    """Where a server's data lies: on a disk of this kind whose power can be cut, or, for "kill", in a folder."""
    return PlainFolder(folder) if kind == "kill" else PowerCutDisk(folder, kind)
