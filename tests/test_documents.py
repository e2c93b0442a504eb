"""The commands that the documents show are commands that there are: programs, subcommands, options, AWS operations.
That they do what the text says is for the tests of each: quickstart, archive guide, readers, the guide for OpenShift."""

import functools
import re
import shlex
import subprocess
from pathlib import Path

import botocore.session
import pytest

from harness.daemon import run_command

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), ROOT / "tests/README.md", ROOT / "deploy/helm/penstock/README.md",
                    *(ROOT / "doc").glob("*.md")])
AWS_GLOBAL = {"--query", "--output", "--region", "--endpoint-url", "--profile"}
# Commands of the CLI itself, no operations of the service.
AWS_CUSTOM = {("cloudformation", "deploy"), ("s3", "sync")}


def shown(document: Path) -> list[str]:
    """The lines of shell blocks, continuation lines joined, and what stands between backquotes."""
    text = document.read_text()
    blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", text, re.M | re.S)
    lines = [line for block in blocks for line in re.sub(r"\\\n", " ", block).splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))


def commands(document: Path, programs: str) -> list[list[str]]:
    """Words of each command that begins with one of these (a pattern), wherever in a line it stands."""
    found = []
    for line in shown(document):
        line = re.sub(r"\bsudo (-u \w+ )?", "", line)
        for match in re.finditer(rf"(?:^|[\s$(|;&\"'-])((?:\./)?(?:{programs})(?:\s.*)?)$", line):
            command = re.split(r" \||\|$|&&|;| &$|\)[\"']?$|\)\"|  #| > | < |\s#\s", match[1])[0]
            command = re.sub(r"\$\([^)]*\)?|[…\[\]]", " ", command)
            try:
                found.append(shlex.split(command))
            except ValueError:  # a quotation that the split has cut
                found.append(command.replace("'", "").replace('"', "").split())
    return found


@functools.cache
def help_of(*program: str) -> str:
    if program[0] == "penstock":
        done = run_command(*program[1:], "--help")
    else:
        done = subprocess.run([ROOT / program[0], "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(program)} --help: {done.stderr}"
    return done.stdout


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w-]*)", text))


def subcommands_in(text: str) -> set[str]:
    block = re.search(r"^Subcommands:\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    return set(re.findall(r"^  ([a-z-]+)", block[1], re.M)) if block else set()


def misfits(command: list[str]) -> list[str]:
    """What of a command of penstock, or of a script, is not in its help."""
    program = command[0].removeprefix("./")
    path, rest = [program], command[1:]
    known = options_in(help_of(*path))
    while rest and (names := subcommands_in(help_of(*path))):
        if rest[0] in names:
            path.append(rest.pop(0))
            known |= options_in(help_of(*path))
        elif rest[0].startswith("-"):
            rest.pop(0)
        elif "|" in rest[0]:  # "ls|dump": several at once
            return [name for name in rest[0].split("|") if name not in names]
        elif re.fullmatch(r"[A-Z_]+", rest[0]):  # "penstock COMMAND --help"
            return []
        else:
            return [rest[0]]
    used = {re.split(r"[=|]", word)[0] for word in rest if re.match(r"--?[A-Za-z]", word)}
    return sorted(used - known - {"--help"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documents_show_commands_of_ours_that_there_are(document):
    for command in commands(document, r"penstock|scripts/[\w-]+(?:\.sh)?"):
        if command[0].removeprefix("./") in ("scripts/dependencies", "scripts/lib"):
            continue
        if command[0] == "penstock" and len(command) > 1 and not re.match(r"[a-z][a-z-]*(\||$)|[A-Z]+$", command[1]):
            continue  # a host of that name, or a sentence about it
        assert not misfits(command), f"{document.name}: {' '.join(command)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documents_show_operations_of_aws_that_there_are(document):
    session = botocore.session.get_session()
    for _, service, operation, *words in (c for c in commands(document, "aws") if len(c) > 2):
        if (service, operation) in AWS_CUSTOM:
            continue
        client = session.create_client({"s3api": "s3"}.get(service, service), region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        if operation == "wait":
            assert words[0].replace("-", "_") in client.waiter_names, f"{document.name}: {service} wait {words[0]}"
            continue
        names = {botocore.xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
        assert operation in names, f"{document.name}: aws {service} {operation}"
        shape = client.meta.service_model.operation_model(names[operation]).input_shape
        known = {"--" + botocore.xform_name(member, "-") for member in shape.members} | AWS_GLOBAL
        used = {word for word in words if word.startswith("--")}
        assert used <= known, f"{document.name}: aws {service} {operation}: {used - known}"


def test_a_wrong_command_is_found():
    assert misfits(["penstock", "tail", "--stream", "a", "--form", "oldest"]) == ["--form"]
    assert misfits(["penstock", "spool", "fsck", "DIR"]) == ["fsck"]
    assert misfits(["penstock", "dead-letter", "ls|drop"]) == ["drop"]
    assert misfits(["./scripts/prove", "--cycle", "5"]) == ["--cycle"]
    assert misfits(["penstock", "spool", "ls", "DIR"]) == []
