"""The archive for an analysis has what one needs, and no secret."""

import base64
import tarfile

from cluster import LOGGING
from scripts_under_test import SECRETS
from test_generations import FORWARDER, NAME


def test_the_bundle_has_what_an_analysis_needs_and_no_secret(cluster, scripts):
    cluster.openshift("6.6")
    hidden = ["env-of-the-user", "pass-of-the-proxy", "header-of-the-user"]
    values = scripts.folder / "values.yaml"
    values.write_text(
        f"env: [{{name: MY_API_KEY, value: {hidden[0]}}}]\nproxy: {{httpsProxy: 'http://me:{hidden[1]}@proxy.example.com:3128'}}\n"
    )
    assert scripts.install("--values", str(values)) == 0
    path = cluster.resource("Observability", FORWARDER)
    theirs = cluster.api.get(path)
    theirs["spec"]["outputs"][0]["http"]["headers"] = {"X-Whatever": hidden[2]}
    cluster.api.replace(path, theirs)
    before = cluster.api.snapshot(versions=True)
    archive = scripts.folder / "bundle.tar.gz"

    assert scripts.run("support-bundle", "--output", str(archive)) == 0

    assert cluster.api.snapshot(versions=True) == before
    with tarfile.open(archive) as bundle:
        files = {m.name.partition("/")[2]: bundle.extractfile(m).read().decode() for m in bundle.getmembers() if m.isfile()}
    for name in ("versions/cluster.txt", "versions/release.json", "objects/install-record.json", f"pods/{NAME}-1/metrics.txt"):
        assert files[name]
    assert '"kind": "StatefulSet"' in files["objects/forwarder.json"] and "penstock.yaml" in files["objects/forwarder.json"]
    assert FORWARDER in files["objects/clusterlogforwarders.observability.openshift.io.json"]
    assert "log_type: audit" in files[f"pods/{NAME}-0/status.json"]
    assert files[f"pods/{NAME}-0/version.txt.error"], "no pod runs here; why there is no answer is said"
    secrets = [*hidden, *SECRETS.values()]
    for value in cluster.core("secrets", f"{NAME}-auth")["data"].values():
        secrets += [value, base64.b64decode(value).decode()]
    for name, text in files.items():
        for secret in secrets:
            assert secret not in text and base64.b64encode(secret.encode()).decode() not in text, (name, secret)
    assert LOGGING in files["objects/forwarder.json"]
