"""A machine that has no IPv4 at all: sources, admin port and Kinesis over IPv6, in a network namespace of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.binary import PATIENCE, binary_path

HERE = Path(__file__).parent
ONLY_IPV6 = "ip link set lo up && ip -4 addr flush dev lo && [ -z \"$(ip -4 -o addr)\" ] && exec \"$@\""


def in_namespace(*command):
    for unshare in (["unshare", "-n"], ["unshare", "-rn"]):
        if subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
            return [*unshare, "bash", "-c", ONLY_IPV6, "ipv6", *map(str, command)]
    return None


@pytest.mark.parametrize("address", ["[::]", "[::1]"])
def test_everything_works_without_ipv4(certificates, tmp_path, address):
    command = in_namespace(sys.executable, HERE / "ipv6_only.py", binary_path(), address, tmp_path,
                           certificates.server_cert, certificates.server_key)
    if command is None:
        pytest.skip("needs root, or user namespaces, for a network of its own")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "delivered 3 of 3, probes answered, no IPv4"
