"""python -m fake_kinesis --port 4567 --stream audit:2 --stream projects:4"""

import argparse
import signal
import sys
import threading

from .server import DEFAULT_KEY, FakeKinesis
from .signature import AccessKey


def main() -> int:
    parser = argparse.ArgumentParser(prog="fake_kinesis", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--stream", action="append", default=[], metavar="NAME[:SHARDS]")
    parser.add_argument("--key", action="append", default=[], metavar="ID:SECRET[:TOKEN]",
                        help=f"known access keys (default {DEFAULT_KEY.id})")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--no-verify", action="store_true", help="take any signature")
    parser.add_argument("--forget-data", action="store_true", help="count records, but do not keep them")
    parser.add_argument("--enforce-rates", action="store_true", help="1,000 records/s and 1 MB/s per shard")
    options = parser.parse_args()

    keys = [AccessKey(*text.split(":", 2)) for text in options.key] or [DEFAULT_KEY]
    streams = {name: int(shards or 1) for name, _, shards in (text.partition(":") for text in options.stream)}
    kinesis = FakeKinesis(streams, port=options.port, host=options.host, region=options.region, keys=keys,
                          cert=options.tls_cert, key=options.tls_key, verify_signatures=not options.no_verify)
    try:
        kinesis.start()
    except OSError as error:
        print(f"fake_kinesis: {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    for name in streams:
        kinesis.set_stream(name, retain=not options.forget_data, enforce_rates=options.enforce_rates)
    print(f"listening {kinesis.endpoint}", flush=True)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    kinesis.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
