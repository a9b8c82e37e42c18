"""Fakes at the edges of the uploader: a directory and a HighQ that do as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.accounts import AccountIndex
from profile_image_sync.worker.directory import Picture
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.people import Account, Avatar, Person
from profile_image_sync.worker.people_rows import PeopleRows


class FakeDirectory:
    """Holds one picture a person."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.pictures: dict[UUID, bytes] = {}
        self.keys: dict[UUID, tuple[str | None, ...]] = {}
        self.reads: list[UUID] = []

    def picture(self, guid: UUID, _attribute: str) -> Picture:
        """Return the match values and the picture that the person has now."""
        self.reads.append(guid)
        return Picture(self.keys.get(guid, (None,)), self.pictures.get(guid), "")


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


def packed(
    people: Iterable[Person],
    records: Mapping[UUID, PersonRecord] | None = None,
    attributes: Sequence[str] = ("jpegPhoto", "thumbnailPhoto"),
) -> PeopleRows:
    """Pack these people; they have as many keys as the first of them."""
    everyone, known = list(people), records or {}
    rules = len(everyone[0].keys) if everyone else 1
    rows = PeopleRows(attributes, rules, lambda guid: known.get(guid, PersonRecord()))
    for person in everyone:
        rows.add(person)
    return rows


def index_of(accounts: Iterable[Account], keys: Sequence[MatchKey]) -> AccountIndex:
    """Index these users of HighQ."""
    index = AccountIndex(keys)
    for account in accounts:
        index.append(account)
    return index
