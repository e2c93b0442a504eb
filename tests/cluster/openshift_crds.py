"""The OpenShift kinds that the scripts deal with, as small structural schemas.

Only what tells the releases apart is spelt out: which outputs exist, and which optional fields. The rest of
.spec is preserved as it comes. Names follow the operator's own API types.

With `tests/cluster/run --crds DIR` the operator's published definitions (RELEASE-PLURAL.yaml) are used instead.
"""

import os
import pathlib

import yaml

FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STRINGS = {"type": "array", "items": {"type": "string"}}


def crd(group, version, plural, kind, spec):
    schema = {"type": "object", "properties": {"spec": spec, "status": FREE}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def named(properties, required):
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", *required],
            "properties": {"name": {"type": "string", "pattern": "^[a-z][a-z0-9-]*[a-z0-9]$"}, **properties},
        },
    }


SECRET = {"type": "object", "properties": {"name": {"type": "string"}}}

CLUSTER_LOGGING = crd("logging.openshift.io", "v1", "clusterloggings", "ClusterLogging", FREE)

LOG_FORWARDING = crd(
    "logging.openshift.io",
    "v1alpha1",
    "logforwardings",
    "LogForwarding",
    {
        "type": "object",
        "properties": {
            "disableDefaultForwarding": {"type": "boolean"},
            "outputs": named(
                {
                    "type": {"type": "string", "enum": ["elasticsearch", "forward", "syslog"]},
                    "endpoint": {"type": "string"},
                    "secret": SECRET,
                },
                ["type", "endpoint"],
            ),
            "pipelines": named(
                {
                    "inputSource": {"type": "string", "enum": ["logs.app", "logs.infra", "logs.audit"]},
                    "outputRefs": STRINGS,
                },
                ["inputSource", "outputRefs"],
            ),
        },
    },
)


def forwarder_v1(release):
    """ClusterLogForwarder logging.openshift.io/v1 as of OpenShift Logging `release`, e.g. (5, 7)."""
    types = ["syslog", "fluentdForward", "elasticsearch", "kafka"]
    output = {
        "url": {"type": "string", "pattern": "^$|[a-zA-z]+:\\/\\/.*"},
        "secret": SECRET,
        "syslog": FREE,
        "kafka": FREE,
    }
    spec = {"inputs": {"type": "array", "items": FREE}}
    if release >= (5, 5):
        output["tls"] = FREE
    if release >= (5, 7):
        types.append("http")
        output["http"] = {
            "type": "object",
            "properties": {
                "method": {
                    "type": "string",
                    "enum": ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"],
                },
                "headers": FREE,
                "timeout": {"type": "integer"},
            },
        }
    if release >= (5, 8):
        spec["serviceAccountName"] = {"type": "string"}
    if release >= (5, 9):
        output["tuning"] = {
            "type": "object",
            "properties": {
                "delivery": {"type": "string", "enum": ["AtLeastOnce", "AtMostOnce"]},
                "compression": {"type": "string", "enum": ["none", "gzip", "snappy", "zlib", "zstd"]},
                "maxWrite": {"x-kubernetes-int-or-string": True},
            },
        }
    spec["outputs"] = named({"type": {"type": "string", "enum": types}, **output}, ["type"])
    spec["pipelines"] = {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["inputRefs", "outputRefs"],
            "properties": {
                "name": {"type": "string"},
                "inputRefs": STRINGS,
                "outputRefs": STRINGS,
                "labels": FREE,
                "parse": {"type": "string"},
            },
        },
    }
    return crd(
        "logging.openshift.io",
        "v1",
        "clusterlogforwarders",
        "ClusterLogForwarder",
        {"type": "object", "properties": spec},
    )


