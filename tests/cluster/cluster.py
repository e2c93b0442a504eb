"""etcd and kube-apiserver as child processes, and the states of OpenShift that tests start from."""

import http.client
import json
import pathlib
import subprocess
import sys
import time

from api import Api, ApiError, wait_until
from openshift_crds import MONITORING, RELEASES
from stand_in import StandIn

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness.ports import free_port  # noqa: E402

LOGGING = "openshift-logging"
ADMIN_TOKEN, LIMITED_TOKEN = "admin-of-the-test", "limited-of-the-test"
LOG_TYPES = ("application", "infrastructure", "audit")


class Cluster:
    def __init__(self, tools: pathlib.Path, folder: pathlib.Path):
        self.tools, self.folder = tools, folder
        self.processes = []
        self.kubeconfig = folder / "kubeconfig"
        self.limited_kubeconfig = folder / "kubeconfig-limited"

    def spawn(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        # Ends with this process, however that ends.
        bound = ["setpriv", "--pdeathsig", "KILL", "--", *(str(c) for c in command)]
        self.processes.append(subprocess.Popen(bound, stdout=log, stderr=subprocess.STDOUT))

    def start(self):
        etcd, peer, port = free_port(), free_port(), free_port()
        self.certificates()
        self.spawn(
            "etcd",
            "etcd",
            "--data-dir",
            self.folder / "etcd",
            "--unsafe-no-fsync" if self.etcd_knows("unsafe-no-fsync") else "--force-new-cluster=false",
            "--listen-client-urls",
            f"http://127.0.0.1:{etcd}",
            "--advertise-client-urls",
            f"http://127.0.0.1:{etcd}",
            "--listen-peer-urls",
            f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls",
            f"http://127.0.0.1:{peer}",
            "--initial-cluster",
            f"default=http://127.0.0.1:{peer}",
        )
        (self.folder / "tokens.csv").write_text(
            f'{ADMIN_TOKEN},admin,1,"system:masters"\n{LIMITED_TOKEN},limited,2\n'
        )
        self.spawn(
            "kube-apiserver",
            self.tools / "kube-apiserver",
            "--etcd-servers",
            f"http://127.0.0.1:{etcd}",
            "--secure-port",
            port,
            "--bind-address",
            "127.0.0.1",
            "--advertise-address",
            "192.0.2.1",
            "--tls-cert-file",
            self.folder / "server.crt",
            "--tls-private-key-file",
            self.folder / "server.key",
            "--token-auth-file",
            self.folder / "tokens.csv",
            "--authorization-mode",
            "RBAC",
            "--service-account-issuer",
            "https://kubernetes.default.svc",
            "--service-account-key-file",
            self.folder / "sa.key",
            "--service-account-signing-key-file",
            self.folder / "sa.key",
            "--service-cluster-ip-range",
            "10.96.0.0/16",
            "--disable-admission-plugins",
            "ServiceAccount,StorageObjectInUseProtection",
            "--v",
            "0",
        )
        self.api = Api(port, ADMIN_TOKEN, str(self.folder / "server.crt"))
        for path, token in ((self.kubeconfig, ADMIN_TOKEN), (self.limited_kubeconfig, LIMITED_TOKEN)):
            self.write_kubeconfig(path, port, token)
        wait_until(self.ready, 300, "the API server; see " + str(self.folder / "kube-apiserver.log"))
        self.stand_in = StandIn(Api(port, ADMIN_TOKEN, str(self.folder / "server.crt")))
        self.stand_in.run_in_job = self.run_in_job
        self.stand_in.start()

    def run_in_job(self, token, command, environment):
        """What a Job's container does, with `oc` on its PATH and the rights of its ServiceAccount; its exit code."""
        folder = self.folder / "job"
        folder.mkdir(exist_ok=True)
        if not (folder / "oc").exists():
            (folder / "oc").symlink_to(self.tools / "kubectl")
        self.write_kubeconfig(folder / "kubeconfig", self.api.port, token)
        env = {"PATH": f"{folder}:/usr/bin:/bin", "KUBECONFIG": str(folder / "kubeconfig"), **environment, "HOME": str(folder)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        print(f"$ job\n{done.stdout}{done.stderr}-> {done.returncode}")
        return done.returncode

    @staticmethod
    def etcd_knows(flag):
        return (
            flag
            in subprocess.run(["etcd", "--help"], capture_output=True, text=True).stderr
            + subprocess.run(["etcd", "--help"], capture_output=True, text=True).stdout
        )

    def certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            2,
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            self.folder / "server.key",
            "-out",
            self.folder / "server.crt",
        )
        openssl("genrsa", "-out", self.folder / "sa.key", 2048)

    def write_kubeconfig(self, path, port, token):
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {
                                "server": f"https://127.0.0.1:{port}",
                                "certificate-authority": str(self.folder / "server.crt"),
                            },
                        }
                    ],
                    "users": [{"name": "test", "user": {"token": token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        path.chmod(0o600)

    def ready(self):
        """The server says so, and what it makes by itself in the first seconds is complete."""
        assert all(p.poll() is None for p in self.processes), "a server has ended; see " + str(self.folder)
        try:
            self.api.call("GET", "/readyz", parse=False)
            if self.api.get("/api/v1/namespaces/default/services/kubernetes") is None:
                return False
            before = self.api.snapshot()
            time.sleep(1)
            return before == self.api.snapshot()
        except (ApiError, OSError, http.client.HTTPException):
            return False

    def stop(self):
        self.stand_in.stop()
        for process in self.processes:  # nothing of theirs is wanted any more
            process.kill()
        for process in self.processes:
            process.wait(120)

    # ---- states to start from ---------------------------------------------------------------------------

    def wipe(self):
        """Deletes whatever a test left, so that none depends on another."""
        with self.stand_in.at_work:  # else it makes anew, or has just made, what is deleted here
            self.wipe_all()
        self.stand_in.reset()

    def wipe_all(self):
        api = self.api
        for crd in api.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
            api.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}")
        workloads = ["/apis/apps/v1/deployments", "/apis/apps/v1/statefulsets", "/apis/apps/v1/daemonsets"]
        self.stand_in.operator.senders = []
        rest = [
            "/apis/autoscaling/v2/horizontalpodautoscalers",
            "/apis/policy/v1/poddisruptionbudgets",
            "/apis/networking.k8s.io/v1/networkpolicies",
            "/apis/rbac.authorization.k8s.io/v1/roles",
            "/apis/rbac.authorization.k8s.io/v1/rolebindings",
            "/apis/batch/v1/jobs",
            "/api/v1/pods",
            "/api/v1/persistentvolumeclaims",
            "/api/v1/secrets",
            "/api/v1/services",
            "/api/v1/serviceaccounts",
            "/api/v1/configmaps",
        ]
        for path in workloads + rest:
            prefix, resource = path.rsplit("/", 1)
            for item in api.items(path):
                namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
                if namespace not in (LOGGING, "elsewhere"):
                    continue
                api.delete(f"{prefix}/namespaces/{namespace}/{resource}/{name}")
        for kind in ("clusterrolebindings", "clusterroles"):
            for item in api.items(f"/apis/rbac.authorization.k8s.io/v1/{kind}"):
                if "bootstrapping" not in json.dumps(item["metadata"].get("labels", {})) and not item["metadata"][
                    "name"
                ].startswith("system:"):
                    api.delete(f"/apis/rbac.authorization.k8s.io/v1/{kind}/{item['metadata']['name']}")
        wait_until(
            lambda: not api.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"), what="the CRDs to go"
        )

    def namespace(self, name):
        if self.api.get(f"/api/v1/namespaces/{name}") is None:
            self.api.create(
                "/api/v1/namespaces",
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {
                        "name": name,
                        "labels": {
                            "pod-security.kubernetes.io/enforce": "restricted",
                            "openshift.io/cluster-monitoring": "true",
                        },
                    },
                },
            )

        # In every namespace of a real cluster.
        self.api.create(
            f"/api/v1/namespaces/{name}/configmaps",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "CA"}},
        )

    def install_crd(self, crd):
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.api.create(path, crd)
        group, version, plural = (
            crd["spec"]["group"],
            crd["spec"]["versions"][0]["name"],
            crd["spec"]["names"]["plural"],
        )
        wait_until(
            lambda: (self.api.get(f"/apis/{group}/{version}/{plural}") or {}).get("items") is not None,
            what=f"{plural} to be served",
        )
        wait_until(
            lambda: any(
                r["name"] == plural
                for r in (self.api.get(f"/apis/{group}/{version}") or {"resources": []})["resources"]
            ),
            what=f"{plural} in discovery",
        )

    def openshift(self, release, *, collector=None, log_store=True, operator=True, cluster_logging=True):
        """The cluster as `release` of OpenShift Logging leaves it, with its operator running."""
        self.stand_in.operator.release = tuple(int(part) for part in release.split("."))
        self.namespace(LOGGING)
        for crd in RELEASES[release] + MONITORING:
            self.install_crd(crd)
        if operator:
            labels = {"name": "cluster-logging-operator"}
            self.api.create(
                f"/apis/apps/v1/namespaces/{LOGGING}/deployments",
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": "cluster-logging-operator"},
                    "spec": {
                        "selector": {"matchLabels": labels},
                        "template": {
                            "metadata": {"labels": labels},
                            "spec": {"containers": [{"name": "operator", "image": "operator"}]},
                        },
                    },
                },
            )
        if cluster_logging and not release.startswith("6"):
            spec = {
                "managementState": "Managed",
                "collection": {"type": collector} if collector else {"logs": {"type": "fluentd", "fluentd": {}}},
            }
            if log_store:
                self.api.create(
                    f"/api/v1/namespaces/{LOGGING}/secrets",
                    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fluentd"}, "data": {}},
                )
                spec["logStore"] = {"type": "elasticsearch"}
            self.api.create(
                f"/apis/logging.openshift.io/v1/namespaces/{LOGGING}/clusterloggings",
                {
                    "apiVersion": "logging.openshift.io/v1",
                    "kind": "ClusterLogging",
                    "metadata": {"name": "instance"},
                    "spec": spec,
                },
            )
        for log_type in LOG_TYPES:
            self.api.create(
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRole",
                    "metadata": {"name": f"collect-{log_type}-logs"},
                    "rules": [
                        {
                            "apiGroups": ["logging.openshift.io", "observability.openshift.io"],
                            "resources": ["logs"],
                            "resourceNames": [log_type],
                            "verbs": ["collect"],
                        }
                    ],
                },
            )
        if operator:
            self.settle()

    def settle(self):
        """Waits until the stand-in has looked at everything twice in a row and found nothing to do."""
        start = self.stand_in.rounds
        wait_until(
            lambda: self.stand_in.rounds >= start + 3 and self.stand_in.quiet_rounds >= 2, what="the cluster to come to rest"
        )

    def resource(self, kind, name="instance", namespace=LOGGING):
        paths = {
            "LogForwarding": "logging.openshift.io/v1alpha1/{}/logforwardings",
            "ClusterLogForwarder": "logging.openshift.io/v1/{}/clusterlogforwarders",
            "Observability": "observability.openshift.io/v1/{}/clusterlogforwarders",
            "ClusterLogging": "logging.openshift.io/v1/{}/clusterloggings",
        }
        return ("/apis/" + paths[kind].format(f"namespaces/{namespace}") + f"/{name}").rstrip("/")

    def core(self, kind, name, namespace=LOGGING):
        return self.api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
