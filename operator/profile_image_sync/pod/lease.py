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
from profile_image_sync.pod.client import QUICK, Cluster, ConflictError
from profile_image_sync.pod.objects import Kind, LeaseRecord

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

    def __init__(self, cluster: Cluster, name: str, holder: str, pace: LeaseConfig) -> None:
        """Name the Lease, and ourselves: the same holder is let in again at once (a retry of a Job)."""
        self._cluster = cluster
        self._name = name
        self._holder = holder
        self._pace = pace
        self._place = cluster.place(Kind.LEASE, name)
        self._record: LeaseRecord | None = None  # as we last wrote it, while it is ours
        self._renewed_at = 0.0

    @contextmanager
    def held(
        self,
        stop: threading.Event,
        *,
        patience: float = 0.0,
        on_lost: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Hold the Lease; `on_lost` is called, by another thread, when someone takes it from us.

        Raises Busy when another holder is alive after so many seconds of `patience`, Interrupted when
        asked to `stop` meanwhile, StateUnavailable when the API server fails or there is no such Lease.
        """
        self._acquire(stop, patience)
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
        fresh = self._pace.clock() - self._renewed_at < self._pace.trusted_seconds
        return self._record is not None and fresh

    def require(self) -> None:
        """Raise StateUnavailable when the Lease is lost, as far as we know."""
        if not self.ours:
            raise StateUnavailable(
                f"{self._place} is no longer this run's: it was taken, or could not be renewed for "
                f"{self._pace.trusted_seconds:.0f} s; nothing more is written, the next run does the rest"
            )

    def confirm(self) -> None:
        """Ask the API server, and raise StateUnavailable when the Lease is lost."""
        found = self._cluster.read_lease(self._name)
        if not self._is_held_by_us(found):
            self._record = None
        self.require()

    def _acquire(self, stop: threading.Event, patience: float) -> None:
        began = since = self._pace.clock()
        seen: LeaseRecord | None = None
        while True:
            found = self._cluster.read_lease(self._name)
            if found is None:
                raise StateUnavailable(
                    f"{self._place} is not there: the operator makes it; see whether the operator runs"
                )
            at = self._pace.clock()
            if seen is None or (found.holder, found.renewed) != (seen.holder, seen.renewed):
                if seen and not self._is_free(found) and at - began >= patience:
                    raise Busy(f"another run (of Job {found.holder}) holds {self._place}")
                seen, since = found, at
            if self._is_free(found) or at - since >= found.duration_seconds:
                if self._take(found):
                    return
            elif stop.wait(self._pace.poll_seconds):
                raise Interrupted(f"asked to stop while waiting for {self._place}")

    def _is_free(self, found: LeaseRecord) -> bool:
        if found.holder in ("", self._holder) or found.renewed is None:
            return True
        good_for = timedelta(seconds=found.duration_seconds)
        return self._pace.now() - found.renewed > good_for + LONG_PAST

    def _take(self, found: LeaseRecord) -> bool:
        """Write ourselves in; False: somebody was quicker."""
        at, moment = self._pace.clock(), self._pace.now()
        wanted = replace(
            found,
            holder=self._holder,
            duration_seconds=self._pace.duration_seconds,
            acquired=moment,
            renewed=moment,
            transitions=found.transitions + (found.holder != self._holder),
        )
        self._record = wanted  # what a lost answer is recognised by
        try:
            self._record = self._cluster.replace_lease(wanted)
        except ConflictError:
            now_there = self._cluster.read_lease(self._name)
            self._record = now_there if self._is_held_by_us(now_there) else None
        except StateUnavailable:
            self._record = None
            raise
        self._renewed_at = at
        return self._record is not None

    def _is_held_by_us(self, found: LeaseRecord | None) -> bool:
        """Tell us from others, and from another pod of the same Job, by when the Lease was taken."""
        mine = self._record
        return (
            found is not None
            and mine is not None
            and (found.holder, found.acquired) == (mine.holder, mine.acquired)
        )

    def _keep(self, released: threading.Event, on_lost: Callable[[], None]) -> None:
        """Renew until released, or lost."""
        pause = self._pace.renew_seconds
        while not released.wait(pause):
            try:
                self._renew()
                pause = self._pace.renew_seconds
            except (ConflictError, StateUnavailable) as error:
                log.warning("the Lease was not renewed", problem=str(error))
                pause = self._pace.poll_seconds
            if not self.ours:
                log.error("the Lease is lost", lease=self._name)
                self._record = None
                on_lost()
                return

    def _renew(self) -> None:
        """Renew once; when someone else holds the Lease, `_record` is None afterwards."""
        at, mine = self._pace.clock(), self._record
        if mine is None:
            return
        try:
            self._record = self._renewed(mine)
        except ConflictError:  # it was taken, or its metadata was touched, or an answer was lost
            found = self._cluster.read_lease(self._name, effort=QUICK)
            if found is None or not self._is_held_by_us(found):
                self._record = None
                return
            self._record = self._renewed(found)
        self._renewed_at = at

    def _renewed(self, mine: LeaseRecord) -> LeaseRecord:
        return self._cluster.replace_lease(replace(mine, renewed=self._pace.now()), effort=QUICK)

    def _release(self) -> None:
        """Let the next one in at once. Where that fails, the Lease runs out by itself."""
        mine, self._record = self._record, None
        if mine is None:
            return
        try:
            self._cluster.replace_lease(replace(mine, holder="", duration_seconds=1), effort=QUICK)
        except (ConflictError, StateUnavailable) as error:
            log.warning("the Lease was not released, it runs out by itself", problem=str(error))