def forwarder_observability(release):
    http = {
        "url": {"type": "string", "pattern": "^https?://"},
        "method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"]},
        "headers": FREE,
        "timeout": {"type": "integer"},
        "authentication": FREE,
        "tuning": {
            "type": "object",
            "properties": {
                "deliveryMode": {"type": "string", "enum": ["AtLeastOnce", "AtMostOnce"]},
                "compression": {"type": "string", "enum": ["none", "gzip", "snappy", "zlib"]},
                "maxWrite": {"x-kubernetes-int-or-string": True},
                "minRetryDuration": {"type": "integer"},
                "maxRetryDuration": {"type": "integer"},
            },
        },
    }
    if release >= (6, 5):
        http["format"] = {"type": "string", "enum": ["json", "ndjson"]}
    otlp = {
        "url": {"type": "string"},
        "authentication": FREE,
        "tuning": {"type": "object", "properties": {"compression": {"type": "string", "enum": ["gzip", "none"]}}},
    }
    return crd(
        "observability.openshift.io",
        "v1",
        "clusterlogforwarders",
        "ClusterLogForwarder",
        {
            "type": "object",
            "required": ["serviceAccount", "outputs", "pipelines"],
            "properties": {
                "managementState": {"type": "string", "enum": ["Managed", "Unmanaged"], "default": "Managed"},
                "serviceAccount": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}},
                },
                "collector": FREE,
                "filters": {"type": "array", "items": FREE},
                "outputs": named(
                    {
                        "type": {"type": "string", "enum": ["http", "otlp", "lokiStack", "syslog", "cloudwatch"]},
                        "http": {"type": "object", "required": ["url"], "properties": http},
                        "otlp": {"type": "object", "required": ["url"], "properties": otlp},
                        "tls": {
                            "type": "object",
                            "properties": {
                                "ca": {
                                    "type": "object",
                                    "properties": {
                                        "key": {"type": "string"},
                                        "configMapName": {"type": "string"},
                                        "secretName": {"type": "string"},
                                    },
                                },
                                "insecureSkipVerify": {"type": "boolean"},
                            },
                        },
                    },
                    ["type"],
                ),
                "pipelines": named(
                    {"inputRefs": STRINGS, "outputRefs": STRINGS, "filterRefs": STRINGS}, ["inputRefs", "outputRefs"]
                ),
            },
        },
    )


# What the operator lifecycle manager keeps of an installed operator.
CLUSTER_SERVICE_VERSION = crd(
    "operators.coreos.com", "v1alpha1", "clusterserviceversions", "ClusterServiceVersion", FREE
)

MONITORING = [
    crd(
        "monitoring.coreos.com",
        "v1",
        "servicemonitors",
        "ServiceMonitor",
        {
            "type": "object",
            "required": ["selector", "endpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}},
                },
                "endpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string"},
                            "interval": {"type": "string"},
                            "scheme": {"type": "string", "enum": ["http", "https"]},
                            "bearerTokenFile": {"type": "string"},
                            "tlsConfig": {
                                "type": "object",
                                "properties": {
                                    "caFile": {"type": "string"},
                                    "serverName": {"type": "string"},
                                    "insecureSkipVerify": {"type": "boolean"},
                                },
                            },
                        },
                    },
                },
            },
        },
    ),
    crd(
        "monitoring.coreos.com",
        "v1",
        "prometheusrules",
        "PrometheusRule",
        {
            "type": "object",
            "properties": {
                "groups": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "rules"],
                        "properties": {
                            "name": {"type": "string"},
                            "rules": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["expr"],
                                    "properties": {
                                        "alert": {"type": "string"},
                                        "expr": {"x-kubernetes-int-or-string": True},
                                        "for": {"type": "string"},
                                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                                    },
                                },
                            },
                        },
                    },
                }
            },
        },
    ),
]

# name of a release -> its CRDs
RELEASES = {
    "4.3": [CLUSTER_LOGGING, LOG_FORWARDING],
    "4.6": [CLUSTER_LOGGING, forwarder_v1((4, 6))],
    "5.5": [CLUSTER_LOGGING, forwarder_v1((5, 5))],
    "5.7": [CLUSTER_LOGGING, forwarder_v1((5, 7))],
    "5.8": [CLUSTER_LOGGING, forwarder_v1((5, 8))],
    "5.9": [CLUSTER_LOGGING, forwarder_v1((5, 9))],
    "6.0": [forwarder_observability((6, 0))],
    "6.6": [forwarder_observability((6, 6))],
}


def structural(schema):
    """A schema of apiextensions.k8s.io/v1beta1 as v1 takes it: objects say so, and keep what they do not know."""
    if "properties" in schema or schema.get("type") == "object":
        schema.setdefault("type", "object")
        schema["x-kubernetes-preserve-unknown-fields"] = True
    for part in schema.get("properties", {}).values():
        structural(part)
    if "items" in schema:
        structural(schema["items"])
        schema.pop("required", None)  # of an array: had no effect
    return schema


def as_v1(definition):
    spec = definition["spec"]
    definition.get("metadata", {}).get("annotations", {}).clear()
    if definition["apiVersion"].endswith("/v1beta1"):
        version = {
            "name": spec.pop("version"),
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": structural(spec.pop("validation")["openAPIV3Schema"])},
            "subresources": spec.pop("subresources", {"status": {}}),
        }
        spec["versions"] = [version]
        definition["apiVersion"] = "apiextensions.k8s.io/v1"
    return definition


PUBLISHED = os.environ.get("PENSTOCK_CLUSTER_CRDS")
if PUBLISHED:
    for release in RELEASES:
        files = sorted(pathlib.Path(PUBLISHED).glob(f"{release}-*.yaml"))
        if not files:
            raise FileNotFoundError(f"{PUBLISHED} has no {release}-*.yaml")
        RELEASES[release] = [as_v1(yaml.safe_load(file.read_text())) for file in files]
