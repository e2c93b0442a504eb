"""Every alert of the chart, by promtool: it fires on its fault, and not sooner than said; its near miss is quiet."""

import re
from dataclasses import dataclass, field

import yaml

from harness.alerts import CHART, alert_groups, alert_names, promtool

POD = 'namespace="logging",pod="penstock-0"'
STREAM = POD + ',stream="projects"'
MIB = 1 << 20
CLAIM = 'kube_persistentvolumeclaim_info{namespace="logging",persistentvolumeclaim="spool-penstock-0"}'


@dataclass
class Case:
    alert: str
    fault: dict[str, str]      # series: values, one a minute
    fires_after: int           # minutes from the start
    near_miss: dict[str, str]  # never fires, looked at every 5 minutes for two hours
    firing: int = 1            # how many
    near_miss_is: str = ""
    rules: dict = field(default_factory=dict)


def pending(values: str) -> dict[str, str]:
    return {f"penstock_events_pending{{{STREAM}}}": values}


def spool(bytes_: str) -> dict[str, str]:
    # 178 of 537 MB are one stream's share: the pod's sum says nothing.
    return {f"penstock_spool_bytes{{{STREAM}}}": bytes_,
            f"penstock_spool_max_bytes{{{STREAM}}}": f"{178 * MIB}+0x200",
            f'penstock_spool_bytes{{{POD},stream="audit"}}': "0+0x200",
            f'penstock_spool_max_bytes{{{POD},stream="audit"}}': f"{359 * MIB}+0x200"}


def throttles(throttled: str, age: str) -> dict[str, str]:
    return {f'penstock_shard_throttled_total{{{STREAM},shard="shardId-000000000000"}}': throttled,
            f"penstock_put_records_total{{{STREAM},result=\"accepted\"}}": "0+100000x200",
            f"penstock_oldest_pending_seconds{{{STREAM}}}": age}


def received(values: str) -> dict[str, str]:
    return {f'penstock_events_received_total{{{POD},source="forward"}}': values,
            f'penstock_events_received_total{{{POD},source="recovered"}}': "0+100x300"}


def dead(values: str, reason: str = "refused", ordered: int = 0) -> dict[str, str]:
    return {f'penstock_events_dead_lettered_total{{{STREAM},reason="{reason}"}}': values,
            f"penstock_stream_ordered{{{STREAM}}}": f"{ordered}+0x200"}


def volume(free: int, spool: int) -> dict[str, str]:
    """Of 100: free, and in the spool, which may have 78, as the dead letters may have 5."""
    values = {"volume_free_bytes": free, "volume_bytes": 100, "dead_letter_bytes": 0, "dead_letter_max_bytes": 5}
    series = {f"penstock_{name}{{{POD}}}": value for name, value in values.items()}
    series |= {f"penstock_spool_bytes{{{STREAM}}}": spool, f"penstock_spool_max_bytes{{{STREAM}}}": 78}
    return {name: f"{value}+0x120" for name, value in series.items()}


