"""A few cycles of the no-loss proof in every run; `scripts/prove --cycles N` runs as many as one likes."""

import random
import sys

import pytest
import yaml

from harness.binary import binary_path
from harness.daemon import three_streams
from harness.prove import prove

# Acks what it never keeps.
LIAR = """
import os, socket, threading, msgpack
listener = socket.create_server(("127.0.0.1", int(os.environ["PROVE_FORWARD_PORT"])))
def serve(peer):
    unpacker = msgpack.Unpacker()
    while data := peer.recv(65536):
        unpacker.feed(data)
        for message in unpacker:
            peer.sendall(msgpack.packb({"ack": message[-1]["chunk"]}))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_nothing_acked_is_lost_in_a_few_cycles_of_trouble():
    assert prove(seed=20261, cycles=12)


def test_another_server_is_put_to_the_same_proof(tmp_path):
    config = three_streams("${PROVE_KINESIS_ENDPOINT}")
    config["sources"][0]["forward"]["listen"] = "127.0.0.1:${PROVE_FORWARD_PORT}"
    config["spool"] = {"directory": "${PROVE_DIRECTORY}"}
    (tmp_path / "penstock.yaml").write_text(yaml.safe_dump(config))
    assert prove(seed=3, cycles=3, server=f"exec {binary_path()} run --config {tmp_path}/penstock.yaml")


def test_a_server_that_acks_what_it_does_not_keep_is_found_out(tmp_path):
    (tmp_path / "liar.py").write_text(LIAR)
    reports = []
    assert not prove(seed=3, cycles=1, report=reports.append, server=f"exec {sys.executable} {tmp_path}/liar.py")
    assert any("acked events are LOST" in line for line in reports), reports


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_acked_is_lost_in_many_cycles_from_a_new_seed():
    assert prove(seed=random.SystemRandom().randrange(10**9), cycles=150)
