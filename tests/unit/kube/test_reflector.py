"""One watch and its failures, with an API server that answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from profile_image_sync.kube.errors import ApiExpired, ApiForbidden, ApiUnavailable
from profile_image_sync.kube.reflector import LAST_RETRY_SECONDS, Reflector
from profile_image_sync.kube.store import ObjectStore, Selection
from profile_image_sync.kube.watch import WatchEvent

JOBS = Selection("Job", "a")


class FakeClient:
    """Plays a script: each listing and each watch takes the next step; after the last one it stops."""

    def __init__(self, *script: Exception | list[WatchEvent] | int) -> None:
        self.script = list(script)
        self.asked: list[str] = []
        self.pauses: list[float] = []
        self.reflector: Reflector | None = None
        self.now = 0.0

    def list_all(self, *_: Any, **__: Any) -> tuple[list[Any], int]:
        """Return an empty listing of the version that the script says."""
        self.asked.append("list")
        version = self._next()
        assert isinstance(version, int)
        return [], version

    @contextmanager
    def watch(self, *_: Any, version: int, **__: Any) -> Iterator[Iterator[WatchEvent]]:
        """Give the events of the script."""
        self.asked.append(f"watch {version}")
        events = self._next()
        assert isinstance(events, list)
        yield iter(events)
        self.now += 0 if events == [] else 60

    def _next(self) -> list[WatchEvent] | int:
        step = self.script.pop(0)
        if not self.script:
            assert self.reflector
            self.reflector._stop.set()
        if isinstance(step, Exception):
            raise step
        return step


def bookmark(version: int) -> WatchEvent:
    """Return a bookmark of this version."""
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def play(*script: Exception | list[WatchEvent] | int) -> FakeClient:
    """Run a reflector through this script; return what it asked, and how long it paused."""
    client = FakeClient(*script)
    reflector = Reflector(
        client,  # type: ignore[arg-type]
        ObjectStore("sync"),
        JOBS,
        on_change=lambda _: None,
        clock=lambda: client.now,
        jitter=lambda: 1.0,
    )
    client.reflector = reflector

    def wait(seconds: float) -> bool:
        client.pauses.append(seconds)
        client.now += seconds
        return False

    reflector._stop.wait = wait  # type: ignore[method-assign,assignment]
    reflector.run()
    return client


AWAY, DENIED = ApiUnavailable("away"), ApiForbidden("denied")


def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    """Every half hour, and at each silence: one request, no listing, nothing missed."""
    client = play(5, [bookmark(9)], [bookmark(12)], [bookmark(13)])
    assert client.asked == ["list", "watch 5", "watch 9", "watch 12"]
    assert client.pauses == []


def test_an_expired_version_makes_a_new_listing() -> None:
    """After a night without a network, the server has forgotten what happened since."""
    client = play(5, [bookmark(9)], ApiExpired("gone"), 20, [bookmark(21)])
    assert client.asked == ["list", "watch 5", "watch 9", "list", "watch 20"]


def test_one_cut_goes_on_and_a_second_lists_anew() -> None:
    """An API server that was restored from a backup never accepts our version again."""
    client = play(5, [bookmark(9)], AWAY, AWAY, 3, [bookmark(4)])
    assert client.asked == ["list", "watch 5", "watch 9", "watch 9", "list", "watch 3"]


def test_pauses_grow_to_half_a_minute_and_begin_anew_after_success() -> None:
    """Thousands of clients of a server that comes back do not all ask at once, nor late."""
    client = play(*[DENIED] * 9, 5, [bookmark(6)], AWAY, [bookmark(7)])
    assert client.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5]
    assert max(client.pauses) == LAST_RETRY_SECONDS


def test_watches_that_end_at_once_are_failures() -> None:
    """A proxy that answers and hangs up must not be asked a thousand times a second."""
    client = play(5, [], [], [], 6, [], [bookmark(7)])
    assert client.pauses[:4] == [0.5, 1, 2, 4]


def test_health_tells_since_when_and_why() -> None:
    """A watch that fails for ever is visible, and for how long."""
    client = play(5, [bookmark(6)], DENIED, DENIED, DENIED)
    assert client.reflector
    client.now += 100
    health = client.reflector.health()
    assert health.synced
    assert health.problem == "denied"
    assert health.failing_seconds == pytest.approx(100 + 0.5 + 1)
    assert health.heard_seconds == pytest.approx(100 + 0.5 + 1 + 60)


def test_health_of_a_good_watch_is_its_last_bookmark() -> None:
    """Quiet is not the same as deaf."""
    client = play(5, AWAY, [bookmark(6)])
    assert client.reflector
    client.now += 7
    health = client.reflector.health()
    assert (health.failing_seconds, health.problem) == (None, "")
    assert health.heard_seconds == 7 + 60


def test_a_namespace_that_never_let_us_in_is_not_synced() -> None:
    """Nothing is concluded from the emptiness of what was never read."""
    client = play(DENIED, DENIED, DENIED)
    assert client.reflector
    health = client.reflector.health()
    assert (health.synced, health.heard_seconds) == (False, None)


def test_a_bug_is_told_and_survived() -> None:
    """One odd object must not blind the operator for ever."""
    client = play(5, [WatchEvent("ADDED", {})], 6, [bookmark(7)])
    assert client.asked == ["list", "watch 5", "list", "watch 6"]