CASES = [
    Case("PenstockNotDelivering",
         {**pending("5+10x60"), f"penstock_events_delivered_total{{{STREAM}}}": "100+0x60"}, 10,
         {**pending("5+10x120"), f"penstock_events_delivered_total{{{STREAM}}}": "100+1x120"},
         near_miss_is="a trickle is delivered"),
    Case("PenstockBacklogOld", {f"penstock_oldest_pending_seconds{{{STREAM}}}": "1000+60x60"}, 5,
         {f"penstock_oldest_pending_seconds{{{STREAM}}}": "899+0x120"}, near_miss_is="14 min 59 s"),
    # 0.6 MiB a minute: from a quarter of the share (44.5 MiB at minute 75) full within 4 h.
    Case("PenstockSpoolFillsUp", spool(f"0+{int(0.6 * MIB)}x200"), 80, spool(f"0+{int(0.3 * MIB)}x200"),
         near_miss_is="full in more than four hours"),
    Case("PenstockSpoolFillsUp", spool(f"{170 * MIB}+0x200"), 5, spool(f"{150 * MIB}+0x200"),
         near_miss_is="much, and no more"),
    Case("PenstockSpoolFillsUp", {f'penstock_backpressure{{{STREAM},cause="disk"}}': "1+0x60"}, 5,
         {f'penstock_backpressure{{{STREAM},cause="spool"}}': "1 1 1 0 1 1 1 0" + " 1 1 1 0" * 20},
         near_miss_is="senders wait now and then"),
    Case("PenstockSendersWillDrop",
         {f"penstock_ready{{{POD}}}": "0+0x60", 'penstock_ready{namespace="logging",pod="penstock-1"}': "1+0x60"}, 20,
         {f"penstock_ready{{{POD}}}": "0+0x15 1 0+0x15 1 0+0x15 1 0+0x15 1"}, near_miss_is="19 minutes"),
    Case("PenstockSendersWillDrop",
         {'kube_pod_status_ready{namespace="logging",pod="penstock-1",condition="true"}': "0+0x60"}, 20,
         {'kube_pod_status_ready{namespace="logging",pod="other-1",condition="true"}': "0+0x60"},
         near_miss_is="a pod of somebody else"),
    Case("PenstockSendersWillDrop",
         {'kube_statefulset_status_replicas_ready{namespace="logging",statefulset="penstock"}': "0+0x60",
          'kube_statefulset_replicas{namespace="logging",statefulset="penstock"}': "2+0x60"}, 20,
         {'kube_statefulset_status_replicas_ready{namespace="logging",statefulset="penstock"}': "0+0x60",
          'kube_statefulset_replicas{namespace="logging",statefulset="penstock"}': "0+0x60"},
         near_miss_is="scaled to nothing on purpose"),
    # 15 of 100,000 records a minute: 0.015 %, and ever later.
    Case("PenstockThrottled", throttles("0+15x60", "0+46x60"), 11, throttles("0+15000x120", "5+0x120"),
         near_miss_is="15 % throttled, and nothing is late"),
    Case("PenstockThrottled",
         {f"penstock_shards_paced{{{STREAM}}}": "1+0x60", f"penstock_oldest_pending_seconds{{{STREAM}}}": "46+0x60"},
          10,
         throttles("0+0x120", "46+0x120"), near_miss_is="late for another reason"),
    Case("PenstockNoEvents", received("0+1000x60 60000+0x60"), 75,
         received("0+0x60 1000+0x9 1001+0x9 1002+0x9 1003+0x9 1004+0x9 1005+0x9 1006+0x9 1007+0x9"),
         near_miss_is="few events, and nothing at all before"),
    Case("PenstockDeadLetters", dead("0+0x20 2+0x40"), 21, dead("2+0x200"), near_miss_is="old ones"),
    # The pod starts with them: the series is born with its first value.
    Case("PenstockDeadLetters", dead("_x20 2+0x40"), 20, dead("0+0x120"), near_miss_is="none"),
    Case("PenstockDeadLettersFillUp",
         {f"penstock_dead_letter_bytes{{{POD}}}": "850+0x60",
          f"penstock_dead_letter_max_bytes{{{POD}}}": "1000+0x60"}, 5,
         {f"penstock_dead_letter_bytes{{{POD}}}": "800+0x120",
          f"penstock_dead_letter_max_bytes{{{POD}}}": "1000+0x120"},
         near_miss_is="80 %"),
    Case("PenstockOrderLost", dead("0+0x20 1+0x40", ordered=1), 21, dead("0+0x20 1+0x100", ordered=0),
         near_miss_is="a stream without order"),
    Case("PenstockKeysIgnored", {f"penstock_keys_ignored{{{STREAM}}}": "0+0x20 1+0x40"}, 22,
         {f"penstock_keys_ignored{{{STREAM}}}": "0+0x120"}, near_miss_is="keys count"),
    Case("PenstockEventsDropped", {f'penstock_events_dropped_total{{{POD},reason="spool_full"}}': "0+0x20 500+0x40"},
         21,
         {f'penstock_events_dropped_total{{{POD},reason="own_logs"}}': "0+500x120"}, near_miss_is="dropped on purpose"),
    Case("PenstockEventsDropped", {f'penstock_events_dropped_total{{{POD},reason="refused"}}': "_x20 3+0x40"}, 20,
         {f'penstock_events_dropped_total{{{POD},reason="spool_full"}}': "7+0x120"}, near_miss_is="long ago"),
    Case("PenstockRetainedVolume",
         {f"penstock_events_pending{{{STREAM}}}": "7+0x3",
          CLAIM: "1+0x60"}, 10,
         {f"penstock_events_pending{{{STREAM}}}": "7 3 0",
          CLAIM: "1+0x120"},
         near_miss_is="it left with nothing pending"),
    Case("PenstockVolumeFills", volume(free=7, spool=60), 10, volume(free=15, spool=60),
         near_miss_is="as much as the chart leaves free"),
    Case("PenstockVolumeFills", volume(free=7, spool=75), 10, volume(free=7, spool=76),
         near_miss_is="no more than that will be written"),
    Case("PenstockCertificateExpires",
         {f'penstock_certificate_expiry_seconds{{{POD},name="forward"}}': "604799-60x60"}, 10,
         {f'penstock_certificate_expiry_seconds{{{POD},name="forward"}}': "618000-60x120"},
          near_miss_is="a week and more"),
    # One of the service CA is renewed an hour before it expires.
    Case("PenstockCertificateExpires",
         {f'penstock_certificate_expiry_seconds{{{POD},name="forward"}}': "7200-60x120"}, 101,
         {f'penstock_certificate_expiry_seconds{{{POD},name="forward"}}': "7200-60x62 63072000-60x60"},
         near_miss_is="renewed 58 minutes before", rules={"certificate_seconds": 1800}),
    Case("PenstockCredentialsExpire", {f"penstock_credentials_expiry_seconds{{{POD}}}": "3600-60x60"}, 55,
         {f"penstock_credentials_expiry_seconds{{{POD}}}": "900-60x7 900-60x7 900-60x7 900-60x7"},
         near_miss_is="sessions of 15 minutes, renewed at half their life"),
    Case("PenstockSendersRefused",
         {f'penstock_auth_failures_total{{{POD},source="forward",reason="bad_key"}}': "0+0x10 1+1x60"}, 26,
         {f'penstock_auth_failures_total{{{POD},source="forward",reason="bad_key"}}': "0+0x10 5+0x100"},
         near_miss_is="somebody mistyped"),
    Case("PenstockSendersRefused",
         {f'penstock_messages_refused_total{{{POD},source="forward",reason="tls_handshake"}}': "0+1x60"}, 16,
         {f'penstock_messages_refused_total{{{POD},source="forward",reason="truncated"}}': "0+1x120"},
         near_miss_is="connections that broke"),
    Case("PenstockDown", {"up": "1+0x60"}, 10,
         {f'penstock_build_info{{{POD},version="1"}}': "1 _ _ _ _ _ _ 1" + " 1 _ _ _ _ _ _ 1" * 14},
         near_miss_is="scrapes that fail for some minutes"),
    Case("PenstockMemoryHigh",
         {f'penstock_backpressure{{{POD},cause="memory"}}': "0+0x5 0 1 1 0 1 1 0 1 1 0 1 1 0 1 1 0 1 1 0 1 1 0 1"},
         22,
         {f'penstock_backpressure{{{POD},cause="memory"}}': "0+0x5 1+0x5 0+0x50"}, near_miss_is="a burst"),
    Case("PenstockMemoryHigh",
         {f"penstock_memory_bytes{{{POD}}}": "96+0x60", f"penstock_memory_limit_bytes{{{POD}}}": "100+0x60"}, 15,
         {f"penstock_memory_bytes{{{POD}}}": "94+0x120", f"penstock_memory_limit_bytes{{{POD}}}": "100+0x120"},
         near_miss_is="94 %"),
    Case("PenstockReloadFailed", {f'penstock_config_reloads_total{{{POD},result="failed"}}': "0+0x20 1+0x40"}, 21,
         {f'penstock_config_reloads_total{{{POD},result="ok"}}': "0+1x120"}, near_miss_is="reloads that succeed"),
]


