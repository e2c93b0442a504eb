"""Stands in for what a bare API server lacks: workload controllers and kubelets, OpenShift's service CA, the
logging operator, and the pods' admin ports. Looks at the state several times a second and moves it on, in one thread.

What it checks, the real ones check too: Secrets' keys, ServiceAccounts, role bindings. What it does not do is
run containers; pods are objects with an address, and their figures are what a test says.
"""

import base64
import copy
import hashlib
import http.server
import json
import threading
import time
import traceback

from api import ApiError

LOGGING = "openshift-logging"
COLLECTORS = 3  # "nodes"
CA = "-----BEGIN CERTIFICATE-----\nc2VydmljZSBDQQ==\n-----END CERTIFICATE-----\n"


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def owner(item, kind, api_version):
    meta = item["metadata"]
    return [{"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}]


class StandIn:
    def __init__(self, api):
        self.api = api
        self.figures = {}  # pod name -> {"pending": 0, "dead_lettered": 0, "received": 1}
        self.operator_on = True
        self.service_ca_on = True
        self.pods_become_ready = True
        self.problems = []  # what the loop itself ran into; tests assert that it is empty
        self.addresses = {}  # pod address -> pod name
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
        self.operator_on = self.service_ca_on = self.pods_become_ready = True

    def run(self):
        while not self.stopping.wait(0.15):
            with self.at_work:
                writes_before = self.api.writes
                for act in (self.statefulsets, self.orphans, self.service_ca, self.operator):
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
                pod = stand_in.addresses.get(self.connection.getsockname()[0])
                figures = {"pending": 0, "dead_lettered": 0, "received": 1, "connections": 0, **stand_in.figures.get(pod, {})}
                if pod is None or figures["pending"] is None:
                    self.send_error(503)
                    return
                text = (
                    "# TYPE penstock_events_pending gauge\n"
                    f'penstock_events_pending{{stream="audit"}} {figures["pending"]}\n'
                    'penstock_events_pending{stream="projects"} 0\n'
                    'penstock_events_dead_lettered_total{stream="audit",reason="too_large"}'
                    f' {figures["dead_lettered"]}\n'
                    f'penstock_events_received_total{{source="forward"}} {figures["received"]}\n'
                    f'penstock_connections{{source="forward"}} {figures["connections"]}\n'
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        return Handler

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
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])):
            return 1
        for volume in pod["spec"]["volumes"]:
            for kind, key in (("secret", "secretName"), ("configMap", "name")):
                if (
                    kind in volume
                    and self.api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{volume[kind][key]}") is None
                ):
                    return 0
        if not self.pods_become_ready:
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

    def orphans(self):
        """The garbage collector, for the kinds that occur here."""
        alive = {
            i["metadata"]["uid"]
            for kind in ("/apis/apps/v1/statefulsets", "/apis/apps/v1/daemonsets", "/api/v1/services")
            for i in self.api.items(kind)
        }
        for kind in ("pods", "secrets"):
            for item in self.api.items(f"/api/v1/{kind}"):
                owners = item["metadata"].get("ownerReferences", [])
                if owners and not any(o["uid"] in alive for o in owners):
                    self.api.delete(
                        f"/api/v1/namespaces/{item['metadata']['namespace']}/{kind}/{item['metadata']['name']}"
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

    # ---- the logging operator ------------------------------------------------------------------------------

    def operator(self):
        path = f"/apis/apps/v1/namespaces/{LOGGING}/deployments/cluster-logging-operator"
        deployment = self.api.get(path)
        if deployment:
            available = 1 if self.operator_on else 0
            if deployment.get("status", {}).get("availableReplicas", 0) != available:
                self.api.merge(
                    f"{path}/status",
                    {"status": {"replicas": 1, "readyReplicas": available, "availableReplicas": available}},
                )
        if not deployment or not self.operator_on:
            return
        wanted = {}
        self.reconcile_alpha(wanted)
        self.reconcile_v1(wanted)
        self.reconcile_observability(wanted)
        for item in self.api.items("/apis/apps/v1/daemonsets"):
            key = (item["metadata"]["namespace"], item["metadata"]["name"])
            if key not in wanted:
                self.api.delete(f"/apis/apps/v1/namespaces/{key[0]}/daemonsets/{key[1]}")
        for (namespace, name), secrets in wanted.items():
            self.daemonset(namespace, name, sorted(secrets))

    def secret_keys(self, namespace, name):
        secret = self.api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return None if secret is None else set((secret.get("data") or {}))

    def set_status(self, path, item, status):
        if item.get("status") != status:
            self.api.merge(f"{path}/status", {"status": None})
            self.api.merge(f"{path}/status", {"status": status})

    def reconcile_alpha(self, wanted):
        base = "/apis/logging.openshift.io/v1alpha1"
        logging = self.api.get(f"/apis/logging.openshift.io/v1/namespaces/{LOGGING}/clusterloggings/instance")
        if logging is None or self.api.get(base) is None:
            return
        mounted = wanted.setdefault((LOGGING, "fluentd"), set())
        on = (logging["metadata"].get("annotations") or {}).get(
            "clusterlogging.openshift.io/logforwardingtechpreview"
        ) == "enabled"
        path = f"{base}/namespaces/{LOGGING}/logforwardings/instance"
        item = self.api.get(path)
        if item is None or not on:
            return
        outputs = []
        for output in item["spec"].get("outputs", []):
            need = {"shared_key", "tls.crt", "ca-bundle.crt"} if output["type"] == "forward" else set()
            keys = self.secret_keys(LOGGING, output["secret"]["name"]) if "secret" in output else set()
            good = output["type"] == "elasticsearch" or (keys is not None and need <= keys)
            outputs.append(
                {
                    "name": output["name"],
                    "state": "Accepted" if good else "Dropped",
                    "message": "" if good else "SecretMissingSharedKey",
                }
            )
            if good and "secret" in output:
                mounted.add(output["secret"]["name"])
        names = {o["name"] for o in outputs if o["state"] == "Accepted"}
        pipelines = [
            {"name": p["name"], "state": "Accepted" if set(p["outputRefs"]) <= names else "Degraded"}
            for p in item["spec"].get("pipelines", [])
        ]
        self.set_status(path, item, {"outputs": outputs, "pipelines": pipelines})

    def reconcile_v1(self, wanted):
        base = "/apis/logging.openshift.io/v1"
        resources = self.api.get(base) or {"resources": []}
        if not any(r["name"] == "clusterlogforwarders" for r in resources["resources"]):
            return
        if self.api.get(f"{base}/namespaces/{LOGGING}/clusterloggings/instance"):
            wanted.setdefault((LOGGING, "collector"), set())
        for item in self.api.items(f"{base}/clusterlogforwarders"):
            meta, spec = item["metadata"], item.get("spec") or {}
            shared = (meta["namespace"], meta["name"]) == (LOGGING, "instance")
            mounted, problem = set(), None
            for output in spec.get("outputs", []):
                if "secret" in output:
                    keys = self.secret_keys(meta["namespace"], output["secret"]["name"])
                    if keys is None or (output["type"] == "fluentdForward" and "shared_key" not in keys):
                        problem = f"secret {output['secret']['name']} is missing or incomplete"
                    mounted.add(output["secret"]["name"])
            known = {o["name"] for o in spec.get("outputs", [])} | {"default"}
            if any(set(p["outputRefs"]) - known for p in spec.get("pipelines", [])):
                problem = "a pipeline refers to an unknown output"
            if not shared:
                problem = problem or self.missing_roles(meta["namespace"], spec.get("serviceAccountName"), spec)
            ready = {
                "type": "Ready",
                "status": "False" if problem else "True",
                "reason": "Invalid" if problem else "Ready",
                "message": problem or "",
            }
            self.set_status(
                f"{base}/namespaces/{meta['namespace']}/clusterlogforwarders/{meta['name']}",
                item,
                {"conditions": [ready], "outputs": {o["name"]: [ready] for o in spec.get("outputs", [])}},
            )
            if problem is None:
                wanted.setdefault((meta["namespace"], "collector" if shared else meta["name"]), set()).update(mounted)

    def missing_roles(self, namespace, account, spec):
        if not account or self.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}") is None:
            return f"service account {account} not found"
        needed = {f"collect-{ref}-logs" for p in spec.get("pipelines", []) for ref in p["inputRefs"]}
        for binding in self.api.items("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"):
            if any(
                s.get("name") == account and s.get("namespace") == namespace for s in binding.get("subjects") or []
            ):
                needed.discard(binding["roleRef"]["name"])
        return f"insufficient permissions on service account: {sorted(needed)}" if needed else None

    def reconcile_observability(self, wanted):
        base = "/apis/observability.openshift.io/v1"
        for item in self.api.items(f"{base}/clusterlogforwarders"):
            meta, spec = item["metadata"], item["spec"]
            problem = self.missing_roles(meta["namespace"], spec["serviceAccount"]["name"], spec)
            authorized = {
                "type": "observability.openshift.io/Authorized",
                "status": "False" if problem else "True",
                "reason": "Checked",
                "message": problem or "",
            }
            for output in spec["outputs"]:
                ca = output.get("tls", {}).get("ca", {})
                if "configMapName" in ca:
                    config = (
                        self.api.get(f"/api/v1/namespaces/{meta['namespace']}/configmaps/{ca['configMapName']}") or {}
                    )
                    if ca["key"] not in config.get("data", {}):
                        problem = f"ConfigMap {ca['configMapName']} has no {ca['key']}"
            ready = {
                "type": "Ready",
                "status": "False" if problem else "True",
                "reason": "Checked",
                "message": problem or "",
            }
            self.set_status(
                f"{base}/namespaces/{meta['namespace']}/clusterlogforwarders/{meta['name']}",
                item,
                {"conditions": [authorized, ready]},
            )
            if problem is None:
                wanted.setdefault((meta["namespace"], meta["name"]), set())

    def daemonset(self, namespace, name, secrets):
        base = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
        labels = {"component": "collector", "collector": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [
                    {
                        "name": "collector",
                        "image": "collector",
                        "volumeMounts": [
                            {"name": s, "mountPath": f"/var/run/ocp-collector/secrets/{s}"} for s in secrets
                        ],
                    }
                ],
                "volumes": [{"name": s, "secret": {"secretName": s}} for s in secrets],
            },
        }
        item = self.api.get(f"{base}/{name}")
        if item is None:
            item = self.api.create(
                base,
                {
                    "apiVersion": "apps/v1",
                    "kind": "DaemonSet",
                    "metadata": {"name": name},
                    "spec": {"selector": {"matchLabels": labels}, "template": template},
                },
            )
        elif (
            sorted(v["secret"]["secretName"] for v in item["spec"]["template"]["spec"].get("volumes", [])) != secrets
        ):
            item["spec"]["template"] = template
            item = self.api.replace(f"{base}/{name}", item)
        for secret in secrets:  # a collector whose Secret is gone hangs in ContainerCreating
            if self.secret_keys(namespace, secret) is None:
                self.problems.append(f"collector {name} runs with secret {secret}, which does not exist")
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "desiredNumberScheduled": COLLECTORS,
            "currentNumberScheduled": COLLECTORS,
            "updatedNumberScheduled": COLLECTORS,
            "numberReady": COLLECTORS,
            "numberAvailable": COLLECTORS,
            "numberMisscheduled": 0,
        }
        if any(item.get("status", {}).get(k) != v for k, v in status.items()):
            self.api.merge(f"{base}/{name}/status", {"status": status})
