"""Fakes at the edges of the uploader: a directory and a HighQ that do as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from uuid import UUID

from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.people import Avatar


class FakeDirectory:
    """Holds one picture a person."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.pictures: dict[UUID, bytes] = {}
        self.keys: dict[UUID, tuple[str | None, ...]] = {}
        self.reads: list[UUID] = []

    def picture(self, guid: UUID, _attribute: str) -> tuple[tuple[str | None, ...], bytes | None]:
        """Return the match values and the picture that the person has now."""
        self.reads.append(guid)
        return self.keys.get(guid, (None,)), self.pictures.get(guid)


class FakeHighQ:
    """Takes every avatar, unless `respond` raises for the account."""

    def __init__(self) -> None:
        """Begin as a HighQ that takes everything."""
        self.uploads: list[tuple[int, Avatar]] = []
        self.respond: Callable[[int], None] = lambda _account: None
        self._lock = threading.Lock()

    def upload(self, account_id: int, avatar: Avatar) -> None:
        """Take the avatar, or raise what the test wants."""
        self.respond(account_id)
        with self._lock:
            self.uploads.append((account_id, avatar))


def holdings(rows: Mapping[UUID, PersonRecord]) -> Iterator[bytes]:
    """Yield what `Ledger.holdings` yields of these records."""
    for guid, record in rows.items():
        if record.accepted and record.accepted.account_id:
            yield record.accepted.account_id.to_bytes(6, "big") + guid.bytes
