"""A Kinesis Data Streams for tests: strict where the emulators are lax, and broken on command.

It verifies every signature fully, keeps each shard to its rate when asked, splits and merges shards,
throttles, fails, hangs and cuts connections by rules that a test hands it, and keeps a ledger of
every record it accepted.

    with FakeKinesis(streams={"audit": 2}) as kinesis:      # in this process, on a thread of its own
        kinesis.add_fault(operation="PutRecords", effect="error", code="InternalFailure", times=3)
        ...
        assert kinesis.tally("audit", "id") == {...}

`python -m fake_kinesis` serves the same over HTTP, with the same verbs under /_control/.
"""

from .controls import Controls
from .remote import KinesisProcess
from .server import FakeKinesis

__all__ = ["Controls", "FakeKinesis", "KinesisProcess"]
