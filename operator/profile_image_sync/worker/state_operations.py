"""What a person may do with a state between runs: look at it, restore it, and change one person's record.

Apart from the ledger, which knows how a run writes: here a damaged or missing state may be overwritten, so
the caller must hold the store's lock, and every function says what it changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID

from profile_image_sync.api.state_header import StateHeader, decode_header, encode_header
from profile_image_sync.errors import StateDamaged, StateMismatch, StateMissing
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.shards import Shard, decode_shard, encode_shard, shard_of
from profile_image_sync.worker.state_archive import StateArchive
from profile_image_sync.worker.state_store import StateStore


@dataclass(frozen=True, slots=True)
class StateSummary:
    """A state in numbers of people."""

    header: StateHeader
    people: int  # with a record
    bytes: int  # of all shards
    accepted: int
    gone: int
    unconfirmed: int
    resend: int
    without_account: (
        int  # accepted, but no account is known: released, or adopted by an old version
    )
    refused: dict[str, int]  # by reason
    waiting: dict[str, int]  # by reason


def summarise(ledger: Ledger) -> StateSummary:
    """Read the whole state and count. Raises what Ledger.load raises when a part is missing or damaged."""
    refused: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    records = [record for _, record in ledger.items()]
    for record in records:
        if accepted := record.accepted:
            flags["accepted"] += 1
            flags["gone"] += accepted.gone
            flags["unconfirmed"] += accepted.unconfirmed
            flags["resend"] += accepted.resend
            flags["without_account"] += not accepted.account_id
        if record.refused:
            refused[record.refused.reason] += 1
        if record.waiting:
            waiting[record.waiting] += 1
    numbers = ("accepted", "gone", "unconfirmed", "resend", "without_account")
    return StateSummary(
        header=ledger.header,
        people=len(records),
        bytes=ledger.size,
        refused=dict(refused),
        waiting=dict(waiting),
        **{name: flags[name] for name in numbers},
    )


def released(record: PersonRecord) -> PersonRecord:
    """Return the record without the account: the person's next match is uploaded, whatever it is."""
    if record.accepted is None:
        return replace(record, waiting="")
    return PersonRecord(replace(record.accepted, account_id=0, resend=True, unconfirmed=False))


def resent(record: PersonRecord) -> PersonRecord:
    """Return the record after which the next run sends the picture once more."""
    accepted = record.accepted
    return PersonRecord(replace(accepted, resend=True, unconfirmed=False) if accepted else None)


@dataclass(frozen=True, slots=True)
class Restoration:
    """What an import would do, to be shown before it is done."""

    people: int  # in the archive
    replaces: UUID | None  # id of the state that is there
    newer: int  # people whose picture was accepted after the export: it may be uploaded once more
    newer_known: (
        bool  # False: the state that is there cannot be read, so that nobody can count them
    )


def plan_restoration(store: StateStore, archive: StateArchive) -> Restoration:
    """Compare an archive with what is in the store. Raises StateMismatch when that is another state."""
    people = len(archive.records)
    present = _header_or_none(store)
    if present is None:
        return Restoration(people, None, newer=0, newer_known=False)
    if present.id != archive.header.id:
        if not _is_empty(store):
            raise StateMismatch(
                f"{store.where} holds state {present.id} with people in it, the file holds state "
                f"{archive.header.id}: import into an empty place, or export and remove what is there"
            )
        return Restoration(people, present.id, newer=0, newer_known=False)
    try:
        newer = sum(
            _accepted_md5(record) != _accepted_md5(archive.records.get(guid))
            for guid, record in Ledger.open(store, expected_id=None).items()
        )
    except (
        StateDamaged,
        StateMissing,
        StateMismatch,
    ):  # also a shard of another state: it is mended
        return Restoration(people, present.id, newer=0, newer_known=False)
    return Restoration(people, present.id, newer=newer, newer_known=True)


def _is_empty(store: StateStore) -> bool:
    """Tell whether nobody, as far as it can be read, is in the state that is there."""
    try:
        return next(Ledger.open(store, expected_id=None).items(), None) is None
    except (StateDamaged, StateMissing):
        return True


def restore(store: StateStore, archive: StateArchive, header: StateHeader) -> None:
    """Write the archive's people under this header, over whatever the store holds.

    Shards first, header last: after a kill the import can simply be repeated.
    """
    shards = [Shard(header.id, index, header.shards) for index in range(header.shards)]
    for guid, record in archive.records.items():
        shards[shard_of(guid, len(shards))].put(guid, record)
    store.read_header()  # some stores write only what they have read before
    for shard in shards:
        former = _revision(store, header, shard.index)
        shard.revision = max(former, header.revisions[shard.index]) + 1
        store.write_shard(shard.index, encode_shard(shard))
    revisions = tuple(shard.revision for shard in shards)
    store.write_header(encode_header(header.model_copy(update={"revisions": revisions})))


def rebound(header: StateHeader, domain: UUID | None, highq: str) -> StateHeader:
    """Return the header bound to another domain and HighQ (`--rebind`: the host or the domain was renamed).

    Without a domain, the next run binds the state to the one that it reads.
    """
    return header.model_copy(update={"domain": domain, "highq": highq})


def _header_or_none(store: StateStore) -> StateHeader | None:
    data = store.read_header()
    try:
        return decode_header(data, store.where) if data is not None else None
    except StateDamaged:
        return None


def _revision(store: StateStore, header: StateHeader, index: int) -> int:
    """Return the revision of the shard that is there; 0 when there is none that can be read."""
    data = store.read_shard(index)
    try:
        found = (
            decode_shard(data, state=header.id, index=index, where=store.where) if data else None
        )
    except (StateDamaged, StateMismatch):
        return 0
    return found.revision if found else 0


def _accepted_md5(record: PersonRecord | None) -> bytes | None:
    return record.accepted.md5 if record and record.accepted else None
