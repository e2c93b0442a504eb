"""Loss of power by the kernel's own means: ext4 on a loop device, shut down as the tools that test file systems do it.

After the shutdown nothing more reaches the image: what is dirty in the page cache, and what the journal has not
committed, is gone, and the next mount replays the journal as it does after a real loss of power.
"""

import ctypes
import fcntl
import os
import random
import struct
import subprocess
from pathlib import Path

# _IOR('X', 125, __u32): ext4, xfs and others know it.
GOING_DOWN = 0x8004587D
FLUSH_JOURNAL, FLUSH_NOTHING = 1, 2
SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WAIT_AFTER = 1, 2, 4
_libc = ctypes.CDLL(None, use_errno=True)


class CannotMount(Exception):
    """There is no loop device here, or no right to mount."""


class Ext4Volume:
    """Has what harness.prove needs of WatchedDirectory, except failing operations and the clock."""

    environment: dict[str, str] = {}

    def __init__(self, directory: Path, image: Path, megabytes: int = 512):
        self.directory, self._image = directory, image
        directory.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise CannotMount("mkfs.ext4 is not installed") from error
        self._mount()

    def _mount(self) -> None:
        done = subprocess.run(["mount", "-o", "loop", self._image, self.directory], capture_output=True, text=True)
        if done.returncode:
            raise CannotMount(done.stderr.strip())

    def close(self) -> None:
        subprocess.run(["umount", self.directory], check=True)

    def fail(self) -> None:
        """Nothing fails here, so nothing is to be healed."""

    def forget(self) -> None:
        """The process ended and nothing was lost."""

    def lose_power(self, rng: random.Random) -> None:
        """The process was killed before."""
        self._write_some_back(rng)
        down = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(down, GOING_DOWN, struct.pack("I", rng.choice([FLUSH_JOURNAL, FLUSH_NOTHING])))
        finally:
            os.close(down)
        self.close()
        self._mount()

    def _write_some_back(self, rng: random.Random) -> None:
        """As the kernel does by and by, of any file and any part of it."""
        for path in sorted(self.directory.rglob("*")):
            if not path.is_file() or rng.random() < 0.5:
                continue
            with path.open("rb") as file:
                size = path.stat().st_size
                begin = rng.randrange(size + 1)
                how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
                _libc.sync_file_range(file.fileno(), ctypes.c_int64(begin),
                                      ctypes.c_int64(rng.randrange(size + 1)), how)
