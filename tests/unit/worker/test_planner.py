"""Everyone of a full sweep together: the match report, and who has left."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest

from profile_image_sync.api.highq import Endpoint, MatchKey, MatchRule
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.matching import Holders, Matcher
from profile_image_sync.worker.people import Account, Person, Source
from profile_image_sync.worker.plan import Policy, Verdict, settings_fingerprint
from profile_image_sync.worker.planner import (
    RunPlan,
    plan_people,
    records_of_leavers,
    records_of_returners,
)
from tests.unit.worker.fakes import holdings, index_of, packed

ANN, BOB, CY = UUID(int=1), UUID(int=2), UUID(int=3)
THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"
RULES = [
    MatchRule(active_directory="mail", highq=MatchKey.EMAIL),
    MatchRule(active_directory="userPrincipalName", highq=MatchKey.EMAIL),
]
POLICY = Policy(
    mode=Mode.CONTINUOUS,
    first_sync=FirstSync.OVERRIDE,
    completed=None,
    image_attributes=(JPEG, THUMB),
    attributes_version=2,
    upload_moved=False,
    image_settings=settings_fingerprint(ImageSettings()),
    upload_settings=settings_fingerprint(ImageSettings(), Endpoint.AVATAR),
)


def person(
    guid: UUID, mail: str | None, upn: str | None = None, image: str | None = THUMB
) -> Person:
    """Invent somebody."""
    source = Source(image, bytes(16)) if image else None
    return Person(guid, (mail, upn), source, (image,) if image else (), mail or str(guid))


def accepted(
    account: int, version: int = 2, *, gone: bool = False, md5: bytes = bytes(16)
) -> Accepted:
    """Return what is recorded of somebody who was served."""
    return Accepted(md5, THUMB, account, version, gone=gone)


def plan(
    people: list[Person],
    accounts: list[Account],
    records: Mapping[UUID, PersonRecord] | None = None,
) -> RunPlan:
    """Plan these people."""
    known = records or {}

    def record_of(guid: UUID) -> PersonRecord:
        return known.get(guid, PersonRecord())

    rows = packed(people, known)
    matcher = Matcher(
        [rows],
        index_of(accounts, [rule.highq for rule in RULES]),
        record_of=record_of,
        holdings=lambda: holdings(known),
        release=False,
    )
    return plan_people(
        rows,
        RULES,
        match_of=lambda person, record: matcher.match(person, record.accepted),
        record_of=record_of,
        policy=POLICY,
    )


def test_the_match_report_says_by_which_rule_people_were_matched() -> None:
    """By rule, by what is recorded, and only people who have a picture."""
    people = [
        person(ANN, "ann@x"),
        person(BOB, None, "bob@x"),
        person(CY, "cy.new@x"),
        person(UUID(int=4), "dee@x", image=None),
    ]
    accounts = [
        Account(n, True, f"{name}@x", None) for n, name in enumerate(["ann", "bob", "cy", "dee"], 1)
    ]
    found = plan(people, accounts, {CY: PersonRecord(accepted(3))})
    assert found.matching.by_rule == {"mail=email": 1, "userPrincipalName=email": 1, "recorded": 1}
    assert found.matched == 3
    assert (found.matching.ambiguous, found.matching.unmatched_by_domain) == ({}, {})
    assert (found.uploads, found.verdicts[Verdict.NO_IMAGE]) == (2, 1)


def test_the_match_report_has_the_ten_biggest_domains_of_people_without_an_account() -> None:
    """They tell a wrong rule: a whole domain that HighQ does not know."""
    people = [
        person(UUID(int=100 * size + n), f"p{n}@Domain{size}.example")
        for size in range(1, 13)
        for n in range(size)
    ]
    people.append(person(ANN, None))
    domains = plan(people, []).matching.unmatched_by_domain
    assert domains == {f"domain{size}.example": size for size in range(12, 2, -1)}
    assert plan([person(ANN, None)], []).matching.unmatched_by_domain == {"none": 1}


def test_ambiguous_people_are_told_by_cause_and_not_as_unmatched() -> None:
    """Two of one mail; one who leads to another user than the one recorded."""
    people = [person(ANN, "both@x"), person(BOB, "both@x"), person(CY, "dee@x")]
    accounts = [
        Account(1, True, "both@x", None),
        Account(2, True, "dee@x", None),
        Account(3, True, None, None),
    ]
    found = plan(people, accounts, {CY: PersonRecord(accepted(3))})
    assert found.matching.ambiguous == {"SeveralPeople": 2, "LeadsToOtherAccount": 1}
    assert found.matching.unmatched_by_domain == {}
    assert (found.led_elsewhere, found.matched) == (1, 1)


def test_people_whose_picture_merely_moved_are_counted() -> None:
    """Another picture from another attribute, under an edited list: recorded, and told."""
    records = {
        ANN: PersonRecord(accepted(1, 1, md5=b"o" * 16)),
        BOB: PersonRecord(accepted(2, 1)),
        CY: PersonRecord(accepted(3, 2, md5=b"o" * 16)),
    }
    people = [person(guid, f"{n}@x", image=JPEG) for n, guid in enumerate((ANN, BOB, CY), 1)]
    accounts = [Account(n, True, f"{n}@x", None) for n in (1, 2, 3)]
    found = plan(people, accounts, records)
    assert {each.person.guid: each.verdict for each in found.plans()} == {
        ANN: Verdict.RERECORD,
        BOB: Verdict.RERECORD,
        CY: Verdict.UPLOAD_CHANGED,
    }
    assert found.moved == 1


LEAVERS = {
    "who is there stays as they are": (PersonRecord(accepted(1), waiting="x"), True, False, None),
    "who comes back holds their account again": (
        PersonRecord(accepted(1, gone=True)), True, False, PersonRecord(accepted(1)),
    ),
    "who is gone is marked, and waits for nothing": (
        PersonRecord(accepted(1), waiting="x"), False, False, PersonRecord(accepted(1, gone=True)),
    ),
    "who is gone already is not written again": (
        PersonRecord(accepted(1, gone=True)), False, False, None,
    ),
    "whose row has passed on to another person has none": (
        PersonRecord(accepted(1, gone=True)), False, True, PersonRecord(),
    ),
    "who comes back keeps it, whoever was served meanwhile": (
        PersonRecord(accepted(1, gone=True)), True, True, PersonRecord(accepted(1)),
    ),
    "who only waited is forgotten": (PersonRecord(waiting="x"), False, False, PersonRecord()),
}  # fmt: skip


@pytest.mark.parametrize("case", LEAVERS.values(), ids=LEAVERS.keys())
def test_a_full_sweep_marks_who_has_left(
    case: tuple[PersonRecord, bool, bool, PersonRecord | None],
) -> None:
    """Rule 8: "a full sweep marks them *gone*; a gone row holds no account"."""
    record, present, served_to_other, expected = case
    other = {BOB: PersonRecord(accepted(1))} if served_to_other else {}
    holders = Holders(holdings({ANN: record} | other))
    in_scope = {BOB, ANN} if present else {BOB}
    changed = dict(records_of_leavers([(ANN, record)], in_scope, holders))
    assert changed == ({} if expected is None else {ANN: expected})


def test_who_is_seen_again_holds_their_account_again() -> None:
    """A window shows who has come back; it never says that somebody has left (rule 10)."""
    records = {
        ANN: PersonRecord(accepted(1, gone=True)),
        BOB: PersonRecord(accepted(2)),
        CY: PersonRecord(waiting="NoAccount"),
    }
    assert dict(records_of_returners(records.items())) == {ANN: PersonRecord(accepted(1))}
