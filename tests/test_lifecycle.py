"""Starting, reloading and ending: exit codes, the drain, and a start from the environment alone."""

import json
import signal
import socket
import ssl
import time

import pytest

from harness import forward_client as wire
from harness.binary import is_sanitized
from harness.daemon import ACCESS_KEY, forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.ports import free_port
from harness.waiting import wait_until

EVENTS = [(1, {"id": i}) for i in range(20)]


def reloads(penstock) -> dict[str, float]:
    return penstock.metrics().by("penstock_config_reloads_total", "result")


# --- wrong use


def config_file(tmp_path, text: str) -> str:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    return str(path)


GOOD = """sources:
  - forward: {{listen: "127.0.0.1:{port}"}}
routes: [{{stream: projects}}]
streams:
  projects: {{name: projects, region: us-east-1, endpoint: "http://127.0.0.1:9"}}
admin: {{listen: "127.0.0.1:{admin}"}}
"""


def good_text() -> str:
    return GOOD.format(port=free_port(), admin=free_port())


BROKEN = {
    "not yaml": ("sources: [", "broken.yaml"),
    "an unknown key": (good_text() + "spoool: {}\n", "spoool"),
    "an unknown key deep inside": (good_text().replace("region: us-east-1", "regoin: us-east-1"), "regoin"),
    "a route to no stream": (good_text().replace("[{stream: projects}]", "[{stream: project}]"), "project"),
    "a size that is none": (good_text() + "memory_limit: lots\n", "memory_limit"),
    "a duration that is none": (good_text() + "drain_timeout: soon\n", "drain_timeout"),
    "too little memory": (good_text() + "memory_limit: 100MiB\n", "memory_limit"),
    "stored without a directory": (good_text() + "ack: stored\n", "directory"),
    "a port that is none": (good_text().replace('"127.0.0.1:', '"127.0.0.1:9'), "listen"),
    "a variable that is not set": (good_text().replace("name: projects", 'name: "${NO_SUCH_VARIABLE}"'), "NO_SUCH_VARIABLE"),
    "no sources": ("streams: {a: {name: a}}\nroutes: [{stream: a}]\n", "sources"),
    "a certificate that is missing": (
        good_text().replace('forward: {', 'forward: {tls: {cert: /nonexistent.crt, key: /nonexistent.key}, '), "nonexistent"),
    "a key file that is missing": (
        good_text().replace('forward: {', 'forward: {shared_key_file: /nonexistent, '), "nonexistent"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_configuration_is_exit_2_and_names_the_place(tmp_path, command, case):
    text, named = BROKEN[case]
    done = run_command(command, "--config", config_file(tmp_path, text))
    assert done.returncode == 2, done.stderr
    assert named in done.stderr + done.stdout
    assert "broken.yaml" in done.stderr + done.stdout


def test_check_says_every_problem_at_once_with_its_line(tmp_path):
    text = good_text().replace("region: us-east-1", "regoin: us-east-1") + "memory_limit: lots\n"
    done = run_command("check", "--config", config_file(tmp_path, text))
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "regoin" in said and "memory_limit" in said
    assert "broken.yaml:5" in said and "broken.yaml:7" in said


def test_check_of_a_good_file_is_exit_0(tmp_path):
    done = run_command("check", "--config", config_file(tmp_path, good_text()))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [
    ["run", "--no-such-flag"], ["no-such-command"], ["run", "--config"], ["run", "--config", "/nonexistent.yaml"],
    ["check", "--config", "/nonexistent.yaml"], ["tail"], [],
], ids=" ".join)
def test_wrong_usage_is_exit_2_with_a_word_on_stderr(arguments):
    done = run_command(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip() != ""


def test_version_names_what_it_is_made_of():
    done = run_command("version")
    assert done.returncode == 0
    assert "penstock" in done.stdout and "OpenSSL" in done.stdout and "GCC" in done.stdout.upper().replace("GNU", "GCC")


def test_help_is_exit_0_on_stdout():
    done = run_command("--help")
    assert done.returncode == 0 and "run" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("which", ["forward", "admin"])
def test_a_port_in_use_is_exit_1_and_named(kinesis, start_penstock, which):
    config = three_streams(kinesis.endpoint)
    port = forward_port(config) if which == "forward" else int(config["admin"]["listen"].rpartition(":")[2])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        penstock = start_penstock(config, ready=False)
        assert penstock.wait() == 1
    assert str(port) in penstock.log()


def test_a_second_process_on_the_same_spool_is_exit_1_and_names_the_first(kinesis, start_penstock, tmp_path):
    first = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    second = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"), ready=False)
    assert second.wait() == 1
    assert str(first.pid) in second.log()
    assert first.is_running


# --- starting


def test_it_listens_soon_and_is_small_and_quiet_when_idle(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    penstock = start_penstock(config, ready=False)

    def listens():
        try:
            socket.create_connection(("127.0.0.1", forward_port(config)), timeout=20).close()
            return True
        except OSError:
            return False
    wait_until(listens, "it listens")
    took = penstock.cpu_seconds()
    penstock.wait_ready()
    spent, since = penstock.cpu_seconds(), time.monotonic()
    if not is_sanitized():
        assert took < 0.5  # of a processor, which a busy machine cannot stretch; promised: 0.1 s
        assert penstock.memory_bytes() < 20 * 2**20
    with ForwardClient(forward_port(config)):
        time.sleep(1.5)  # doing nothing is what is measured
    if not is_sanitized():  # the scraper asks twenty times a second all the while
        assert penstock.cpu_seconds() - spent < 0.1 * (time.monotonic() - since) + 0.1


def test_ready_and_healthy_answer_and_unknown_paths_do_not(penstock):
    assert penstock.get("/healthz")[0] == 200
    assert penstock.get("/readyz")[0] == 200
    assert penstock.get("/nothing")[0] == 404
    status = penstock.status()
    assert {"sources", "routes", "streams"} <= set(status)


# --- reload


def test_a_changed_file_is_taken_up_on_a_hangup(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "x", [(1, {"id": 1})])
        penstock.reload({**config, "routes": [{"tag": "x", "stream": "audit"}, {"stream": "projects"}]})
        assert reloads(penstock)["ok"] >= 1
        client.send_acked(wire.forward, "x", [(1, {"id": 2})])
    assert kinesis.tally("projects", "id") == {"1": 1}
    assert kinesis.tally("audit", "id") == {"2": 1}


def test_a_changed_file_is_noticed_by_itself(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    penstock = start_penstock(config)
    penstock.write_config({**config, "routes": [{"stream": "audit"}]})
    wait_until(lambda: sum(reloads(penstock).values()) >= 1, "it is reloaded")
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "x", [(1, {"id": 2})])
    assert kinesis.tally("audit", "id") == {"2": 1}


def test_a_bad_file_changes_nothing_and_is_reported(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    penstock = start_penstock(config)
    good = reloads(penstock)
    penstock.config_file.write_text("routes: [{stream: nowhere}]\n")
    penstock.signal(signal.SIGHUP)
    results = wait_until(lambda: (now := reloads(penstock)) != good and now, "the reload is counted")
    assert not any("succ" in result or result == "ok" for result in results if results[result] > good.get(result, 0))
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "x", EVENTS)
    assert kinesis.stats()["accepted"]["projects"] == 20
    penstock.write_config(config)


def test_what_needs_a_restart_says_so_and_keeps_the_old(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    penstock = start_penstock(config)
    port = forward_port(config)
    changed = json.loads(json.dumps(config))
    changed["sources"][0]["forward"]["listen"] = f"127.0.0.1:{free_port()}"
    penstock.write_config(changed)
    penstock.signal(signal.SIGHUP)
    wait_until(lambda: "restart" in penstock.log(), "the log says that it needs a restart")
    with ForwardClient(port) as client:
        client.send_acked(wire.forward, "x", EVENTS)


# --- ending


def test_without_connections_it_is_not_ready_at_once_and_ends_after_five_seconds(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, drain_timeout="80s"))
    began = time.monotonic()
    penstock.signal(signal.SIGTERM)
    wait_until(lambda: penstock.get("/readyz")[0] == 503, "it is not ready")
    assert penstock.wait() == 0
    assert 4 < time.monotonic() - began < 35, "it waited half of drain_timeout for connections that never were"


def test_an_interrupt_and_a_second_term_skip_the_waits(kinesis, start_penstock):
    for first, second in [(signal.SIGINT, None), (signal.SIGTERM, signal.SIGTERM)]:
        penstock = start_penstock(three_streams(kinesis.endpoint, drain_timeout="120s"))
        with ForwardClient(forward_port(penstock.config)):  # its stay would be worth a minute to a patient drain
            penstock.wait_connections(1)
            began = time.monotonic()
            penstock.signal(first)
            if second is not None:
                wait_until(lambda: penstock.get("/readyz")[0] == 503, "the first one is seen")
                penstock.signal(second)
            assert penstock.wait(50) == 0
            assert time.monotonic() - began < 50


def test_a_second_term_does_not_wait_for_a_stream_that_is_paused(kinesis, start_penstock, tmp_path):
    kinesis.remove_stream("projects")
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool", drain_timeout="120s"))
    with ForwardClient(forward_port(penstock.config)) as client:
        client.send_acked(wire.forward, "t", [(1, {"n": 1, "log_type": "application"})])
    penstock.wait_metric("penstock_stream_paused", 1, stream="projects")
    began = time.monotonic()
    penstock.signal(signal.SIGTERM)
    wait_until(lambda: penstock.get("/readyz")[0] == 503, "the first one is seen")
    penstock.signal(signal.SIGTERM)
    assert penstock.wait(60) == 0
    assert time.monotonic() - began < 60
    assert "what is left is on disk" in penstock.log()


def test_new_connections_are_still_taken_for_five_seconds(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint))
    penstock.signal(signal.SIGTERM)
    wait_until(lambda: penstock.get("/readyz")[0] == 503, "it is not ready")
    with ForwardClient(forward_port(penstock.config)) as late:
        late.send_acked(wire.forward, "x", EVENTS)
    assert penstock.wait() == 0
    assert kinesis.stats()["accepted"]["projects"] == 20


def test_what_senders_write_while_it_drains_arrives(kinesis, start_penstock):
    """Senders without acks write on for as long as the connection stands; all of it was promised."""
    penstock = start_penstock(three_streams(kinesis.endpoint))  # drain_timeout 20 s: reads for at most 10
    client = ForwardClient(forward_port(penstock.config), timeout_s=30)
    client.send(wire.forward("x", [(1, {"id": "before"})]))
    penstock.wait_metric("penstock_events_received_total", 1)
    penstock.signal(signal.SIGTERM)
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 20:
        try:
            client.send(wire.forward("x", [(1, {"id": str(sent)})]))
        except OSError:
            break
        sent += 1
        if client.has_input(0.05):
            break  # half-closed by the server at a message boundary
    assert time.monotonic() - began > 7, "it reads for half of drain_timeout"
    client.close()
    assert penstock.wait() == 0
    tally = kinesis.tally("projects", "id")
    lost = [i for i in range(sent - 1) if str(i) not in tally]
    assert not lost, f"{len(lost)} of {sent} lost, first {lost[:5]}"
    assert max(tally.values()) == 1


def test_acks_of_what_was_received_are_still_given_when_it_drains(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint))
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with ForwardClient(forward_port(penstock.config), timeout_s=30) as client:
        client.send(wire.forward("x", EVENTS, {"chunk": "c"}))
        wait_until(lambda: kinesis.fault_applied(fault) >= 1, "it hangs")
        penstock.signal(signal.SIGINT)
        kinesis.remove_fault()
        kinesis.release()
        client.wait_ack("c")
    assert penstock.wait() == 0


def test_left_over_without_a_directory_is_exit_1(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, drain_timeout="4s"))
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with ForwardClient(forward_port(penstock.config)) as client:
        client.send(wire.forward("x", EVENTS))
        wait_until(lambda: kinesis.fault_applied(fault) >= 1, "it hangs")
        penstock.signal(signal.SIGINT)
        assert penstock.wait() == 1


