"""Legal but odd limits, and messages that ask for more than there is: what cannot be had is refused with a
counted reason, nobody waits for ever, and the process stays up and in its memory."""

import socket

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams

TAG = "app.limits"


def test_connections_leave_file_descriptors_for_the_spool_and_the_admin_port(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config, under=["prlimit", "--nofile=160:160"])
    peers = [socket.create_connection(("127.0.0.1", forward_port(config)), timeout=60) for _ in range(200)]
    try:
        penstock.wait_connections(80)
        assert penstock.get("/healthz")[0] == 200
        chunk = wire.new_chunk()
        peers[0].sendall(wire.packed_forward(TAG, [(1, {"n": 1})], {"chunk": chunk}))
        assert chunk.encode() in peers[0].recv(1000)
        penstock.wait_settled(1)
    finally:
        for peer in peers:
            peer.close()
    assert "open files" in penstock.log()
