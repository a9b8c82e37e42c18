"""Clocks, timeouts, jitter and interruptible waits for all calls to HighQ.

One object, so that tests replace time in one place and SIGTERM ends every wait at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from profile_image_sync.errors import Interrupted


def utc_now() -> datetime:
    """Return the time of day, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timing:
    """Everything that depends on when; tests bring their own."""

    stop: Event  # set on SIGTERM
    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic  # seconds
    sleep: Callable[[float], None] = time.sleep  # for what SIGTERM must not cut short
    jitter: Callable[[], float] = random.random  # 0 <= jitter() < 1
    connect_timeout: float = 10.0  # for a connection
    read_timeout: float = 60.0  # without a byte, in either direction
    response_timeout: float = 180.0  # for one response, however slowly it drips

    def wait(self, seconds: float) -> None:
        """Wait, and raise Interrupted as soon as the run is asked to stop; at once if it has been."""
        if self.stop.wait(seconds):
            raise Interrupted("asked to stop while talking to HighQ: the next run does the rest")

    def backoff(self, failures: int, longest: float) -> float:
        """Return how long to wait after so many failures (>= 1): 1, 2, 4 … seconds, half of it jitter."""
        return min(longest, 2.0 ** (failures - 1)) * (0.5 + self.jitter() / 2)
