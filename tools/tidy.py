#!/usr/bin/env python3
"""The rules of the source tree that neither the compiler nor clang-format hold, as a test.

    tools/tidy.py            checks the checkout it stands in; exit 1 and one line for each finding
    tools/tidy.py --ratchet  also finds limits of tools/tidy_exceptions.txt that could go down

Lines of at most 100 columns, functions of at most 70 lines, files of at most 500; includes only from
folders that the layers allow and that the folder's DEPENDS names; heavy headers kept out of headers;
no forbidden folder names; no source file that no CMakeLists.txt names; no leftovers; no host of a
package registry, no path of somebody's machine.

What may be longer stands in tools/tidy_exceptions.txt with its reason, as a ratchet: a limit there
may only go down.
"""

import ast
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS_MAX = 100
SCRIPT_COLUMNS_MAX = 120  # Python, shell, JavaScript: no formatter breaks their lines for us
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500

# Who may include whom. A folder's DEPENDS may name only these; its sources only what DEPENDS names.
ABOVE_ALL = {"base", "memory", "codec", "record", "metrics", "net", "auth", "protocol", "route",
             "spool", "kinesis_format", "kinesis", "ingest", "delivery", "config", "admin", "daemon", "cli"}
LAYERS = {
    "base": set(),
    "memory": {"base"},
    "codec": {"base"},
    "record": {"base", "memory", "codec"},
    "metrics": {"base", "record"},  # the ledger's snapshot is what a scrape shows
    "kinesis_format": {"base", "codec", "record", "route"},
    "net": {"base"},
    "auth": {"base", "net"},
    "protocol": {"base", "codec", "record"},
    "route": {"base", "codec", "record"},
    "spool": {"base", "memory", "codec", "record"},
    "kinesis": {"base", "codec", "net", "kinesis_format"},  # its 128-bit hash keys
    "ingest": {"base", "memory", "codec", "record", "net", "auth", "protocol", "route", "spool"},
    # A record's partition key is read from the record where the record is encoded: route names it.
    "delivery": {"base", "memory", "codec", "record", "net", "route", "spool", "kinesis_format",
                 "kinesis"},
    "config": {"base", "codec", "net", "kinesis"},
    "admin": ABOVE_ALL - {"admin", "daemon", "cli"},
    "daemon": ABOVE_ALL - {"daemon", "cli"},
    "cli": ABOVE_ALL - {"cli"},
}
PURE = {"base", "codec", "record", "protocol", "route", "kinesis_format"}
FOR_ALL_BUT_PURE = "metrics/counter.h"  # header-only

HEAVY = re.compile(r"^(boost/(asio|beast)|openssl/(?!types)|curl/|yaml-cpp/|CLI/|simdjson|nlohmann/)")
HEAVY_ALLOWED = {"net", "auth", "ingest", "kinesis", "delivery"}
FORBIDDEN_FOLDERS = {"utils", "util", "common", "helpers", "misc", "manager", "managers"}

CPP = {".h", ".cc"}
SCRIPTS = {".py", ".sh", ".js"}
LEFTOVERS = re.compile(r"\b(FIXME|TODO|XXX|HACK)\b")
# Written in pieces so that this file does not name them itself.
REGISTRIES = re.compile("|".join(re.escape(a + b) for a, b in [
    ("npm", "js.org"), ("npm", "js.com"), ("yarn", "pkg.com"), ("py", "pi.org"),
    ("python", "hosted.org"), ("crates", ".io"), ("ruby", "gems.org"), ("proxy.", "golang.org"),
    ("sum.", "golang.org")]))
MACHINE_PATHS = re.compile(r"(?<![\w.$}{-])/(" + "wo" + "rk" + r"|home/[a-z]+)/")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')

# penstock:1.2.3, penstock-1.2.3, penstock_1.2.3, version: 1.2.3 and appVersion: "1.2.3" of the chart, VERSION=1.2.3
VERSIONS = re.compile(r'(?:\bpenstock[:_-]|^(?:appV|v)ersion: "?|\bVERSION=)(\d+\.\d+\.\d+)')

findings = []


def report(path, line, text):
    where = f"{path}:{line}" if line else str(path)
    findings.append(f"{where}: {text}")


def tracked_files():
    """Relative paths of what belongs to the project."""
    try:
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], capture_output=True, check=True)
        names = [name for name in listed.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        skipped = {"build", "node_modules", "__pycache__", ".git"}
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if path.is_file() and not skipped & set(path.relative_to(ROOT).parts)]
    return [pathlib.Path(name) for name in sorted(names) if (ROOT / name).is_file()]


def read(path):
    """The text of a file, or None when it is not text."""
    content = (ROOT / path).read_bytes()
    if b"\0" in content[:8192]:
        return None
    return content.decode("utf-8", "replace")


# ---- exceptions ----------------------------------------------------------------------------------

