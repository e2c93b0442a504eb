"""The chart's README, made from values.yaml: the comments there, the types of values.schema.json, the defaults."""

import json
import re

INTRODUCTION = """\
# penstock

Receives logs from OpenShift's collectors (Fluentd Forward, HTTP, OTLP, syslog), stores them durably, and delivers them to AWS
Kinesis Data Streams. `doc/openshift.md` describes every step from an empty AWS account to records in the streams; `doc/gitops.md` shows
Argo CD, Flux and Kustomize; `doc/config.md` documents everything under `config`.

```sh
helm install logs deploy/helm/penstock --namespace openshift-logging --set aws.region=us-east-1,config.streams.all.name=my-stream
helm test logs --namespace openshift-logging     # sends one event and waits until it is delivered
```

A ClusterLogForwarder in the same namespace must not have the name of the release's objects: the logging operator creates a
Service, a ConfigMap and other objects named after each ClusterLogForwarder, and overwrites existing ones.

## Values

This table is generated from `values.yaml` (see CONTRIBUTING.md).

| value | type | default | |
| --- | --- | --- | --- |
"""


def entries(text):
    """(path, default as written, comment) of every leaf of values.yaml, in order."""
    path, above, found = [], [], []
    for line in text.splitlines():
        comment = re.match(r"^\s*# ?(.*)$", line)
        if comment or not line.strip():
            above = above + [comment.group(1)] if comment else []
            continue
        indent, key, rest = re.match(r"^( *)([\w.-]+): *(.*)$", line).groups()
        value, _, beside = re.match(r"^((?:[^#\"]|\"[^\"]*\"|(?<! )#)*?)\s*(#\s*(.*))?$", rest).groups()
        said = " ".join(part for part in (*above, beside) if part and not part.startswith("----"))
        above = []
        del path[len(indent) // 2 :]
        path.append(key)
        if found and not found[-1][1] and ".".join(path[:-1]) == found[-1][0]:
            parent = found.pop()
            if parent[2]:
                found.append((parent[0], None, parent[2]))
        found.append((".".join(path), value, said))
    return found


def type_of(schema, path):
    for name in path.split("."):
        schema = schema.get("properties", {}).get(name, {})
    kind = schema.get("type", "")
    return ", ".join(str(v) or '""' for v in schema["enum"]) if "enum" in schema else "/".join([kind] if isinstance(kind, str) else kind)


def readme(chart):
    schema = json.loads((chart / "values.schema.json").read_text())
    rows = []
    for path, default, said in entries((chart / "values.yaml").read_text()):
        text = said.replace("|", "\\|").replace("<", "&lt;")
        shown = "" if default is None else f"`{default}`"
        rows.append(f"| `{path}` | {'' if default is None else type_of(schema, path)} | {shown} | {text} |")
    return INTRODUCTION + "\n".join(rows) + "\n"
