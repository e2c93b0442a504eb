"""Stands in for what a bare API server lacks: workload controllers and kubelets, OpenShift's service CA, the
logging operator, and the pods' admin ports. Looks at the state several times a second and moves it on, in one thread.

It does not run containers; pods are objects with an address. A log arrives in a pod when a collector is wired to a
Service that selects the pod and has the port; other figures are what a test says.
"""

import base64
import copy
import hashlib
import http.server
import json
import threading
import time
import traceback

import yaml

from api import ApiError
from logging_operator import CHECKED, LoggingOperator, owner

CA = "-----BEGIN CERTIFICATE-----\nc2VydmljZSBDQQ==\n-----END CERTIFICATE-----\n"


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


class StandIn:
    def __init__(self, api):
        self.api = api
        self.figures = {}  # pod name -> {"pending": 0, "dead_lettered": 0, "received": 1}
        self.service_ca_on = True
        self.pods_become_ready = True
        self.silent = set()  # log types of which nobody writes a log
        self.kinesis_on = True
        self.problems = []  # what the loop itself ran into; tests assert that it is empty
        self.operator = LoggingOperator(api, self.problems)
        self.addresses = {}  # pod address -> pod name
        self.arrived = {}  # pod's uid -> log types of which it has received something
        self.rounds = self.quiet_rounds = 0  # looks at everything; of the last ones, those that found nothing to do
        self.stopping = threading.Event()
        self.at_work = threading.Lock()  # held while it looks and writes; who holds it has the cluster to himself
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.server = http.server.ThreadingHTTPServer(("0.0.0.0", 9880), self.handler())

    def start(self):
        self.thread.start()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.server.shutdown()
        self.server.server_close()

    def reset(self):
        self.figures.clear()
        self.problems.clear()
        self.silent.clear()
        self.operator.reset()
        self.service_ca_on = self.pods_become_ready = self.kinesis_on = True

    def run(self):
        while not self.stopping.wait(0.15):
            with self.at_work:
                writes_before = self.api.writes
                for act in (self.statefulsets, self.orphans, self.service_ca, self.operator.act, self.jobs, self.logs):
                    try:
                        act()
                    except ApiError as error:
                        if error.status not in (404, 409):  # changed or gone meanwhile: next time
                            self.problems.append(f"{act.__name__}: {error}")
                    except Exception:
                        self.problems.append(traceback.format_exc())
                self.quiet_rounds = self.quiet_rounds + 1 if self.api.writes == writes_before else 0
                self.rounds += 1

    # ---- pods -------------------------------------------------------------------------------------------

    def handler(self):
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = stand_in.addresses.get(self.connection.getsockname()[0])
                figures = {"pending": 0, "dead_lettered": 0, "connections": 0, **stand_in.figures.get(name, {})}
                pod = None if figures["pending"] is None else stand_in.running_pod(name)
                if pod is None:
                    self.send_error(503)
                    return
                status = stand_in.status(pod, figures)
                self.answer(json.dumps(status) if self.path == "/api/status" else stand_in.metrics(status, figures))

            def answer(self, text):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        return Handler

    def running_pod(self, name):
        return next((p for p in self.api.items("/api/v1/pods") if p["metadata"]["name"] == name), None)

    def configuration(self, pod):
        """penstock.yaml, as the pod would read it; None when there is none."""
        for volume in pod["spec"]["volumes"]:
            if volume["name"] == "config":
                path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/configmaps/{volume['configMap']['name']}"
                text = ((self.api.get(path) or {}).get("data") or {}).get("penstock.yaml")
                return text and yaml.safe_load(text)
        return None

    def status(self, pod, figures):
        """/api/status: ten events of each log type that has arrived, by the routes of the pod's configuration."""
        config = self.configuration(pod) or {"routes": [], "streams": {}}
        waiting = set(self.arrived.get(pod["metadata"]["uid"], ()))
        types = {"projects": "application", "operations": "infrastructure"}
        routes, received = [], dict.fromkeys(config["streams"], 0)
        for route in config["routes"]:
            wanted = types.get(route.get("log_type"), route.get("log_type"))
            taken = set() if "where" in route else waiting & ({wanted} if wanted else waiting)
            waiting -= taken
            received[route["stream"]] += 10 * len(taken)
            condition = f"log_type: {wanted}" if wanted else ""
            routes.append({"condition": condition, "stream": route["stream"], "events": 10 * len(taken)})
        last = list(config["streams"])[:1]  # where what a test calls pending waits
        streams = [
            {
                "name": name,
                "events_delivered": received[name] if self.kinesis_on else 0,
                "events_pending": (0 if self.kinesis_on else received[name]) + figures["pending"] * (name in last),
            }
            for name in received
        ]
        errors = [] if self.kinesis_on else [{"where": "stream audit", "message": "ResourceNotFoundException"}]
        return {"routes": routes, "streams": streams, "last_errors": errors}

    @staticmethod
    def metrics(status, figures):
        lines = [
            f'penstock_events_pending{{stream="{stream["name"]}"}} {stream["events_pending"]}' for stream in status["streams"]
        ]
        received = sum(route["events"] for route in status["routes"])
        lines += [
            f'penstock_events_dead_lettered_total{{stream="audit",reason="too_large"}} {figures["dead_lettered"]}',
            f'penstock_events_received_total{{source="forward"}} {received}',
            f'penstock_connections{{source="forward"}} {figures["connections"]}',
        ]
        return "\n".join(["# TYPE penstock_events_pending gauge", *lines]) + "\n"

    def jobs(self):
        """Runs each Job once its ServiceAccount is there, with that account's token."""
        for item in self.api.items("/apis/batch/v1/jobs"):
            if item.get("status", {}).get("conditions"):
                continue
            namespace, pod = item["metadata"]["namespace"], item["spec"]["template"]["spec"]
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
            account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{pod['serviceAccountName']}"
            token = self.api.create(f"{account}/token", request)["status"]["token"]
            container = pod["containers"][0]
            env = {e["name"]: e.get("value", namespace) for e in container["env"]}
            if self.run_in_job(token, container["command"] + container["args"], env) != 0:
                self.problems.append(f"job {item['metadata']['name']} failed")
                continue
            done = {"status": "True", "lastTransitionTime": CHECKED, "lastProbeTime": CHECKED}
            status = {
                "startTime": CHECKED,
                "completionTime": CHECKED,
                "succeeded": 1,
                "uncountedTerminatedPods": {},
                "conditions": [{"type": t, **done} for t in ("SuccessCriteriaMet", "Complete")],
            }
            self.api.merge(f"/apis/batch/v1/namespaces/{namespace}/jobs/{item['metadata']['name']}/status", {"status": status})

    def logs(self):
        """What the collectors send arrives in the ready pods behind the Service, if it is there and has the port."""
        for host, port, types in self.operator.senders:
            name, namespace = host.split(".")[:2]
            service = self.api.get(f"/api/v1/namespaces/{namespace}/services/{name}")
            if service is None or port not in [p["port"] for p in service["spec"]["ports"]]:
                continue
            selector = service["spec"]["selector"].items()
            pods = [
                p
                for p in self.api.items(f"/api/v1/namespaces/{namespace}/pods")
                if selector <= p["metadata"]["labels"].items() and self.is_ready(p) and self.configuration(p)
            ]
            for place, log_type in enumerate(sorted(types - self.silent)):
                if pods:
                    self.arrived.setdefault(pods[place % len(pods)]["metadata"]["uid"], set()).add(log_type)

    @staticmethod
    def is_ready(pod):
        return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))

    def statefulsets(self):
        for item in self.api.items("/apis/apps/v1/statefulsets"):
            self.statefulset(item)

    def statefulset(self, item):
        meta, spec = item["metadata"], item["spec"]
        namespace, name, wanted = meta["namespace"], meta["name"], spec.get("replicas", 1)
        scaler = self.api.get(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{name}")
        if scaler and wanted < scaler["spec"]["minReplicas"]:
            self.api.merge(
                f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
                {"spec": {"replicas": scaler["spec"]["minReplicas"]}},
            )
            return
        revision = f"{name}-{digest(spec['template'])}"
        pods = f"/api/v1/namespaces/{namespace}/pods"
        existing = {p["metadata"]["name"]: p for p in self.api.items(pods) if self.owned_by(p, meta["uid"])}
        ready = 0
        for ordinal in range(wanted):
            pod = existing.pop(f"{name}-{ordinal}", None)
            if pod and pod["metadata"]["labels"].get("controller-revision-hash") != revision:
                self.api.delete(f"{pods}/{name}-{ordinal}")
                continue
            if pod is None:
                self.make_pod(item, ordinal, revision)
            ready += self.move_pod_on(namespace, f"{name}-{ordinal}", ordinal)
        for extra in existing:
            self.api.delete(f"{pods}/{extra}")
        status = {
            "observedGeneration": meta["generation"],
            "replicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentReplicas": wanted,
            "updatedReplicas": ready,
            "currentRevision": revision,
            "updateRevision": revision,
        }
        if any(item.get("status", {}).get(k) != v for k, v in status.items() if v):
            self.api.merge(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}/status", {"status": status})

    @staticmethod
    def owned_by(item, uid):
        return any(o["uid"] == uid for o in item["metadata"].get("ownerReferences", []))

    def make_pod(self, item, ordinal, revision):
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        template = copy.deepcopy(item["spec"]["template"])
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
        pod["metadata"].update(
            name=f"{name}-{ordinal}", namespace=namespace, ownerReferences=owner(item, "StatefulSet", "apps/v1")
        )
        pod["metadata"].setdefault("labels", {})["controller-revision-hash"] = revision
        for claim in item["spec"].get("volumeClaimTemplates", []):
            claim_name = f"{claim['metadata']['name']}-{name}-{ordinal}"
            claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
            if self.api.get(f"{claims}/{claim_name}") is None:
                labels = {**claim["metadata"].get("labels", {}), **item["spec"]["selector"]["matchLabels"]}
                self.api.create(
                    claims,
                    {
                        "apiVersion": "v1",
                        "kind": "PersistentVolumeClaim",
                        "metadata": {"name": claim_name, "labels": labels},
                        "spec": claim["spec"],
                    },
                )
            self.api.merge(f"{claims}/{claim_name}/status", {"status": {"phase": "Bound"}})
            pod["spec"].setdefault("volumes", []).append(
                {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}}
            )
        self.api.create(f"/api/v1/namespaces/{namespace}/pods", pod)

    def move_pod_on(self, namespace, name, ordinal):
        """A pod starts when the Secrets and ConfigMaps it mounts are there. Returns 1 when it is ready."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        pod = self.api.get(path)
        if pod is None:
            return 0
        if self.is_ready(pod):
            return 1
        for volume in pod["spec"]["volumes"]:
            for kind, key in (("secret", "secretName"), ("configMap", "name")):
                if (
                    kind in volume
                    and self.api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{volume[kind][key]}") is None
                ):
                    return 0
        if not self.pods_become_ready or not self.configuration(pod):  # without one the process ends
            return 0
        address = f"192.0.2.{10 + ordinal}"
        self.addresses[address] = name
        self.api.merge(
            f"{path}/status",
            {
                "status": {
                    "phase": "Running",
                    "podIP": address,
                    "podIPs": [{"ip": address}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                }
            },
        )
        return 1

    OWNERS = [
        "/apis/apps/v1/statefulsets",
        "/apis/apps/v1/daemonsets",
        "/api/v1/services",
        "/apis/logging.openshift.io/v1/clusterlogforwarders",
        "/apis/observability.openshift.io/v1/clusterlogforwarders",
    ]
    OWNED = [
        "/apis/apps/v1/daemonsets",
        "/apis/monitoring.coreos.com/v1/servicemonitors",
        "/apis/networking.k8s.io/v1/networkpolicies",
        "/api/v1/services",
        "/api/v1/configmaps",
        "/api/v1/secrets",
        "/api/v1/pods",
    ]

    def orphans(self):
        """The garbage collector, for the kinds that occur here."""
        # First what may be orphaned, then who is alive: whoever is made in between is alive.
        found = [(path, item) for path in self.OWNED for item in self.api.items(path)]
        alive = {i["metadata"]["uid"] for path in self.OWNERS for i in self.api.items(path)}
        for path, item in found:
            owners = item["metadata"].get("ownerReferences", [])
            if owners and not any(o["uid"] in alive for o in owners):
                prefix, resource = path.rsplit("/", 1)
                self.api.delete(
                    f"{prefix}/namespaces/{item['metadata']['namespace']}/{resource}/{item['metadata']['name']}"
                )

    # ---- OpenShift's service CA ----------------------------------------------------------------------------

    def service_ca(self):
        if not self.service_ca_on:
            return
        key = "service.beta.openshift.io/serving-cert-secret-name"
        for service in self.api.items("/api/v1/services"):
            meta = service["metadata"]
            name = (meta.get("annotations") or {}).get(key)
            if name and self.api.get(f"/api/v1/namespaces/{meta['namespace']}/secrets/{name}") is None:
                data = {
                    k: base64.b64encode(v.encode()).decode()
                    for k, v in (("tls.crt", CA), ("tls.key", "key of the service CA's certificate"))
                }
                self.api.create(
                    f"/api/v1/namespaces/{meta['namespace']}/secrets",
                    {
                        "apiVersion": "v1",
                        "kind": "Secret",
                        "type": "kubernetes.io/tls",
                        "data": data,
                        "metadata": {
                            "name": name,
                            "ownerReferences": owner(service, "Service", "v1"),
                            "annotations": {"service.beta.openshift.io/originating-service-name": meta["name"]},
                        },
                    },
                )
        for item in self.api.items("/api/v1/configmaps"):
            if (item["metadata"].get("annotations") or {}).get(
                "service.beta.openshift.io/inject-cabundle"
            ) == "true" and item.get("data") != {"service-ca.crt": CA}:
                item["data"] = {"service-ca.crt": CA}
                self.api.replace(
                    f"/api/v1/namespaces/{item['metadata']['namespace']}/configmaps/{item['metadata']['name']}", item
                )
