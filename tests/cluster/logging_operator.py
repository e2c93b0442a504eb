"""Stands in for the OpenShift Logging operator. It checks what the real one checks (Secrets' keys, ServiceAccounts,
role bindings), reports it in the status, and makes the collectors.

For a ClusterLogForwarder NAME other than the legacy one it also makes, and overwrites when somebody else made them
first, the objects that the real one does: a Service, a ServiceMonitor, a configuration and more, all with names that
begin with NAME, all owned by the ClusterLogForwarder and so gone with it. Its ClusterRoleBindings it leaves behind.
"""

import base64
import copy

LOGGING = "openshift-logging"
COLLECTORS = 1  # nodes
METRICS_PORT = 24231
CHECKED = "2026-01-01T00:00:00Z"  # when a condition last changed: a write each round would never come to rest


def owner(item, kind, api_version):
    meta = item["metadata"]
    return [{"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}]


def collector_labels(name):
    return {
        "app.kubernetes.io/name": "vector",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": "collector",
        "app.kubernetes.io/part-of": "cluster-logging",
        "app.kubernetes.io/managed-by": "cluster-logging-operator",
    }


def condition(kind, problem):
    return {
        "type": kind,
        "status": "False" if problem else "True",
        "reason": "ValidationFailure" if problem else "ValidationSuccess",
        "message": problem or "",
        "lastTransitionTime": CHECKED,
    }


def address(url):
    """("HOST", port) of an output's URL or endpoint."""
    host, _, port = url.rpartition("://")[2].split("/")[0].partition(":")
    return host, int(port)


class LoggingOperator:
    def __init__(self, api, problems):
        self.api, self.problems = api, problems
        self.running, self.release = True, (6, 6)
        self.senders = []  # (host, port, log types) of what the collectors send now

    def reset(self):
        self.running = True

    def act(self):
        path = f"/apis/apps/v1/namespaces/{LOGGING}/deployments/cluster-logging-operator"
        deployment = self.api.get(path)
        if deployment:
            available = 1 if self.running else 0
            if deployment.get("status", {}).get("availableReplicas", 0) != available:
                self.api.merge(
                    f"{path}/status",
                    {"status": {"replicas": 1, "readyReplicas": available, "availableReplicas": available}},
                )
        if not deployment or not self.running:
            return
        wanted, self.sending = {}, []
        self.reconcile_alpha(wanted)
        self.reconcile_v1(wanted)
        self.reconcile_observability(wanted)
        for item in self.api.items("/apis/apps/v1/daemonsets"):
            key = (item["metadata"]["namespace"], item["metadata"]["name"])
            if key not in wanted:
                self.api.delete(f"/apis/apps/v1/namespaces/{key[0]}/daemonsets/{key[1]}")
        for (namespace, name), (secrets, forwarder) in wanted.items():
            self.daemonset(namespace, name, sorted(secrets), forwarder)
        self.senders = self.sending

    def secret_keys(self, namespace, name):
        secret = self.api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return None if secret is None else set((secret.get("data") or {}))

    def set_status(self, path, item, status):
        if item.get("status") != status:
            self.api.merge(f"{path}/status", {"status": None})
            self.api.merge(f"{path}/status", {"status": status})

    # ---- the resource of each generation -------------------------------------------------------------------

    def reconcile_alpha(self, wanted):
        base = "/apis/logging.openshift.io/v1alpha1"
        logging = self.api.get(f"/apis/logging.openshift.io/v1/namespaces/{LOGGING}/clusterloggings/instance")
        if logging is None or self.api.get(base) is None:
            return
        mounted, _ = wanted.setdefault((LOGGING, "fluentd"), (set(), None))
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
        pipelines = item["spec"].get("pipelines", [])
        states = [
            {"name": p["name"], "state": "Accepted" if set(p["outputRefs"]) <= names else "Degraded"}
            for p in pipelines
        ]
        types = {"logs.app": "application", "logs.infra": "infrastructure", "logs.audit": "audit"}
        for output in item["spec"].get("outputs", []):
            if output["name"] in names:
                inputs = {types[p["inputSource"]] for p in pipelines if output["name"] in p["outputRefs"]}
                self.sending.append((*address(output["endpoint"]), inputs))
        self.set_status(path, item, {"outputs": outputs, "pipelines": states})

    def reconcile_v1(self, wanted):
        base = "/apis/logging.openshift.io/v1"
        resources = self.api.get(base) or {"resources": []}
        if not any(r["name"] == "clusterlogforwarders" for r in resources["resources"]):
            return
        if self.api.get(f"{base}/namespaces/{LOGGING}/clusterloggings/instance"):
            wanted.setdefault((LOGGING, "collector"), (set(), None))
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
            ready = condition("Ready", problem)
            self.set_status(
                f"{base}/namespaces/{meta['namespace']}/clusterlogforwarders/{meta['name']}",
                item,
                {"conditions": [ready], "outputs": {o["name"]: [ready] for o in spec.get("outputs", [])}},
            )
            if problem is None:
                name = "collector" if shared else meta["name"]
                wanted.setdefault((meta["namespace"], name), (set(), None if shared else item))[0].update(mounted)
                self.note_senders(spec)
                if not shared:
                    self.own_objects(item, spec["serviceAccountName"])

    def reconcile_observability(self, wanted):
        base = "/apis/observability.openshift.io/v1"
        for item in self.api.items(f"{base}/clusterlogforwarders"):
            meta, spec = item["metadata"], item["spec"]
            problem = self.missing_roles(meta["namespace"], spec["serviceAccount"]["name"], spec)
            authorized = condition("observability.openshift.io/Authorized", problem)
            for output in spec["outputs"]:
                ca = output.get("tls", {}).get("ca", {})
                if "configMapName" in ca:
                    config = (
                        self.api.get(f"/api/v1/namespaces/{meta['namespace']}/configmaps/{ca['configMapName']}") or {}
                    )
                    if ca["key"] not in config.get("data", {}):
                        problem = f"ConfigMap {ca['configMapName']} has no {ca['key']}"
            self.set_status(
                f"{base}/namespaces/{meta['namespace']}/clusterlogforwarders/{meta['name']}",
                item,
                {"conditions": [authorized, condition("Ready", problem)]},
            )
            if problem is None:
                wanted[(meta["namespace"], meta["name"])] = (set(), item)
                self.note_senders(spec)
                self.own_objects(item, spec["serviceAccount"]["name"])

    def note_senders(self, spec):
        for output in spec.get("outputs", []):
            url = output.get("url") or output.get(output["type"], {}).get("url")
            pipelines = [p for p in spec.get("pipelines", []) if output["name"] in p["outputRefs"]]
            if url:
                self.sending.append((*address(url), {ref for p in pipelines for ref in p["inputRefs"]}))

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

    # ---- what it makes ---------------------------------------------------------------------------------------

    def daemonset(self, namespace, name, secrets, forwarder):
        base = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
        labels = {**collector_labels(name), "component": "collector"}
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
            meta = {"name": name, "labels": labels}
            if forwarder:
                meta["ownerReferences"] = owner(forwarder, "ClusterLogForwarder", forwarder["apiVersion"])
            item = self.api.create(
                base,
                {
                    "apiVersion": "apps/v1",
                    "kind": "DaemonSet",
                    "metadata": meta,
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
        self.collector_pod(namespace, item, template)
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

    def collector_pod(self, namespace, daemonset, template):
        name = f"{daemonset['metadata']['name']}-x7k2p"
        pods = f"/api/v1/namespaces/{namespace}/pods"
        if self.api.get(f"{pods}/{name}") is None:
            meta = {
                "name": name,
                "labels": template["metadata"]["labels"],
                "ownerReferences": owner(daemonset, "DaemonSet", "apps/v1"),
            }
            spec = copy.deepcopy(template["spec"])
            # The namespace of the tests is stricter than the operator's own.
            restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            spec["containers"][0]["securityContext"] = restricted
            spec["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
            self.api.create(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def own_objects(self, forwarder, account):
        namespace, name = forwarder["metadata"]["namespace"], forwarder["metadata"]["name"]
        core, is_6 = f"/api/v1/namespaces/{namespace}", self.release >= (6, 0)
        config = {"vector.toml": "[sinks]\n", "run-vector.sh": "exec vector\n"}
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in config.items()}
        self.ensure(core, "services", forwarder, name, self.service(name))
        if self.api.get("/apis/monitoring.coreos.com/v1"):
            path = f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}"
            spec = {"selector": {"matchLabels": collector_labels(name)}, "endpoints": [{"port": "metrics"}]}
            monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": spec}
            self.ensure(path, "servicemonitors", forwarder, name, monitor)
        if is_6:
            self.ensure(core, "configmaps", forwarder, f"{name}-config", self.holder("ConfigMap", config))
        else:
            self.ensure(core, "secrets", forwarder, f"{name}-config", self.holder("Secret", encoded))
        secrets = [f"{name}-metrics", f"{account}-token", f"{account}-default"] + [f"{name}-secrets"] * is_6
        for secret in secrets:
            self.ensure(core, "secrets", forwarder, secret, self.holder("Secret", {"of": encoded["vector.toml"]}))
        bundle = self.holder("ConfigMap", {"ca-bundle.crt": "CAs\n"})
        self.ensure(core, "configmaps", forwarder, f"{name}-trustbundle", bundle)
        if self.release >= (6, 4):
            path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}"
            spec = {"podSelector": {"matchLabels": collector_labels(name)}, "ingress": [{}], "policyTypes": ["Ingress"]}
            policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}
            self.ensure(path, "networkpolicies", forwarder, f"collector-{name}", policy)
        for role in ["metadata-reader"] + ["metrics-auth"] * is_6:
            self.cluster_role_binding(f"cluster-logging-{namespace}-{name}-{role}", namespace, account)

    @staticmethod
    def service(name):
        ports = [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}]
        return {"apiVersion": "v1", "kind": "Service", "spec": {"selector": collector_labels(name), "ports": ports}}

    @staticmethod
    def holder(kind, data):
        return {"apiVersion": "v1", "kind": kind, "data": data}

    def ensure(self, path, resource, forwarder, name, wanted):
        """Makes it, or makes what is there look like it: labels, owner and content; other metadata stays."""
        meta = forwarder["metadata"]
        labels = collector_labels(meta["name"])
        owners = owner(forwarder, "ClusterLogForwarder", forwarder["apiVersion"])
        current = self.api.get(f"{path}/{resource}/{name}")
        if current is None:
            self.api.create(
                f"{path}/{resource}", {**wanted, "metadata": {"name": name, "labels": labels, "ownerReferences": owners}}
            )
            return
        found = current["metadata"]
        content = "data" if "data" in wanted else "spec"
        same = all(
            (current.get(content) or {}).get(key) == value for key, value in wanted[content].items()
        ) and (content == "spec" or set(current.get("data") or {}) == set(wanted["data"]))
        if same and found.get("labels") == labels and found.get("ownerReferences") == owners:
            return
        found.update(labels=labels, ownerReferences=owners)
        current[content] = {**(current.get("spec") or {}), **wanted["spec"]} if content == "spec" else wanted["data"]
        self.api.replace(f"{path}/{resource}/{name}", current)

    def cluster_role_binding(self, name, namespace, account):
        path, group = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "rbac.authorization.k8s.io"
        if self.api.get(f"{path}/{name}") is None:
            self.api.create(
                path,
                {
                    "apiVersion": f"{group}/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": name},
                    "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "metadata-reader"},
                    "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
                },
            )
