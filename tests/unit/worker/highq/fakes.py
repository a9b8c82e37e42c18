"""Fakes of time, network and token store for the unit tests of worker/highq."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event

import httpx

from profile_image_sync.errors import StateUnavailable
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.retrying import RetryingClient
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import Transport
from profile_image_sync.worker.token_store import StoredTokens

URL = "https://acme.example/acme"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class MovedTime(Event):
    """A stop event whose waits move a clock instead of taking time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Move the clock; tell whether the run is asked to stop."""
        if timeout and not self.is_set():
            self.waits.append(timeout)
            self.seconds += timeout
        return self.is_set()

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.seconds += seconds

    def timing(self) -> Timing:
        """Return a Timing on this clock; jitter is always 0."""
        return Timing(
            stop=self,
            now=lambda: START + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
            jitter=lambda: 0.0,
        )


def calls_to(
    handler: Callable[[httpx.Request], httpx.Response],
    time: MovedTime,
    *,
    requests_per_minute: int | None = None,
) -> RetryingClient:
    """Build RetryingClient whose network is `handler`."""
    timing = time.timing()
    transport = Transport(URL, ca=None, timing=timing, http_transport=httpx.MockTransport(handler))
    return RetryingClient(transport, RateLimiter(timing, requests_per_minute), timing)


def error(status: int, ref: int | None = None, summary: str = "a summary") -> httpx.Response:
    """Response with HighQ's error body."""
    link = f"{URL}/api/2/error/1885"
    body = {"error": {"summary": summary, "ref": ref, "link": link}}
    return httpx.Response(status, content=json.dumps(body).encode())


class MemoryTokenStore:
    """A TokenStore that can be told to fail, and remembers what it was asked."""

    def __init__(self, stored: StoredTokens | None = None) -> None:
        self.stored = stored
        self.asked: list[str] = []
        self.replaced: list[StoredTokens | None] = []
        self.unwritable = False
        self.failing_writes = 0
        self.renewed_meanwhile: StoredTokens | None = None  # by another run, while we wait for it

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """See TokenStore."""
        self.asked.append("enter")
        self.stored = self.renewed_meanwhile or self.stored
        yield
        self.asked.append("leave")

    def read(self) -> StoredTokens | None:
        """See TokenStore."""
        return self.stored

    def check_writable(self) -> None:
        """See TokenStore."""
        self.asked.append("check_writable")
        if self.unwritable:
            raise StateUnavailable("no room")

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        """See TokenStore."""
        self.replaced.append(replaces)
        self.asked.append("write")
        if self.failing_writes:
            self.failing_writes -= 1
            raise StateUnavailable("no room")
        self.stored = tokens
