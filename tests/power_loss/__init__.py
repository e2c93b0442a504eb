"""Loss of power, without pulling a plug: see preload.c for how writes are watched.

After the process was killed, `lose_power` takes back what had not been synced. As on a real disk, any part of it may
have arrived all the same: of each file's unsynced writes none, all, or some sectors survive, chosen from a seed; of the
unsynced changes to directories a prefix survives.
"""

import mmap
import os
import random
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

WRITE, SIZE, SYNC, CREATE, RENAME, UNLINK, DIRECTORY_SYNC, MAKE_DIRECTORY, REMOVE_DIRECTORY = range(1, 10)
SECTOR_BYTES = 512
HANGS = 1 << 16
_RECORD = struct.Struct("<IIQQQQQQ")


@dataclass
class Deed:
    kind: int
    sequence: int
    inode: int
    offset: int
    length: int
    old_size: int
    kept: int
    payload: bytes
    new: bytes = b""  # WRITE: what stood there after it

    @property
    def paths(self) -> list[str]:
        return self.payload.decode().split("\n")


@dataclass
class Loss:
    """What a loss of power took."""
    writes_unsynced: int = 0
    writes_torn: int = 0
    bytes_lost: int = 0
    names_lost: int = 0
    files: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return (f"{self.writes_unsynced} unsynced writes in {len(self.files)} files, {self.writes_torn} torn, "
                f"{self.bytes_lost} bytes and {self.names_lost} names lost")


