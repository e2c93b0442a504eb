"""Which penstock is tested, and how much slower than usual it may be."""

import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def binary_path() -> Path:
    """PENSTOCK_BINARY, else the release build."""
    return Path(os.environ.get("PENSTOCK_BINARY") or REPOSITORY / "build/release/penstock")


def is_sanitized() -> bool:
    """Whether the binary is one of the sanitizer presets', slower and larger than what is promised."""
    return binary_path().parent.name in ("asan", "tsan")


def sanitizer_runtime() -> str | None:
    """The library that must be loaded before any other, if the binary is a sanitizer's build."""
    if not is_sanitized():
        return None
    linked = subprocess.run(["ldd", binary_path()], capture_output=True, text=True, check=True).stdout
    return re.search(r"lib[at]san\S* => (\S+)", linked)[1]


# Every deadline of the tests is multiplied by this: PENSTOCK_TEST_PATIENCE, or 4 for a sanitizer's build. A deadline
# costs only the test that fails, so there is no reason to be short with a busy machine.
PATIENCE = float(os.environ.get("PENSTOCK_TEST_PATIENCE") or (4 if is_sanitized() else 1))
