"""What a person may do with a state between runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from profile_image_sync.api.state_header import StateHeader, new_header
from profile_image_sync.errors import StateMismatch
from profile_image_sync.worker.ledger import Accepted, Ledger, PersonRecord, Refused
from profile_image_sync.worker.state_archive import StateArchive
from profile_image_sync.worker.state_operations import (
    plan_restoration,
    released,
    resent,
    restore,
    summarise,
)
from tests.support.memory_store import MemoryStore

STATE, OTHER = UUID(int=1), UUID(int=2)
AT = datetime(2026, 3, 1, tzinfo=UTC)
ACCEPTED = Accepted(b"a" * 16, "thumbnailPhoto", 5, 1)
REFUSED = Refused(b"r" * 16, "TooSmall", b"sett")


def with_people(records: dict[UUID, PersonRecord], header: StateHeader) -> MemoryStore:
    """Return a store that holds these records."""
    store = MemoryStore(header)
    ledger = Ledger.open(store, expected_id=None)
    for guid, record in records.items():
        ledger.put(guid, record)
    ledger.commit(ledger.header)
    return store


def test_a_summary_counts_everyone_once() -> None:
    """The numbers of `state show`."""
    records = {
        UUID(int=1): PersonRecord(ACCEPTED),
        UUID(int=2): PersonRecord(replace(ACCEPTED, gone=True, account_id=0)),
        UUID(int=3): PersonRecord(replace(ACCEPTED, unconfirmed=True), REFUSED),
        UUID(int=4): PersonRecord(waiting="NoAccount"),
    }
    found = summarise(Ledger.open(with_people(records, new_header(STATE)), expected_id=STATE))
    assert (found.people, found.accepted, found.gone, found.unconfirmed) == (4, 3, 1, 1)
    assert (found.without_account, found.refused, found.waiting) == (
        1,
        {"TooSmall": 1},
        {"NoAccount": 1},
    )


def test_a_released_person_has_no_account_and_is_sent_again() -> None:
    """Their next match gets the picture, whatever firstSync says (rule 1)."""
    assert released(PersonRecord(ACCEPTED, REFUSED, "NoAccount")) == PersonRecord(
        replace(ACCEPTED, account_id=0, resend=True)
    )
    assert released(PersonRecord(None, REFUSED, "Ambiguous")) == PersonRecord(None, REFUSED)


def test_a_picture_is_resent_also_when_it_was_refused_or_unconfirmed() -> None:
    """`resend` is the way out of a lost answer and of a refusal that was mended in HighQ."""
    unconfirmed = replace(ACCEPTED, unconfirmed=True)
    assert resent(PersonRecord(unconfirmed, REFUSED)) == PersonRecord(
        replace(ACCEPTED, resend=True)
    )
    assert resent(PersonRecord(None, REFUSED)) == PersonRecord()


@pytest.mark.parametrize("damage", ["nothing", "header", "shard", "all"])
def test_a_state_is_restored_over_what_is_there(damage: str) -> None:
    """After the import a run finds the archive's people, also where parts were lost or damaged."""
    archive = StateArchive(AT, new_header(STATE), {UUID(int=1): PersonRecord(ACCEPTED)})
    store = with_people({UUID(int=9): PersonRecord(ACCEPTED)}, new_header(STATE))
    if damage in ("header", "all"):
        store.header = None
    if damage in ("shard", "all"):
        store.shards[0] = b"damaged"

    restore(store, archive, archive.header)

    assert dict(Ledger.open(store, expected_id=STATE).items()) == archive.records
    assert store.log[-1] == "header"


def test_a_restoration_says_whose_picture_may_be_uploaded_once_more() -> None:
    """Those whose picture was recorded after the export."""
    archive = StateArchive(AT, new_header(STATE), {UUID(int=1): PersonRecord(ACCEPTED)})
    newer = PersonRecord(replace(ACCEPTED, md5=b"n" * 16))
    store = with_people({UUID(int=1): newer, UUID(int=2): newer}, new_header(STATE))
    planned = plan_restoration(store, archive)
    assert (planned.people, planned.newer, planned.newer_known) == (1, 2, True)
    store.shards[0] = b"damaged"
    assert not plan_restoration(store, archive).newer_known
    store.header = None
    assert not plan_restoration(store, archive).newer_known


def test_another_state_with_people_is_not_overwritten() -> None:
    """Its people would be overridden by the next run; an empty one may be replaced."""
    archive = StateArchive(AT, new_header(STATE), {})
    with pytest.raises(StateMismatch, match=r"holds state .*2 with people in it"):
        plan_restoration(
            with_people({UUID(int=9): PersonRecord(ACCEPTED)}, new_header(OTHER)), archive
        )
    assert plan_restoration(MemoryStore(new_header(OTHER)), archive).replaces == OTHER
