"""The lossy file system layer itself, driven by a small program that syncs some of what it does; and the proof on a
real file system that loses power."""

import errno
import os
import random
import subprocess
import sys

import pytest

from harness.prove import prove
from power_loss import WatchedDirectory
from power_loss.ext4_volume import CannotMount, Ext4Volume


@pytest.fixture
def watched(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    return WatchedDirectory(directory, tmp_path / "layer")


def run(watched, program: str, *, fails: bool = False) -> str:
    """Runs it in the directory's parent, with `d` as the directory; it ends as if by SIGKILL."""
    code = f"import os\nd = {str(watched.directory)!r}\n{program}\nos._exit(0)"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **watched.environment}, capture_output=True,
                          text=True, timeout=30)
    assert fails or done.returncode == 0, done.stderr
    return done.stdout


WRITES = """
f = os.open(d + '/log', os.O_RDWR | os.O_CREAT, 0o600)
os.fsync(os.open(d, os.O_RDONLY | os.O_DIRECTORY))
os.pwrite(f, b'A' * 2048, 0)
os.fdatasync(f)
os.pwrite(f, b'B' * 2048, 2048)
os.pwrite(f, b'C' * 512, 0)
"""


def test_what_was_synced_stays_and_the_rest_may_go_by_the_sector(watched):
    seen = set()
    for seed in range(40):
        run(watched, WRITES)
        watched.lose_power(random.Random(seed))
        data = (watched.directory / "log").read_bytes()
        assert data[512:2048] == b"A" * 1536, "synced bytes that no later write touched"
        assert data[:512] in (b"A" * 512, b"C" * 512), "a sector is old or new"
        tail = data[2048:]
        assert all(set(tail[i:i + 512]) <= {ord("B")} or set(tail[i:i + 512]) <= {0} for i in range(0, len(tail), 512))
        seen.add((data[:1], len(tail), tail.count(b"B")))
        (watched.directory / "log").unlink()
    assert len(seen) > 4, "different seeds lose different things"


def test_a_sync_covers_only_what_was_written_before_it_began(watched):
    run(watched, WRITES + "os.fdatasync(f)\n")
    loss = watched.lose_power(random.Random(1))
    assert loss.writes_unsynced == 0
    assert (watched.directory / "log").read_bytes() == b"C" * 512 + b"A" * 1536 + b"B" * 2048


NAMES = """
def put(name, text):
    f = os.open(d + '/' + name, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(f, text, 0)
    os.fdatasync(f)
put('old', b'old')
put('gone', b'gone')
os.fsync(os.open(d, os.O_RDONLY | os.O_DIRECTORY))
put('new', b'new')
os.rename(d + '/new', d + '/old')
os.unlink(d + '/gone')
"""


def test_names_are_lost_from_the_end_and_come_back_with_their_files(watched):
    states = set()
    for seed in range(40):
        run(watched, NAMES)
        watched.lose_power(random.Random(seed))
        files = {path.name: path.read_bytes() for path in watched.directory.iterdir()}
        states.add(tuple(sorted(files.items())))
        for path in watched.directory.iterdir():
            path.unlink()
    assert states == {
        (("gone", b"gone"), ("old", b"old")),                     # all three taken back
        (("gone", b"gone"), ("new", b"new"), ("old", b"old")),    # the new file was born
        (("gone", b"gone"), ("old", b"new")),                     # and renamed
        (("old", b"new"),),                                       # and the other is gone: nothing lost
    }


def test_a_synced_directory_loses_no_name(watched):
    run(watched, NAMES + "os.fsync(os.open(d, os.O_RDONLY | os.O_DIRECTORY))\n")
    assert watched.lose_power(random.Random(3)).names_lost == 0
    assert {path.name for path in watched.directory.iterdir()} == {"old"}


@pytest.mark.parametrize("what, number", [("write", errno.ENOSPC), ("sync", errno.EIO), ("create", errno.EROFS)])
def test_operations_fail_on_command(watched, what, number):
    program = """
try:
    f = os.open(d + '/log', os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(f, b'x', 0)
    os.fdatasync(f)
    print(0)
except OSError as error:
    print(error.errno)
"""
    watched.fail(**{what: number})
    assert int(run(watched, program + "import sys; sys.stdout.flush()")) == number
    watched.fail()
    assert int(run(watched, program + "import sys; sys.stdout.flush()")) == 0


# --- the same on a file system that is not ours: the kernel's, shut down


@pytest.fixture
def volume(tmp_path):
    try:
        made = Ext4Volume(tmp_path / "volume", tmp_path / "image")
    except CannotMount as error:
        pytest.skip(f"no ext4 can be mounted here: {error}")
    yield made
    made.close()


@pytest.mark.long
def test_the_volume_keeps_what_was_synced_and_loses_the_rest(volume):
    fates = set()
    for seed in range(12):
        path = volume.directory / f"log-{seed}"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(file, b"S" * 8192, 0)
        os.fsync(file)
        for block in range(2, 10):
            os.pwrite(file, b"U" * 4096, block * 4096)
        os.close(file)
        (volume.directory / f"name-{seed}").write_bytes(b"")
        volume.lose_power(random.Random(seed))
        data = path.read_bytes()
        assert data[:8192] == b"S" * 8192
        fates.add(len(data))
        fates.add((volume.directory / f"name-{seed}").exists())
    assert {8192, True, False} <= fates, f"what was not synced is kept: {fates}"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_acked_is_lost_when_a_real_file_system_loses_power(volume):
    assert prove(seed=random.SystemRandom().randrange(10**9), cycles=40, volume=volume,
                 only=["power loss", "power loss while kinesis hangs", "kill"])
