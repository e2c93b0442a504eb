"""ipv6_only.py PENSTOCK ADDRESS DIRECTORY CERT KEY: run by test_ipv6.py where there is no IPv4."""

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fake_kinesis import FakeKinesis  # noqa: E402
from harness.daemon import ACCESS_KEY  # noqa: E402

ADMIN, FORWARD, HTTP, SYSLOG = 9880, 24224, 8443, 6514


def get(path):
    connection = http.client.HTTPConnection("::1", ADMIN, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def is_ready():
    try:
        return get("/readyz")[0] == 200
    except OSError:
        return False


def delivered():
    lines = get("/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("penstock_events_delivered_total"))


def main(penstock, address, directory, cert, key):
    try:
        socket.create_connection(("127.0.0.1", ADMIN), 5)
    except OSError as error:
        assert not isinstance(error, ConnectionRefusedError), "there is IPv4 here"
    kinesis = FakeKinesis({"all": 1}, host="::1").start()
    tls = {"cert": cert, "key": key}
    config = {
        "sources": [{"forward": {"listen": f"{address}:{FORWARD}", "tls": tls}},
                    {"http": {"listen": f"{address}:{HTTP}"}},
                    {"syslog": {"listen": f"{address}:{SYSLOG}"}}],
        "routes": [{"stream": "all"}],
        "streams": {"all": {"name": "all", "region": "us-east-1", "endpoint": kinesis.endpoint}},
        "admin": {"listen": f"{address}:{ADMIN}"},
    }
    file = Path(directory) / "penstock.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML
    environment = {"PATH": "/usr/bin:/bin", **ACCESS_KEY}
    daemon = subprocess.Popen([penstock, "run", "--config", str(file)], env=environment)
    try:
        wait_until(is_ready, "the readiness probe")
        assert get("/healthz")[0] == 200
        for arguments in (["--to", f"[::1]:{FORWARD}", "--insecure", "--ack"], ["--http", f"http://[::1]:{HTTP}/", "--ack"],
                          ["--syslog", f"[::1]:{SYSLOG}"]):
            sent = subprocess.run([penstock, "send", *arguments], input='{"message":"x"}\n', text=True, capture_output=True,
                                  env=environment, timeout=60)
            assert sent.returncode == 0, f"{arguments}: {sent.stderr}"
        wait_until(lambda: delivered() == 3, "three events")
    finally:
        daemon.terminate()
        daemon.wait(60)
        kinesis.stop()
    print("delivered 3 of 3, probes answered, no IPv4")


if __name__ == "__main__":
    main(*sys.argv[1:])
