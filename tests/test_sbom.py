"""The list of parts that the image carries (deploy/sbom): all that is installed, and all that is compiled in."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness.binary import REPOSITORY, binary_path

DEPLOY = REPOSITORY / "deploy"


def output(*command, **options) -> str:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **options).stdout


def sbom(compiled_in, **options):
    document = json.loads(output(DEPLOY / "sbom", "penstock", "1.2.3", compiled_in, **options))
    packages = {package["SPDXID"]: package for package in document["packages"]}
    assert len(packages) == len(document["packages"]), "identifiers are unique"
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", name) for name in packages)
    related = {(r["relationshipType"], r["relatedSpdxElement"]) for r in document["relationships"]}
    assert {name for _, name in related} == set(packages), "each package has its relationship, and each of those a package"
    return packages, related


@pytest.fixture
def compiled_in(tmp_path):
    if not (binary_path().parent / ".ninja_deps").exists():
        pytest.skip(f"{binary_path()} does not lie in the folder that it was built in")
    file = tmp_path / "compiled-in"
    file.write_text(output(DEPLOY / "compiled-in", binary_path().parent, binary_path()))
    return file


def test_it_names_all_that_is_installed_and_all_that_is_compiled_in(compiled_in):
    packages, related = sbom(compiled_in)

    found = {(p["name"], p["versionInfo"]) for p in packages.values()}
    listed = output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n").splitlines()
    installed = [tuple(line.split()[1:]) for line in listed if line.startswith("installed ")]
    assert found >= set(installed) and len(installed) > 100
    for library in set(output(DEPLOY / "linked-packages", binary_path()).split()):
        assert any(name == library for name, _ in installed), "what it is linked with is installed"
    parts = {packages[name]["name"] for relation, name in related if relation == "STATIC_LINK"}
    assert parts == {line.split()[0] for line in compiled_in.read_text().splitlines()}
    assert parts == {"boost1.81", "cli11", "nlohmann-json3", "tl-expected"}, "headers with code in them; nothing shared"
    purls = [r["referenceLocator"] for p in packages.values() for r in p.get("externalRefs", [])]
    assert all(re.fullmatch(r"pkg:deb/\w+/[^@ ]+@[^?+~: ]+\?\S+", purl) for purl in purls) and len(purls) > 100


def test_on_a_system_of_rpms_it_lists_those(tmp_path):
    """On UBI: rpm instead of dpkg-query. Lines as rpm writes them by the format that is asked for."""
    for tool in ("sh", "cat", "date", "sort", "grep"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    rpm = tmp_path / "rpm"
    lines = (
        "openssl-libs 3.2.2-6.el9_5.1 x86_64 openssl-3.2.2-6.el9_5.1.src.rpm",
        "libstdc++ 11.5.0-5.el9_5 x86_64 gcc-11.5.0-5.el9_5.src.rpm",
        "gpg-pubkey fd431d51-4ae0493b (none) (none)",
    )
    wanted = r"%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\n"
    rpm.write_text(f"#!/bin/sh\n[ \"$1 $2 $3\" = '-qa --qf {wanted}' ] || exit 9\nprintf '%s\\n' '{lines[0]}' '{lines[1]}' '{lines[2]}'\n")
    rpm.chmod(0o755)
    part = tmp_path / "compiled-in"
    part.write_text("libzstd 1.5.4+dfsg2-5\n")

    packages, related = sbom(part, env={**os.environ, "PATH": str(tmp_path)})

    assert packages["SPDXRef-rpm-openssl-libs-x86-64"]["versionInfo"] == "3.2.2-6.el9_5.1"
    assert "pkg:rpm/" in packages["SPDXRef-rpm-libstdc---x86-64"]["externalRefs"][0]["referenceLocator"]
    assert ("STATIC_LINK", "SPDXRef-compiled-in-libzstd") in related and len(packages) == 4
