"""The quickstart after the build: third-party server, penstock, third-party client, and the comparison.

Everything it makes is under .cache/quickstart; what --keep leaves running is named in `running` there.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from .binary import REPOSITORY, binary_path
from .certificates import Certificates
from .daemon import Penstock, forward_port, three_streams
from .node import Emulator, send_with_fluent_logger
from .samples import STREAM_OF_KIND, Sample, all_samples, as_javascript_holds, missing_and_unexpected

FOLDER = REPOSITORY / ".cache/quickstart"
RUNNING = FOLDER / "running"
STREAMS = {"projects": 2, "operations": 2, "audit": 1}
SHOWN_CHARACTERS = 400


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def compare(sent: dict[str, list[str]], stored: dict[str, list[str]]) -> list[str]:
    """What is wrong, in sentences; empty if each record is in its stream, equal field by field, exactly once."""
    problems = []
    for stream, expected in sent.items():
        missing, unexpected = missing_and_unexpected(expected, stored[stream])
        problems += [f"{stream}: MISSING  {text[:SHOWN_CHARACTERS]}" for text in missing]
        problems += [f"{stream}: NOT SENT HERE  {text[:SHOWN_CHARACTERS]}" for text in unexpected]
    return problems


def expected_by_stream(samples: list[Sample]) -> dict[str, list[str]]:
    """The client is written in JavaScript, so what it sends is what JavaScript's numbers can hold."""
    expected: dict[str, list[str]] = {stream: [] for stream in STREAMS}
    for sample in samples:
        expected[sample.stream].append(as_javascript_holds(sample.text))
    return expected


def stop_what_runs() -> int:
    """Ends the processes an earlier --keep left, if they are still the ones it started."""
    stopped = 0
    for line in RUNNING.read_text().splitlines() if RUNNING.exists() else []:
        pid, started = line.split()
        if _start_time(int(pid)) == started:
            os.kill(int(pid), signal.SIGKILL)
            stopped += 1
    RUNNING.unlink(missing_ok=True)
    return stopped


def _start_time(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


class Quickstart:
    def __init__(self):
        for name in ("spool", "run", "certificates"):
            shutil.rmtree(FOLDER / name, ignore_errors=True)
        (FOLDER / "run").mkdir(parents=True)
        self.kinesis: Emulator | None = None
        self.penstock: Penstock | None = None

    def start(self) -> None:
        say("starting kinesalite with the streams " + ", ".join(f"{s} ({n} shards)" for s, n in STREAMS.items()))
        self.kinesis = Emulator("kinesalite", FOLDER / "run", STREAMS)
        say("making a certificate authority, a server certificate and a shared key")
        certificates = Certificates(FOLDER / "certificates")
        self.ca, self.shared_key = certificates.ca, secrets.token_urlsafe(24)
        key_file = FOLDER / "certificates/shared_key"
        key_file.write_text(self.shared_key + "\n")
        key_file.chmod(0o600)
        self.config = three_streams(
            self.kinesis.endpoint, spool=FOLDER / "spool", streams=self.kinesis.stream_options,
            forward={"tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)},
                     "shared_key_file": str(key_file)})
        say(f"starting penstock: Forward with TLS on {self.config['sources'][0]['forward']['listen']}, "
            f"spool in {FOLDER / 'spool'}")
        self.penstock = Penstock(FOLDER / "run", self.config).start()

    def send(self, samples: list[Sample]) -> None:
        say(f"sending {len(samples)} OpenShift records with @fluent-org/logger, waiting for each ack")
        events = [{"tag": sample.tag, "time": [1718093700, number], "record": json.loads(sample.text)}
                  for number, sample in enumerate(samples)]
        counts = send_with_fluent_logger(forward_port(self.config), events, mode="PackedForward", ca=self.ca,
                                         shared_key=self.shared_key)
        if counts != {"acked": len(samples), "failed": 0}:
            raise AssertionError(f"not every record was acked: {counts}")
        say("every record is acked, which means stored on disk; waiting until none is pending")
        self.penstock.wait_settled(len(samples), deadline_s=60)

    def read_back(self) -> dict[str, list[str]]:
        say("reading the three streams back")
        return {stream: [record.decode() for record in self.kinesis.records(stream)] for stream in STREAMS}

    def end(self) -> None:
        try:
            if self.penstock is not None:
                if self.penstock.is_running:
                    code = self.penstock.stop_quickly()
                    if code != 0:
                        raise AssertionError(f"penstock ended with {code}: {self.penstock.log()[-1000:]}")
                self.penstock.close()
        finally:
            if self.kinesis is not None:
                self.kinesis.stop()

    def write_environment(self) -> Path:
        """What a shell needs to play with it: `penstock` on the PATH, and the local Kinesis as its service."""
        file = FOLDER / "environment"
        file.write_text(f"""export PATH={shlex.quote(str(binary_path().parent))}:$PATH
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1
export AWS_ENDPOINT_URL_KINESIS={self.kinesis.endpoint}
""")
        return file

    def keep(self) -> None:
        pids = (self.penstock.pid, self.kinesis.pid)
        RUNNING.write_text("".join(f"{pid} {_start_time(pid)}\n" for pid in pids))
        self.penstock.leave_running()
        files = FOLDER / "certificates"
        print(f"""
Everything is still running. For example:

  source {self.write_environment()}
  echo '{{"message":"hello"}}' | penstock send --to localhost:{forward_port(self.config)} \\
      --tls --ca {self.ca} --shared-key-file {files}/shared_key --tag app.hello --ack
  penstock tail --stream projects --follow

status page    http://127.0.0.1:{self.penstock.admin_port}/
configuration  {self.penstock.config_file}
log            {FOLDER}/run/stderr.log
stop it all    scripts/quickstart --stop
""")


def run(keep: bool) -> int:
    began = time.monotonic()
    samples = all_samples()
    quickstart = Quickstart()
    try:
        quickstart.start()
        quickstart.send(samples)
        stored = quickstart.read_back()
        problems = compare(expected_by_stream(samples), stored)
        for stream, records in stored.items():
            kinds = sorted(kind for kind, name in STREAM_OF_KIND.items() if name == stream)
            print(f"\n{stream}: {len(records)} records ({', '.join(kinds)}); one of them:")
            print("  " + (records[len(records) // 2][:SHOWN_CHARACTERS] if records else "none"))
        print(flush=True)
        if problems:
            print(*problems, sep="\n", file=sys.stderr)
            say(f"FAILED: {len(problems)} records are not where or what they should be")
            return 1
        say(f"all {len(samples)} records arrived unharmed in their right streams "
            f"({time.monotonic() - began:.1f} s after the build)")
        if keep:
            quickstart.keep()
        return 0
    except (AssertionError, OSError, TimeoutError) as error:
        say(f"FAILED: {error}")
        return 1
    finally:
        if not RUNNING.exists():
            quickstart.end()


def main() -> int:
    stopped = stop_what_runs()
    if stopped:
        say(f"stopped {stopped} processes that an earlier --keep left running")
    if sys.argv[1:] == ["--stop"]:
        return 0
    return run(keep=sys.argv[1:] == ["--keep"])


if __name__ == "__main__":
    sys.exit(main())