def test_left_over_on_disk_is_exit_0_and_delivered_by_the_next_start(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", drain_timeout="4s")
    penstock = start_penstock(config)
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.packed_forward, "x", EVENTS)
        wait_until(lambda: kinesis.fault_applied(fault) >= 1, "it hangs")
        penstock.signal(signal.SIGINT)
        assert penstock.wait() == 0
    kinesis.remove_fault()
    kinesis.release()
    again = start_penstock(config)
    metrics = again.wait_settled(20)
    assert metrics.sum("penstock_events_received_total", source="recovered") == 20
    assert set(kinesis.tally("projects", "id")) == {str(i) for i in range(20)}


@pytest.mark.parametrize("turns", [5])
def test_killed_at_any_time_it_has_lost_nothing_that_was_acked(kinesis, start_penstock, tmp_path, turns):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    acked: list[str] = []
    for turn in range(turns):
        penstock = start_penstock(config)
        client = ForwardClient(forward_port(config))
        for i in range(30):
            event_id = f"{turn}-{i}"
            client.send(wire.packed_forward("x", [(1, {"id": event_id})], {"chunk": event_id}))
        for i in range(5 * (turn + 1)):
            acked.append(client.read_ack())
        penstock.kill()
        client.close()
    last = start_penstock(config)
    wait_until(lambda: last.metrics().pending == 0 and set(acked) <= set(kinesis.tally("projects", "id")),
               "everything that was acked is in Kinesis", 30)


