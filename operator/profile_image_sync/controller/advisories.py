"""Warnings that no single status can tell: of two resources at once, or of a date that comes nearer.

Each is told once as long as the operator runs; what was told is remembered here, and nothing in the cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.controller.events import Event
from profile_image_sync.controller.summaries import moment

EXPIRY_WARNING = timedelta(days=30)

Key = tuple[str, str]  # namespace and name
Bases = tuple[str, ...]


class Advisories:
    """What was seen of all resources, and what was posted. Used by several threads."""

    def __init__(self) -> None:
        """Start with no resource."""
        self._lock = threading.Lock()
        self._bases: dict[str, dict[Key, Bases]] = {}  # by HighQ address and resource
        self._addresses: dict[Key, str] = {}
        self._posted: set[tuple[object, ...]] = set()

    def about(self, tenant: Tenant, expiry: datetime | None, now: datetime) -> list[Event]:
        """Return what has not been posted about this resource yet."""
        with self._lock:
            return [*self._shared(tenant), *self._expiring(tenant, expiry, now)]

    def forget(self, namespace: str, name: str) -> None:
        """Take note that a resource is gone."""
        with self._lock:
            self._drop((namespace, name))

    def _drop(self, key: Key) -> None:
        """Let a resource serve no HighQ."""
        if address := self._addresses.pop(key, None):
            self._bases[address].pop(key, None)

    def _shared(self, tenant: Tenant) -> Iterator[Event]:
        key: Key = (tenant.namespace, tenant.name)
        address, bases = tenant.spec.highq.address, tenant.spec.active_directory.search_bases
        if self._addresses.get(key) != address:
            self._drop(key)
            self._addresses[key] = address
        others = self._bases.setdefault(address, {})
        for other, other_bases in others.items():
            if other != key and overlap(bases, other_bases) and self._first(tenant.uid, other):
                beside = other[0] == tenant.namespace
                who = (
                    f"ProfileImageSync {other[1]}" if beside else "a resource of another namespace"
                )
                yield Event(
                    "SharedHighQ",
                    f"{who} serves the same HighQ, and the search bases overlap: each uploads over the "
                    "other's pictures. Give them bases that do not overlap, or remove one",
                    warning=True,
                )
        others[key] = bases

    def _expiring(self, tenant: Tenant, expiry: datetime | None, now: datetime) -> Iterator[Event]:
        if expiry is None or expiry - now > EXPIRY_WARNING or not self._first(tenant.uid, expiry):
            return
        seed = tenant.spec.highq.credentials_secret_ref.name
        yield Event(
            "TokenExpires",
            f"HighQ's refresh token expires at {moment(expiry)} unless a run renews it before; if it is "
            f"refused, authorise again (`profile-image-sync authorize`), which makes Secret {seed} anew",
            warning=True,
        )

    def _first(self, *what: object) -> bool:
        """Tell whether this has not been posted before; from now on it has."""
        posted = what in self._posted
        self._posted.add(what)
        return not posted


def overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    """Tell whether two lists of search bases share people; an empty list is all of the domain."""
    ours, theirs = [_normal(each) for each in some], [_normal(each) for each in others]
    if not ours or not theirs:
        return True
    return any(
        f",{one}".endswith(f",{other}") or f",{other}".endswith(f",{one}")
        for one in ours
        for other in theirs
    )


def _normal(base: str) -> str:
    return ",".join(part.strip().lower() for part in base.split(","))
