#!/usr/bin/env python3
"""Keeps words that readers stumble over out of documents, help texts, messages and comments, as a test.

    tools/prose.py            checks this checkout; exit 1 and one line for each finding
    tools/prose.py FILE …     checks these files

Each entry is a pattern and what to write instead. Code in backticks and in code blocks is not prose. American spelling.
Of sources only comments and texts in quotes are read, of scripts and YAML the comments.
"""

import pathlib
import re
import sys

from tidy import tracked_files

ROOT = pathlib.Path(__file__).resolve().parent.parent
AMERICAN = "American spelling"

EVERYWHERE = {
    r"anew": "again, or: a new …",
    r"but for": "except, or: without",
    r"told by": "recognized by, or: chosen by",
    r"goes again|go again|sent anew": "is retried",
    r"asked again": "is probed",
    r"put down|set aside": "deferred, or: moved away",
    r"gone letters?": "replayed dead letters",
    r"lends|lent|lending": "lease",
    r"of somebody|of yours": "say whose",
    r"nothing to be had": "say what is missing",
    r"stands? in (?:doc|kinesis|the)": "is in",
    r"stands? in for": "replaces",
    r"it is held|the stream is held": "is paused",
    r"whilst|amongst": "while, among",
    r"utilis\w+|recognis\w+|authoris\w+|serialis\w+|normalis\w+|organis\w+|customis\w+": AMERICAN,
    r"colour\w*|behaviour\w*|neighbour\w*|honour\w*|labelled|cancelled|centre\w*": AMERICAN,
}
# Of documents alone: the words that readers search for.
IN_DOCUMENTS = {
    r"refus(?:e|es|ed|al|als|ing)": "reject",
    r"cures?|cured": "fix",
    r"for ever": "indefinitely, or: forever",
    r"as it came|as they came": "as received, or: unchanged",
    r"worked off": "delivered",
    r"under way": "in flight, or: in progress",
    r"made-up|makes? up": "generated",
    r"tries again|try again": "retries",
    r"stands still": "say what happens",
}


def compiled(*tables):
    return [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), instead)
            for table in tables for pattern, instead in table.items()]


DOCUMENT_WORDS, OTHER_WORDS = compiled(EVERYWHERE, IN_DOCUMENTS), compiled(EVERYWHERE)
# A name that is part of a promise is no prose: --utilisation, requested_behaviour.
NAMES = re.compile(r"`[^`]*`|--[\w-]+|\b\w*_\w+\b")
TEXT_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//.*')
HASH_COMMENT = re.compile(r"(?:^|\s)#.*")


def document_lines(text):
    """(line number, prose) without code blocks."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, line


def source_lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        for match in TEXT_OR_COMMENT.finditer(line):
            yield number, match[0]


def script_lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = HASH_COMMENT.search(line)
        if match:
            yield number, match[0]


KINDS = {".md": (document_lines, DOCUMENT_WORDS), ".cc": (source_lines, OTHER_WORDS), ".h": (source_lines, OTHER_WORDS),
         ".yaml": (script_lines, OTHER_WORDS), ".sh": (script_lines, OTHER_WORDS)}
# Samples are third-party texts. In the spool and in delivery "set aside" is a term of the format.
SKIPPED = ("tests/data/", "fuzz/corpus/", "src/spool/", "src/delivery/", "sim/")


def kind_of(path):
    if path.suffix in (".cc", ".h") and "test" in path.stem:
        return None
    if path.suffix == "" and path.parts[:1] == ("scripts",):
        return KINDS[".sh"]
    return KINDS.get(path.suffix)


def checked_files():
    return [name for name in tracked_files() if not str(name).startswith(SKIPPED)]


def findings_of(path, shown):
    kind = kind_of(shown)
    if kind is None:
        return
    lines, words = kind
    for number, line in lines(path.read_text(encoding="utf-8", errors="replace")):
        prose = NAMES.sub("``", line)
        for pattern, instead in words:
            for match in pattern.finditer(prose):
                yield f"{shown}:{number}: '{match[0]}': {instead}"


def main():
    named = [(pathlib.Path(name), pathlib.Path(name)) for name in sys.argv[1:]]
    files = named or [(ROOT / name, name) for name in checked_files()]
    findings = [finding for path, shown in files for finding in findings_of(path, shown)]
    print(*findings, sep="\n", end="\n" if findings else "", flush=True)
    print(f"prose: {len(findings)} findings in {len(files)} files", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
