"""Every key of the configuration that a reload may change, and a change of each: a walk through configurations.

The keys are those of doc/config.md, which is generated from the schema. A new key of a plain type (a switch, a
choice, a number, a size, a duration) is changed without another word; one of another type fails the test until it has
values here.
"""

import copy
import random
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from .daemon import Penstock, run_command
from .ports import free_port

REFERENCE = Path(__file__).resolve().parents[2] / "doc/config.md"
CONTAINERS = {"section", "list of sections", "list of forward, http, syslog"}  # their parts are keys of their own
NO_RELOAD = "A change needs a restart."
SERVICE_ACCOUNT = "logging/collector"
STREAMS = ("projects", "operations", "audit")
TARGETS = ("projects", "operations", "audit", "other-1", "other-2")


@dataclass(frozen=True)
class Key:
    section: str  # "", "sources[].forward", "streams.KEY"
    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}".lstrip(".")


def reloadable_keys() -> list[Key]:
    keys, section = [], None
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("## "):
            found = re.fullmatch(r"## (?:(Top level)|`([^`]+)`)", line)
            section = None if found is None else "" if found[1] else found[2]
        row = re.fullmatch(r"\| `([^`]+)` \| (.*?) \| .*? \| (.*) \|", line)
        if row and section is not None and row[2] not in CONTAINERS and NO_RELOAD not in row[3]:
            keys.append(Key(section, row[1], row[2]))
    assert len(keys) > 60, "doc/config.md is not read right"
    return keys


class World:
    """The files and services that values name."""

    def __init__(self, directory: Path, kinesis, certificates, services: dict[str, str]):
        self.kinesis, self.certificates, self.directory = kinesis, certificates, directory
        self.pairs = [(certificates.server_cert, certificates.server_key), certificates.issue("server-2")]
        self.secrets = []
        for name in ("one", "two"):
            path = directory / f"secret-{name}"
            path.write_text(f"secret {name}\n".replace(" ", "-"))
            self.secrets.append(str(path))
        profiles = directory / "aws"
        profiles.mkdir()
        (profiles / "credentials").write_text("".join(
            f"[{name}]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"
            for name in ("default", "other")))
        self.environment = {**services, "AWS_SHARED_CREDENTIALS_FILE": str(profiles / "credentials")}
        for target in TARGETS[3:]:
            kinesis.create_stream(target, 2)
        kinesis.set_server(regions=["us-east-1", "eu-west-1"])

    def check(self, config: dict) -> str:
        """What penstock says against it; empty: nothing."""
        path = self.directory / "candidate.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        done = run_command("check", "--config", path, environment=self.environment)
        return "" if done.returncode == 0 else done.stdout + done.stderr


def put(section: dict, name: str, value) -> None:
    """None takes the key away, and with it a group that is empty then."""
    *groups, last = name.split(".")
    if value is None:
        at, path = section, []
        for group in groups:
            path.append((at, group))
            at = at.get(group) or {}
        at.pop(last, None)
        for above, group in reversed(path):
            if group in above and not above[group]:
                del above[group]
        return
    for group in groups:
        section = section.setdefault(group, {})
    section[last] = value


class Walk:
    """Draws a key, changes it, and asks penstock whether it may be so."""

    def __init__(self, base: dict, world: World, seed: int):
        self._base, self._world, self._random = base, world, random.Random(seed)
        self.config = copy.deepcopy(base)
        self._keys = reloadable_keys()
        self._left: list[Key] = []
        self.changed: set[Key] = set()

    def step(self) -> Key:
        """Each key has its turn before one has its second."""
        if not self._left:
            self._left = self._random.sample(self._keys, len(self._keys))
        key = self._left.pop()
        complaints: list[str] = []
        for start in (self.config, self._base):  # from the base where it does not go with the rest
            for _ in range(64):  # a draw of two values is often the one that there is
                config = copy.deepcopy(start)
                self._change(config, key)
                if config == self.config:
                    continue
                complaint = self._world.check(config)
                if not complaint:
                    self.config = config
                    self.changed.add(key)
                    return key
                complaints.append(complaint)
                if len(complaints) % 4 == 0:
                    break
        raise AssertionError(f"no change of {key} is right: {complaints[-1:] or 'it makes no difference'}")

    @property
    def keys(self) -> list[Key]:
        return self._keys

    def _change(self, config: dict, key: Key) -> None:
        if key.section.startswith("sources[]."):
            kind = key.section.rpartition(".")[2]
            section = next(source[kind] for source in config["sources"] if kind in source)
        elif key.section == "streams.KEY":
            section = config["streams"][self._random.choice(sorted(config["streams"]))]
        elif key.name.startswith("admin.secure."):  # has the same sections as a source
            section = config["admin"]["secure"]
            key = Key("admin.secure", key.name.removeprefix("admin.secure."), key.type)
        else:
            section = config
        special = SPECIAL.get(str(key)) or SPECIAL.get(key.name)
        if special is not None:
            return special(section, self._world, self._random)
        put(section, key.name, self._random.choice(self._values(key)))

    def _values(self, key: Key) -> list:
        values = VALUES.get(str(key)) or VALUES.get(key.name) or PLAIN.get(key.type)
        if values is None and re.fullmatch(r"[\w.]+(, [\w.]+)+", key.type):
            values = [None, *key.type.split(", ")]
        assert values is not None, f"give values of {key} ({key.type}) in tests/harness/reloads.py"
        return values(self._world) if callable(values) else values


