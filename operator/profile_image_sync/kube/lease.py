"""One holder at a time: a Lease of the API server, renewed while it is held.

Whether another holder is alive is judged by our own clock: a renewTime that does not move for as long as
the Lease is good for (as client-go does; clocks of nodes differ). Knows nothing of what is guarded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from profile_image_sync.errors import Busy, Interrupted, StateUnavailable
from profile_image_sync.kube.client import QUICK, ApiClient, RetryPolicy
from profile_image_sync.kube.errors import ApiConflict, ApiError
from profile_image_sync.kube.objects import LeaseObject
from profile_image_sync.kube.resources import ObjectRef

DURATION_SECONDS = 30  # for others: so long without a renewal, and the holder is dead
TRUSTED_SECONDS = 25.0  # for the holder: so long without a renewal, and the Lease counts as lost
RENEW_SECONDS = 10.0
POLL_SECONDS = 2.0
LONG_PAST = timedelta(minutes=10)  # no two clocks of a cluster differ by so much

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LeaseConfig:
    """When things are done; tests bring their own."""

    now: Callable[[], datetime]  # UTC, aware: for others to read
    clock: Callable[[], float]  # monotonic, seconds: what we judge by
    duration_seconds: int = DURATION_SECONDS
    trusted_seconds: float = TRUSTED_SECONDS
    renew_seconds: float = RENEW_SECONDS
    poll_seconds: float = POLL_SECONDS


class Lease:
    """One Lease and we who want it. It can be held again after it was released."""

    def __init__(
        self, client: ApiClient, *, namespace: str, name: str, holder: str, config: LeaseConfig
    ) -> None:
        """Name the Lease, and ourselves: the same holder is let in again at once (a retry of a Job)."""
        self._client = client
        self._ref = ObjectRef("Lease", namespace, name)
        self._holder = holder
        self._config = config
        self._held: LeaseObject | None = None  # as we last wrote it, while it is ours
        self._renewed_at = 0.0

    @contextmanager
    def held(
        self,
        stop: threading.Event,
        *,
        wait_seconds: float = 0.0,
        on_lost: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Hold the Lease; `on_lost` is called, by another thread, when someone takes it from us.

        Raises Busy when another holder is still alive after `wait_seconds`, Interrupted when
        asked to `stop` meanwhile, StateUnavailable when the API server fails or there is no such Lease.
        """
        self._acquire(stop, wait_seconds)
        released = threading.Event()
        arguments = (released, on_lost)
        renewer = threading.Thread(target=self._keep, args=arguments, name="lease", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            released.set()
            renewer.join()
            self._release()

    @property
    def ours(self) -> bool:
        """Tell whether it may be taken for ours without asking."""
        fresh = self._config.clock() - self._renewed_at < self._config.trusted_seconds
        return self._held is not None and fresh

    def require(self) -> None:
        """Raise StateUnavailable when the Lease is lost, as far as we know."""
        if not self.ours:
            raise StateUnavailable(
                f"{self._ref.description} is no longer this run's: it was taken, or could not be renewed for "
                f"{self._config.trusted_seconds:.0f} s; nothing more is written, the next run does the rest"
            )

    def confirm(self) -> None:
        """Ask the API server, and raise StateUnavailable when the Lease is lost."""
        found = self._read()
        if not self._is_held_by_us(found):
            self._held = None
        self.require()

    def _read(self, retry: RetryPolicy | None = None) -> LeaseObject | None:
        body = self._client.get(self._ref, retry=retry)
        return LeaseObject.from_body(body) if body else None

    def _replace(self, wanted: LeaseObject, retry: RetryPolicy | None = None) -> LeaseObject:
        return LeaseObject.from_body(self._client.replace(wanted.body(), retry=retry))

    def _acquire(self, stop: threading.Event, wait_seconds: float) -> None:
        began = since = self._config.clock()
        seen: LeaseObject | None = None
        while True:
            found = self._read()
            if found is None:
                raise StateUnavailable(
                    f"{self._ref.description} is not there: the operator makes it; see whether it runs"
                )
            at = self._config.clock()
            if seen is None or (found.holder, found.renewed) != (seen.holder, seen.renewed):
                if seen and not self._is_free(found) and at - began >= wait_seconds:
                    raise Busy(f"another run (of Job {found.holder}) holds {self._ref.description}")
                seen, since = found, at
            if self._is_free(found) or at - since >= found.duration_seconds:
                if self._take(found):
                    return
            elif stop.wait(self._config.poll_seconds):
                raise Interrupted(f"asked to stop while waiting for {self._ref.description}")

    def _is_free(self, found: LeaseObject) -> bool:
        if found.holder in ("", self._holder) or found.renewed is None:
            return True
        good_for = timedelta(seconds=found.duration_seconds)
        return self._config.now() - found.renewed > good_for + LONG_PAST

    def _take(self, found: LeaseObject) -> bool:
        """Write ourselves in; False: somebody was quicker."""
        at, moment = self._config.clock(), self._config.now()
        wanted = replace(
            found,
            holder=self._holder,
            duration_seconds=self._config.duration_seconds,
            acquired=moment,
            renewed=moment,
            transitions=found.transitions + (found.holder != self._holder),
        )
        self._held = wanted  # what a lost answer is recognised by
        try:
            self._held = self._replace(wanted)
        except ApiConflict:
            now_there = self._read()
            self._held = now_there if self._is_held_by_us(now_there) else None
        except ApiError:
            self._held = None
            raise
        self._renewed_at = at
        return self._held is not None

    def _is_held_by_us(self, found: LeaseObject | None) -> bool:
        """Tell us from others, and from another pod of the same Job, by when the Lease was taken."""
        mine = self._held
        return (
            found is not None
            and mine is not None
            and (found.holder, found.acquired) == (mine.holder, mine.acquired)
        )

    def _keep(self, released: threading.Event, on_lost: Callable[[], None]) -> None:
        """Renew until released, or lost."""
        pause = self._config.renew_seconds
        while not released.wait(pause):
            try:
                self._renew()
                pause = self._config.renew_seconds
            except ApiError as error:
                log.warning("the Lease was not renewed", problem=str(error))
                pause = self._config.poll_seconds
            if not self.ours:
                log.error("the Lease is lost", lease=self._ref.description)
                self._held = None
                on_lost()
                return

    def _renew(self) -> None:
        """Renew once; when someone else holds the Lease, `_record` is None afterwards."""
        at, mine = self._config.clock(), self._held
        if mine is None:
            return
        try:
            self._held = self._renewed(mine)
        except ApiConflict:  # it was taken, or its metadata was touched, or an answer was lost
            found = self._read(QUICK)
            if found is None or not self._is_held_by_us(found):
                self._held = None
                return
            self._held = self._renewed(found)
        self._renewed_at = at

    def _renewed(self, mine: LeaseObject) -> LeaseObject:
        return self._replace(replace(mine, renewed=self._config.now()), QUICK)

    def _release(self) -> None:
        """Let the next one in at once. Where that fails, the Lease runs out by itself."""
        mine, self._held = self._held, None
        if mine is None:
            return
        try:
            self._replace(replace(mine, holder="", duration_seconds=1), QUICK)
        except ApiError as error:
            log.warning("the Lease was not released, it runs out by itself", problem=str(error))
