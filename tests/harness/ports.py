"""Free ports on loopback, below the range the kernel hands to outgoing connections."""

import random
import socket

_random = random.SystemRandom()
_FIRST, _LAST = 12_000, 30_000
_given: set[int] = set()


def free_port() -> int:
    """Free for TCP and for UDP alike, and not given before. Others take it only by chance: the range is wide, and no
    test fixes a port."""
    while True:
        port = _random.randrange(_FIRST, _LAST)
        if port in _given:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        _given.add(port)
        return port