Looks = list[tuple[int, int]]  # minute, and how many fire then


def tried(tmp_path, tests: list[tuple[Case, dict[str, str], Looks]]) -> str:
    """What failed. One promtool for all, and each case with its own rule alone: so it takes seconds."""
    files = []
    for number, (case, series, looks) in enumerate(tests):
        rules = [rule for group in alert_groups(**case.rules)["groups"] for rule in group["rules"]
                 if rule["alert"] == case.alert]
        name = f"{number}-{case.alert}-{case.near_miss_is.replace(' ', '-')}"
        (tmp_path / f"rules-{name}.yaml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": rules}]},
         width=1000))
        firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump({
            "rule_files": [f"rules-{name}.yaml"], "evaluation_interval": "1m",
            "tests": [{"interval": "1m",
                       "input_series": [{"series": one, "values": values} for one, values in series.items()],
                       "promql_expr_test": [
                           {"expr": firing, "eval_time": f"{minute}m",
                            "exp_samples": [{"labels": "{}", "value": count}] if count else []}
                           for minute, count in looks]}]}, width=1000))
    done = promtool("test", "rules", *files)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_each_fires_on_its_fault_and_not_before(tmp_path):
    assert tried(tmp_path, [
        (case, case.fault, [(case.fires_after - 1, 0), (case.fires_after, case.firing)]) for case in CASES]) == ""


def test_each_is_quiet_on_its_near_miss(tmp_path):
    # What was there before the first scrape counts as new for 15 minutes.
    assert tried(tmp_path, [
        (case, case.near_miss, [(minute, 0) for minute in range(
            16 if case.alert in ("PenstockDeadLetters", "PenstockEventsDropped") else 1, 120, 5)])
        for case in CASES]) == ""


def test_every_rule_has_a_case_and_is_well_formed(tmp_path):
    assert {case.alert for case in CASES} == set(alert_names())
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(alert_groups()))
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_name_metrics_that_exist():
    reference = (CHART.parents[2] / "doc" / "metrics.md").read_text()
    text = (CHART / "alerts" / "penstock.yaml").read_text()
    for metric in set(re.findall(r"penstock_[a-z_]+", text)):
        assert f"`{metric}`" in reference, metric