# --- from the environment alone


FIXED_PORTS = (24224, 9880)


def environment_of(kinesis, certificates, tmp_path, **more) -> dict[str, str]:
    key = tmp_path / "shared_key"
    key.write_text("from-a-secret")
    return {**ACCESS_KEY, "LOGGINGNAMES": "projects operations audit", "KINESIS_STREAM_NAME": "p-stream o-stream a-stream",
            "KINESIS_REGION": "us-east-1", "FORWARD_FLUSH_INTERVAL": "1s", "BUFFER_SIZE_LIMIT": "1m",
            "SHARED_KEY_FILE": str(key), "TLS_CERT_FILE": str(certificates.server_cert),
            "TLS_KEY_FILE": str(certificates.server_key), "SPOOL_DIRECTORY": str(tmp_path / "spool"),
            "AWS_ENDPOINT_URL_KINESIS": kinesis.endpoint, **more}


@pytest.fixture
def fixed_ports():
    """The predecessor's ports are fixed by its deployment; on a machine where they are taken there is no test."""
    for port in FIXED_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                pytest.skip(f"port {port} is in use on this machine")


def test_the_predecessors_environment_is_enough(kinesis, start_penstock, certificates, tmp_path, fixed_ports):
    for name in ("p-stream", "o-stream", "a-stream"):
        kinesis.create_stream(name, 1)
    penstock = start_penstock(None, environment=environment_of(kinesis, certificates, tmp_path), admin_port=9880)
    context = ssl.create_default_context(cafile=certificates.ca)
    with ForwardClient(24224, tls=context, shared_key="from-a-secret") as client:
        client.send_acked(wire.forward, "k8s-audit.log", EVENTS[:3])
        client.send_acked(wire.forward, "journal.system", EVENTS[:5])
        client.send_acked(wire.forward, "anything", EVENTS[:7])
    penstock.wait_settled(15)
    accepted = kinesis.stats()["accepted"]
    assert (accepted["a-stream"], accepted["o-stream"], accepted["p-stream"]) == (3, 5, 7)
    assert penstock.stop_quickly() == 0