PLAIN = {"true or false": [None, True, False], "number": [None, 100, 200], "size": [None, "1MiB", "2MiB"],
         "duration": [None, "1s", "20s"]}

VALUES = {
    "spool.max_size": ["512MiB", "768MiB", "1GiB"], "dead_letters.max_size": [None, "256MiB", "512MiB"],
    "dedup.window": ["10m", "30m", "1h"],
    "max_message": [None, "16MiB", "32MiB"], "max_body": [None, "16MiB", "32MiB"],
    "max_connection_age": [None, "200ms", "1s"],
    "tls.min_version": ["1.2", "1.3"],
    "tls.ciphers": [None, ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"], "ECDHE-ECDSA-AES256-GCM-SHA384"],
    "aws.profile": [None, "other"], "aws.ca_bundle": lambda world: [None, str(world.certificates.ca)],
    "streams.KEY.region": ["us-east-1", "eu-west-1"],
    "streams.KEY.endpoint": lambda world: [world.kinesis.endpoint, world.kinesis.endpoint.replace("127.0.0.1", "localhost")],
    "streams.KEY.aggregation": ["none", "kpl", "lines"],
    "streams.KEY.partition_key": [None, "tag", "field:group"],
    "streams.KEY.data_key": [None, "text"],
    "streams.KEY.max_record": [None, "64KiB", "512KiB"],
    "streams.KEY.flush.interval": [None, "100ms", "500ms"], "streams.KEY.flush.size": [None, "64KiB", "1MiB"],
    "streams.KEY.inject.time": [None, "@time"], "streams.KEY.inject.tag": [None, "@tag", "tag"],
    "streams.KEY.inject.id": [None, "@id"], "streams.KEY.inject.time_format": [None, "unix", "%Y-%m-%dT%H:%M:%S.%L"],
    "streams.KEY.inject.fields": [None, {"cluster": "a"}, {"cluster": "b", "site": "c"}],
    "streams.KEY.readers": [None, ["own"], ["own", "kcl"]],
    "streams.KEY.max_size": [None, "64MiB", "96MiB"],
}


def tls(choose):
    def change(section: dict, world: World, draw: random.Random) -> None:
        pair = draw.choice(world.pairs)
        options = section.setdefault("tls", {})
        options["cert"], options["key"] = map(str, pair)
        choose(section, options, world, draw)
    return change


def maybe_without(section: dict, _options: dict, _world: World, draw: random.Random) -> None:
    if draw.random() < 0.5:
        del section["tls"]


def client_ca(_section: dict, options: dict, world: World, draw: random.Random) -> None:
    options["client_ca"] = str(world.certificates.ca)
    if draw.random() < 0.3:
        del options["client_ca"]


def tls_value(name: str):
    return tls(lambda _section, options, _world, draw: put(options, name, draw.choice(VALUES[f"tls.{name}"])))


def shared_keys(section: dict, world: World, draw: random.Random) -> None:
    section.pop("shared_key_file", None)
    section["shared_key_files"] = draw.sample(world.secrets, draw.choice([1, 2]))


def shared_key(section: dict, world: World, draw: random.Random) -> None:
    section.pop("shared_key_files", None)
    put(section, "shared_key_file", draw.choice([None, *world.secrets]))
    if "shared_key_file" not in section:
        section.pop("users", None)


def users(place: str):
    def change(section: dict, world: World, draw: random.Random) -> None:
        if place == "users" and "shared_key_files" not in section:
            section["shared_key_file"] = world.secrets[0]
        put(section, place, draw.choice([None, *[[{"name": name, "password_file": path}]
                                                 for name in ("alice", "bob") for path in world.secrets]]))
    return change


def target(kind: str):
    def change(section: dict, _world: World, draw: random.Random) -> None:
        name = draw.choice(TARGETS)
        for other in ("name", "arn", "firehose"):
            section.pop(other, None)
        region = section.get("region", "us-east-1")
        section[kind] = f"arn:aws:kinesis:{region}:123456789012:stream/{name}" if kind == "arn" else name
    return change


def region(section: dict, _world: World, draw: random.Random) -> None:
    section["region"] = draw.choice(["us-east-1", "eu-west-1"])
    if "arn" in section:
        section["name"] = section.pop("arn").rpartition("/")[2]


def routes(config: dict, first: dict) -> None:
    config["routes"] = [first, *({"log_type": kind, "stream": stream} for kind, stream in
                                 (("audit", "audit"), ("infrastructure", "operations"))), {"stream": "projects"}]


def route(condition: dict):
    def change(config: dict, _world: World, draw: random.Random) -> None:
        key, values = next(iter(condition.items()))
        routes(config, {key: draw.choice(values), "stream": draw.choice(sorted(config["streams"]))})
    return change


def route_stream(config: dict, _world: World, draw: random.Random) -> None:
    config["routes"][-1]["stream"] = draw.choice(sorted(config["streams"]))


def streams(config: dict, world: World, draw: random.Random) -> None:
    """One more stream, or one fewer."""
    if "extra" in config["streams"]:
        del config["streams"]["extra"]
        routes(config, {"tag": "app.none", "stream": "audit"})
    else:
        config["streams"]["extra"] = {"name": draw.choice(TARGETS), "region": "us-east-1", "endpoint": world.kinesis.endpoint}
        routes(config, {"tag": "app.**", "stream": "extra"})


def roles(place: str, part: str):
    def change(section: dict, _world: World, draw: random.Random) -> None:
        role = {"role_arn": "arn:aws:iam::123456789012:role/logs"}
        if part != "role_arn":
            role[part] = draw.choice(["first", "second"])
        put(section, place, draw.choice([[role], [{**role, "role_arn": role["role_arn"] + "-2"}], None]))
    return change


SPECIAL = {
    # admin.secure is never without.
    **{f"admin.secure.tls.{part}": tls(lambda *_: None) for part in ("cert", "key")},
    "tls.cert": tls(maybe_without), "tls.key": tls(maybe_without), "tls.client_ca": tls(client_ca),
    "tls.min_version": tls_value("min_version"), "tls.ciphers": tls_value("ciphers"),
    "shared_key_file": shared_key, "shared_key_files": shared_keys,
    "users[].name": users("users"), "users[].password_file": users("users"),
    "auth.basic[].name": users("auth.basic"), "auth.basic[].password_file": users("auth.basic"),
    "auth.bearer_token_files": lambda section, world, draw:
        put(section, "auth.bearer_token_files", draw.choice([None, world.secrets[:1], world.secrets[1:], world.secrets])),
    "auth.service_accounts": lambda section, _world, draw:
        put(section, "auth.service_accounts", draw.choice([None, [SERVICE_ACCOUNT], [SERVICE_ACCOUNT, "default/x"]])),
    "streams": streams, "streams.KEY.region": region,
    "streams.KEY.name": target("name"), "streams.KEY.arn": target("arn"), "streams.KEY.firehose": target("firehose"),
    "routes[].source": route({"source": ["forward", "http", "syslog"]}),
    "routes[].tag": route({"tag": ["app.**", "app.x", "{k8s-audit,journal}.**"]}),
    "routes[].log_type": route({"log_type": ["audit", "infrastructure", "application", "projects"]}),
    "routes[].where": route({"where": [{"group": "g1"}, {"group": "g*"}, {"group": "none"}]}),
    "routes[].stream": route_stream,
    **{f"{section}aws.assume_role[].{part}": roles("aws.assume_role", part)
       for section in ("", "streams.KEY.") for part in ("role_arn", "external_id", "session_name")},
}


def base_config(config: dict, world: World, spool: Path) -> dict:
    """Of harness.daemon.three_streams(): everything that the walk needs to stand on."""
    config["spool"] = {"directory": str(spool), "max_size": "512MiB"}
    config["admin"]["secure"] = {"listen": f"127.0.0.1:{free_port()}", "auth": {"bearer_token_files": world.secrets[:1]},
                                 "tls": dict(zip(("cert", "key"), map(str, world.pairs[0])))}
    for options in config["streams"].values():
        options |= {"region": "us-east-1", "endpoint": world.kinesis.endpoint, "flush": {"interval": "200ms"}}
    return config


def apply(penstock: Penstock, config: dict) -> None:
    """Returns when it is in force."""
    penstock.reload(config, deadline_s=60)
    failed = penstock.metrics().sum("penstock_config_reloads_total", result="failed")
    assert failed == 0, f"a reload failed: {penstock.status()['process']['reload_error']}"
