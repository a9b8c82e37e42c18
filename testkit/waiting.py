"""Waits for a condition that another process brings about; written once, so that every wait has an end.

A test that waits here fails with what it waited for, instead of with a timeout of the whole run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    description: str, probe: Callable[[], T | None], seconds: float = 60, *, interval: float = 0.2
) -> T:
    """Return the first true value of `probe`, asked every `interval` seconds. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{description}: not within {seconds:g} s")
        time.sleep(interval)
    return found
