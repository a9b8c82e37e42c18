"""People, packed: what planning needs of them comes back as it was."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.worker import people_rows
from profile_image_sync.worker.accounts import digests_of
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.people import Person, Source
from tests.unit.worker.fakes import packed

ANN, BOB = UUID(int=1), UUID(int=2)
THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"
SOURCES = st.none() | st.builds(
    Source, st.sampled_from([JPEG, THUMB]), st.sampled_from([b"a" * 16, b"b" * 16])
)
RECORDS = st.builds(
    PersonRecord,
    st.none()
    | st.builds(
        Accepted,
        st.sampled_from([b"a" * 16, b"b" * 16]),
        st.sampled_from([JPEG, THUMB, "THUMBNAILPHOTO", "photo"]),
        st.integers(0, 9),
        st.just(1),
    ),
)
KEYS = st.tuples(*[st.none() | st.sampled_from(["ann@x", "Bob@Y.example", "E7"])] * 2)


def person(guid: UUID, keys: tuple[str | None, ...], source: Source | None = None) -> Person:
    """Invent somebody."""
    return Person(guid, keys, source, (), "label@label")


@given(st.dictionaries(st.uuids(), st.tuples(KEYS, SOURCES, RECORDS), max_size=9))
def test_people_come_back_whatever_their_record_says(
    facts: dict[UUID, tuple[tuple[str | None, ...], Source | None, PersonRecord]],
) -> None:
    """Their image too, although most of it may stand in the record only."""
    people = [person(guid, keys, source) for guid, (keys, source, _) in facts.items()]
    rows = packed(people, {guid: record for guid, (_, _, record) in facts.items()})
    assert len(rows) == len(people)
    assert {each.guid for each in rows} == set(facts)
    for each in people:
        found = rows.get(each.guid)
        assert found
        assert (found.source, found.digests) == (each.source, digests_of(each.keys))
        assert each.guid in rows


def test_who_was_not_added_is_not_there() -> None:
    """Absence from these rows is what tells that somebody has left."""
    rows = packed([person(ANN, ("ann@x",))])
    assert BOB not in rows
    assert rows.get(BOB) is None


def test_the_domain_of_the_first_mail_address_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the match report; where there are too many domains, the later ones are one."""
    monkeypatch.setattr(people_rows, "_MAX_DOMAINS", 2)
    keys = [(None, "a@X.example"), ("b", None), ("c@z", "c@x.example"), (None, "d@X.EXAMPLE")]
    people = [person(UUID(int=n), each) for n, each in enumerate(keys)]
    found = {each.guid.int: each.domain for each in packed(people)}
    assert found == {0: "x.example", 1: "label", 2: "other", 3: "x.example"}


def test_the_labels_of_the_first_people_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run that reads what changed, nobody need be read once more for the lists."""
    monkeypatch.setattr(people_rows, "_LABELS", 1)
    rows = packed([person(ANN, ("ann@x",)), person(BOB, ("bob@x",))])
    assert [each.label for each in sorted(rows, key=lambda one: one.guid)] == ["label@label", ""]
