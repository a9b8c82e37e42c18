"""The file of `state export`: everything comes back, nothing partial is taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.state_header import new_header
from profile_image_sync.errors import StateDamaged, StateMismatch
from profile_image_sync.worker.ledger import Accepted, PersonRecord, Refused
from profile_image_sync.worker.state_archive import read_archive, write_archive

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = new_header(UUID(int=7))
MD5 = st.binary(min_size=16, max_size=16)
RECORDS = st.builds(
    PersonRecord,
    accepted=st.none()
    | st.builds(
        Accepted,
        md5=MD5,
        attribute=st.sampled_from(["thumbnailPhoto", "jpegPhoto"]),
        account_id=st.integers(0, 2**48 - 1),
        attributes_version=st.integers(0, 9),
        unconfirmed=st.booleans(),
        resend=st.booleans(),
        gone=st.booleans(),
    ),
    refused=st.none()
    | st.builds(Refused, MD5, st.just("TooSmall"), st.binary(min_size=4, max_size=4)),
    waiting=st.sampled_from(["", "NoAccount"]),
)
ONE = {UUID(int=1): PersonRecord(Accepted(b"m" * 16, "thumbnailPhoto", 5, 1))}


def lines(records: dict[UUID, PersonRecord]) -> list[str]:
    """Return an archive's lines."""
    return list(write_archive(HEADER, records.items(), AT))


@given(st.dictionaries(st.uuids(), RECORDS, max_size=5))
def test_what_was_exported_comes_back_whole(records: dict[UUID, PersonRecord]) -> None:
    """Each record, the header and the time."""
    archive = read_archive(lines(records), "acme.state")
    assert (archive.header, archive.records, archive.exported_at) == (HEADER, records, AT)


def test_a_part_is_not_taken() -> None:
    """A file that was cut, at whichever line, is no backup."""
    every = lines({UUID(int=number): PersonRecord(waiting="NoAccount") for number in range(3)})
    for missing in range(len(every)):
        with pytest.raises(StateDamaged, match=r"acme.state is not a complete export"):
            read_archive(every[:missing] + every[missing + 1 :], "acme.state")


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace("6d", "6", 1),
        lambda line: line.replace('"account_id":5', '"account_id":"five"'),
        lambda _: "[]",
        lambda _: "not JSON",
    ],
)
def test_a_damaged_line_is_not_taken(change: object) -> None:
    """A hash that lost a digit would upload a picture anew."""
    first, person, last = lines(ONE)
    assert callable(change)
    with pytest.raises(StateDamaged):
        read_archive([first, change(person), last], "acme.state")


def test_a_newer_format_says_what_to_use() -> None:
    """Older versions do not guess."""
    first, *rest = lines(ONE)
    newer = json.dumps(json.loads(first) | {"version": 2})
    with pytest.raises(StateMismatch, match=r"written by a newer version \(format 2"):
        read_archive([newer, *rest], "acme.state")