class WatchedDirectory:
    """The environment that makes a process's files under `directory` lossy, and the means to lose them."""

    def __init__(self, directory: Path, workspace: Path):
        self.directory = directory
        self._workspace = workspace
        workspace.mkdir(parents=True, exist_ok=True)
        self._library = workspace / "power_loss.so"
        if not self._library.exists():
            source = Path(__file__).with_name("preload.c")
            subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", self._library, source,
                            "-ldl", "-lpthread"], check=True)
        self._journal = workspace / "journal"
        errors = workspace / "errors"
        errors.write_bytes(bytes(16))
        self._error_file = errors.open("r+b")
        self._errors = mmap.mmap(self._error_file.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(self._library), "POWER_LOSS_DIRECTORY": str(directory),
                            "POWER_LOSS_JOURNAL": str(self._journal), "POWER_LOSS_ERRORS": str(errors)}

    def fail(self, write: int = 0, sync: int = 0, create: int = 0) -> None:
        """From now on these operations fail with these error numbers; 0: they work; HANGS: they do not come back."""
        self._errors[:12] = struct.pack("<III", write, sync, create)

    def set_clock(self, seconds_ahead: int) -> None:
        """The process's wall clock jumps: it is so much ahead (negative: behind) from now on."""
        self._errors[12:] = struct.pack("<i", seconds_ahead)

    def forget(self) -> None:
        """The process ended and nothing was lost: the journal starts anew with the next one."""
        self._journal.unlink(missing_ok=True)
        shutil.rmtree(f"{self._journal}.kept", ignore_errors=True)

    def lose_power(self, rng: random.Random) -> Loss:
        deeds = list(self._read_journal())
        loss = Loss()
        self._lose_content(deeds, rng, loss)
        self._lose_names(deeds, rng, loss)
        self.forget()
        return loss

    def _read_journal(self):
        data = self._journal.read_bytes() if self._journal.exists() else b""
        at = 0
        while at + _RECORD.size <= len(data):
            kind, payload_bytes, sequence, inode, offset, length, old_size, kept = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if at + payload_bytes > len(data):
                return  # killed while it wrote this one; the deed was not done
            yield Deed(kind, sequence, inode, offset, length, old_size, kept, data[at:at + payload_bytes])
            at += payload_bytes

    def _lose_content(self, deeds: list[Deed], rng: random.Random, loss: Loss) -> None:
        safe = {deed.inode: deed.offset for deed in deeds if deed.kind == SYNC}
        unsynced: dict[int, list[Deed]] = {}
        for deed in deeds:
            if deed.kind in (WRITE, SIZE) and deed.sequence >= safe.get(deed.inode, 0):
                unsynced.setdefault(deed.inode, []).append(deed)
        path_of = {}
        for folder in (self.directory, Path(f"{self._journal}.kept")):
            path_of |= {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}
        for inode, of_file in unsynced.items():
            if inode not in path_of:
                continue  # it was never born, or is gone for good
            with open(path_of[inode], "r+b") as file:
                self._roll_back(file.fileno(), of_file)
                self._let_some_survive(file.fileno(), of_file, rng, loss)
            loss.files.add(str(path_of[inode].relative_to(path_of[inode].parents[1])))

    @staticmethod
    def _roll_back(fd: int, of_file: list[Deed]) -> None:
        for deed in of_file:
            if deed.kind == WRITE:
                deed.new = os.pread(fd, deed.length, deed.offset)
        for deed in reversed(of_file):
            if deed.kind == WRITE:
                os.pwrite(fd, deed.payload, deed.offset)
            # A file cut shorter stays so: what was cut off was not kept.
            if os.fstat(fd).st_size > deed.old_size:
                os.ftruncate(fd, deed.old_size)

    @staticmethod
    def _let_some_survive(fd: int, of_file: list[Deed], rng: random.Random, loss: Loss) -> None:
        fate = rng.choice(["none", "all", "some sectors", "all but the last", "some sectors"])
        for number, deed in enumerate(of_file):
            if deed.kind == SIZE:
                if fate != "none" and deed.length > os.fstat(fd).st_size:
                    os.ftruncate(fd, deed.length)
                continue
            loss.writes_unsynced += 1
            if fate == "all" or (fate == "all but the last" and number + 1 < len(of_file)):
                os.pwrite(fd, deed.new, deed.offset)
                continue
            survived = 0
            # Sectors are those of the disk, whatever offset the write began at.
            start = deed.offset
            while fate != "none" and start < deed.offset + len(deed.new):
                end = min((start // SECTOR_BYTES + 1) * SECTOR_BYTES, deed.offset + len(deed.new))
                if rng.random() < 0.6:
                    os.pwrite(fd, deed.new[start - deed.offset:end - deed.offset], start)
                    survived += end - start
                start = end
            loss.bytes_lost += len(deed.new) - survived
            loss.writes_torn += 0 < survived < len(deed.new)

    def _lose_names(self, deeds: list[Deed], rng: random.Random, loss: Loss) -> None:
        safe = {deed.inode: deed.offset for deed in deeds if deed.kind == DIRECTORY_SYNC}
        names = [deed for deed in deeds if deed.kind in (CREATE, RENAME, UNLINK, MAKE_DIRECTORY, REMOVE_DIRECTORY)]
        unsynced = [deed for deed in names if deed.sequence >= self._safe_of(deed, safe)]
        lost = unsynced[rng.randint(0, len(unsynced)):]
        for deed in reversed(lost):
            self._take_back(deed)
        loss.names_lost += len(lost)

    @staticmethod
    def _safe_of(deed: Deed, safe: dict[int, int]) -> int:
        try:
            return safe.get(os.stat(Path(deed.paths[-1]).parent).st_ino, 0)
        except FileNotFoundError:
            return 0

    def _take_back(self, deed: Deed) -> None:
        path = Path(deed.paths[-1])
        kept = Path(f"{self._journal}.kept") / str(deed.kept)
        try:
            if deed.kind == CREATE:
                path.unlink(missing_ok=True)
            elif deed.kind == RENAME:
                path.rename(deed.paths[0])
                if deed.kept:
                    os.link(kept, path)
            elif deed.kind == UNLINK and deed.kept:
                os.link(kept, path)
            elif deed.kind == MAKE_DIRECTORY:
                path.rmdir()
            elif deed.kind == REMOVE_DIRECTORY:
                path.mkdir(mode=0o700)
        except (FileNotFoundError, FileExistsError, OSError):
            pass  # the deed was entered, but the process was killed before it was done