class Exceptions:
    """Lines `KIND PATH[::FUNCTION] LIMIT  reason`. PATH may be a pattern such as tests/*.py.

    KIND is function (its lines), file (its lines), columns (how many lines of a file are too long)
    or heavy (1: a header that includes heavy ones).
    """

    def __init__(self):
        self.limits = []  # (kind, pattern, limit, line)
        self.needed = {}  # line: the largest value that asked for it
        self.path = pathlib.Path("tools/tidy_exceptions.txt")
        for number, line in enumerate((ROOT / self.path).read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split(None, 3)
            if len(parts) < 4 or not parts[2].isdigit():
                report(self.path, number, "expected: KIND PATH LIMIT reason")
                continue
            self.limits.append((parts[0], parts[1], int(parts[2]), number))

    def allows(self, kind, name, value, limit):
        if value <= limit:
            return True
        for each_kind, pattern, allowed, number in self.limits:
            if each_kind == kind and fnmatch.fnmatchcase(name, pattern) and value <= allowed:
                self.needed[number] = max(self.needed.get(number, 0), value)
                return True
        return False

    def report_slack(self):
        for _, pattern, allowed, number in self.limits:
            needed = self.needed.get(number, 0)
            if needed == 0:
                report(self.path, number, f"{pattern} needs no exception any more: remove it")
            elif needed < allowed:
                report(self.path, number, f"{pattern} has {needed} now: lower the limit")


# ---- C++ -----------------------------------------------------------------------------------------

CPP_NOISE = re.compile(
    r"^[ \t]*#(?:[^\n\\]|\\.)*"                # preprocessor lines, continued ones too
    r'|R"([^()\\ ]{0,16})\(.*?\)\1"'            # raw strings
    r"|//[^\n]*|/\*.*?\*/"                      # comments
    r'|"(?:\\.|[^"\\\n])*"'                     # strings
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",    # characters, not digit separators
    re.S | re.M)
NOT_A_FUNCTION = re.compile(r"^\s*(if|for|while|switch|catch|else|do|try|namespace|class|struct|union|"
                            r"enum|extern)\b|=\s*$|\breturn\s*$|,\s*$")
FUNCTION_HEAD = re.compile(r"([~\w:]+(?:<[^{};]*>)?|operator\S*)\s*\([^{};]*\)[^{};()=]*"
                           r"(?:\([^{};]*\)[^{};()]*)*$", re.S)


def without_noise(text):
    """Strings and comments blanked, line breaks kept."""
    return CPP_NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def cpp_functions(text):
    """(name, first line, last line) of every outermost function body."""
    clean = without_noise(text)
    depth = 0
    head_start = 0
    inside = None  # (depth, name, line) of the function being read
    line = 1
    for i, c in enumerate(clean):
        if c == "\n":
            line += 1
        elif c == "{":
            if inside is None:
                head = clean[head_start:i].strip()
                match = FUNCTION_HEAD.search(head)
                if match and not NOT_A_FUNCTION.search(head):
                    first = clean.count("\n", 0, i) + 1 - head[match.start():].count("\n")
                    inside = (depth, match.group(1), first)
            depth += 1
            head_start = i + 1
        elif c == "}":
            depth -= 1
            head_start = i + 1
            if inside is not None and depth == inside[0]:
                yield inside[1], inside[2], line
                inside = None
        elif c == ";":
            head_start = i + 1


def py_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


def check_functions(path, text, exceptions):
    functions = cpp_functions(text) if path.suffix in CPP else py_functions(text)
    for name, first, last in functions:
        length = last - first + 1
        if not exceptions.allows("function", f"{path}::{name}", length, FUNCTION_LINES_MAX):
            report(path, first, f"{name} has {length} lines, at most {FUNCTION_LINES_MAX} are allowed")


# ---- layers --------------------------------------------------------------------------------------

def cmake_lists(folder):
    """{keyword: words} of the folder's penstock_module() call."""
    text = re.sub(r"#[^\n]*", "", (ROOT / "src" / folder / "CMakeLists.txt").read_text())
    call = re.search(r"penstock_module\((.*?)\)", text, re.S)
    lists, keyword = {}, None
    for word in call.group(1).split() if call else []:
        if re.fullmatch(r"[A-Z_]+", word):
            keyword = word
            lists[keyword] = []
        else:
            lists.setdefault(keyword, []).append(word)
    return lists


def check_layers(files):
    folders = {path.parts[1] for path in files if len(path.parts) > 2 and path.parts[0] == "src"}
    for folder in sorted(folders):
        if folder not in LAYERS:
            report(f"src/{folder}", 0, "is no folder of the layers in tools/tidy.py")
            continue
        if not (ROOT / "src" / folder / "CMakeLists.txt").exists():
            continue
        lists = cmake_lists(folder)
        depends = set(lists.get("DEPENDS", []))
        may = LAYERS[folder] | (set() if folder in PURE else {"metrics"})  # for metrics/counter.h
        for name in sorted(depends - may):
            report(f"src/{folder}/CMakeLists.txt", 0, f"{folder} may not depend on {name}")
        for_tests = depends | set(lists.get("TEST_DEPENDS", []))
        test_files = {name for key in ("TESTS", "BENCHES", "FUZZERS", "TEST_SOURCES")
                      for name in lists.get(key, [])}
        for path in files:
            if path.parts[:2] == ("src", folder) and path.suffix in CPP:
                in_folder = str(path.relative_to(f"src/{folder}"))
                is_test = in_folder in test_files or "test" in path.stem or "fuzz" in path.stem
                check_includes(path, folder, for_tests if is_test else depends, is_test)


def reachable(folders):
    """The folders and all that these may use: what a DEPENDS brings along."""
    todo, seen = list(folders), set()
    while todo:
        folder = todo.pop()
        if folder not in seen:
            seen.add(folder)
            todo += LAYERS.get(folder, set()) - {"metrics"}
    return seen


def check_includes(path, folder, depends, is_test):
    allowed = reachable(depends) | {folder}
    for number, line in enumerate(read(path).splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        if path.suffix == ".h" and not is_test and folder not in HEAVY_ALLOWED and HEAVY.match(name):
            if not EXCEPTIONS.allows("heavy", str(path), 1, 0):
                report(path, number, f"keep {name} out of headers: include it in the .cc")
        if match.group(1) != '"' or "/" not in name:
            continue
        target = name.split("/")[0]
        if target not in LAYERS or target in allowed:
            continue
        if name == FOR_ALL_BUT_PURE and folder not in PURE:
            continue
        report(path, number, f"{folder} may not include {name}: DEPENDS does not name {target}")


# ---- the tree ------------------------------------------------------------------------------------

def check_orphans(files):
    named = ""
    for path in files:
        if path.name == "CMakeLists.txt" or path.suffix == ".cmake":
            named += read(path)
    for path in files:
        if path.suffix == ".cc" and not re.search(rf"(?<![\w-]){re.escape(path.name)}\b", named):
            report(path, 0, "no CMakeLists.txt names it")


def check_folders(files):
    for folder in sorted({part for path in files for part in path.parts[:-1]} & FORBIDDEN_FOLDERS):
        report(folder, 0, "is no name for a folder: say what it holds")


def check_text(path, text, exceptions):
    lines = text.split("\n")
    generated = path.parts[0] == "tests" and "data" in path.parts or path.parts[0] == "fuzz"
    if generated or path == pathlib.Path("tools/tidy.py"):
        return
    checked = path.suffix in CPP | SCRIPTS | {".cmake"} or path.name == "CMakeLists.txt"
    columns_max = SCRIPT_COLUMNS_MAX if path.suffix in SCRIPTS else COLUMNS_MAX
    if path.suffix in CPP | {".py"}:
        count = len(lines) - 1
        if not exceptions.allows("file", str(path), count, FILE_LINES_MAX):
            report(path, 0, f"{count} lines: a file over {FILE_LINES_MAX} is asking to be two")
    too_long = [number for number, line in enumerate(lines, 1) if len(line) > columns_max]
    if checked and too_long and not exceptions.allows("columns", str(path), len(too_long), 0):
        for number in too_long:
            report(path, number, f"{len(lines[number - 1])} columns, at most {columns_max} are allowed")
    for number, line in enumerate(lines, 1):
        if LEFTOVERS.search(line):
            report(path, number, "a leftover: do it, or write down why it is not needed")
        if REGISTRIES.search(line):
            report(path, number, "names a package registry's host: leave that to the tools")
        if MACHINE_PATHS.search(line):
            report(path, number, "names a path of one machine")
    if checked and text and not text.endswith("\n"):
        report(path, len(lines), "does not end with a line break")


def check_version(files):
    """Chart, image and documents name the version that CMakeLists.txt declares."""
    declared = re.search(r"^project\(penstock VERSION (\S+)", read(pathlib.PurePath("CMakeLists.txt")), re.M)[1]
    for path in files:
        if path.parts[0] not in {"deploy", "doc", "README.md"} or path.suffix in {".json", ".svg"}:
            continue
        for number, line in enumerate((read(path) or "").split("\n"), 1):
            for version in VERSIONS.findall(line):
                if version != declared:
                    report(path, number, f"version {version}, but CMakeLists.txt declares {declared}")


EXCEPTIONS = None


def main():
    global EXCEPTIONS
    EXCEPTIONS = Exceptions()
    files = tracked_files()
    check_folders(files)
    check_orphans(files)
    check_layers(files)
    check_version(files)
    for path in files:
        text = read(path)
        if text is None:
            continue
        check_text(path, text, EXCEPTIONS)
        if path.suffix in CPP | {".py"} and path.parts[0] != "fuzz":
            check_functions(path, text, EXCEPTIONS)
    if "--ratchet" in sys.argv[1:]:
        EXCEPTIONS.report_slack()
    for finding in findings:
        print(finding)
    if findings:
        print(f"tidy: {len(findings)} findings in {len(files)} files", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