def test_a_type_that_is_not_listed_is_dropped_as_not_selected(kinesis, start_penstock, certificates, tmp_path, fixed_ports):
    environment = environment_of(kinesis, certificates, tmp_path, LOGGINGNAMES="audit operations",
                                 KINESIS_STREAM_NAME="audit operations")
    penstock = start_penstock(None, environment=environment, admin_port=9880)
    context = ssl.create_default_context(cafile=certificates.ca)
    with ForwardClient(24224, tls=context, shared_key="from-a-secret") as client:
        client.send_acked(wire.forward, "k8s-audit.log", EVENTS[:3])
        client.send_acked(wire.forward, "anything", EVENTS[:7])
    metrics = penstock.wait_settled(10)
    assert metrics.sum("penstock_events_dropped_total", reason="not_selected") == 7
    assert metrics.delivered == 3


def test_what_is_only_a_warning_is_not_logged_as_an_error(tmp_path):
    file = tmp_path / "penstock.yaml"
    file.write_text("sources: [{forward: {}}]\nstreams: {a: {name: a, region: us-east-1, sharding: 1}}\n")
    done = run_command("run", "--config", file)
    assert done.returncode == 2
    level_of = {line.split("level=")[1].split()[0]: line for line in done.stderr.splitlines()}
    assert "unknown key" in level_of["error"]
    assert "dead_letters" in level_of["warn"], done.stderr


@pytest.mark.parametrize("names, streams", [("projects audit", "one"), ("projects", "one two"), ("projects wrong", "a b")])
def test_lists_that_do_not_pair_are_exit_2(kinesis, certificates, tmp_path, names, streams):
    environment = environment_of(kinesis, certificates, tmp_path, LOGGINGNAMES=names, KINESIS_STREAM_NAME=streams)
    done = run_command("run", environment=environment)
    assert done.returncode == 2
    assert "LOGGINGNAMES" in done.stderr
