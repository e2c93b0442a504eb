"""Waiting for something to be so, with a deadline and a word on what was waited for."""

import time
from typing import Callable, TypeVar

from .binary import PATIENCE

T = TypeVar("T")
POLL_S = 0.02


def wait_until(condition: Callable[[], T], what: str, deadline_s: float = 30.0) -> T:
    """Returns the first true value of `condition`; fails with `what` and the last value when time is up."""
    deadline_s *= PATIENCE
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what} (last seen: {value!r})")
        time.sleep(POLL_S)
