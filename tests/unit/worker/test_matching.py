"""Matching: unique both ways, or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.matching import Holders, Match, Matcher, MatchOutcome
from profile_image_sync.worker.people import Account, Person
from tests.unit.worker.fakes import holdings, index_of, packed

ANN, BOB = UUID(int=1), UUID(int=2)
EMAIL, EXTERNALID = MatchKey.EMAIL, MatchKey.EXTERNALID


def person(guid: UUID, *keys: str | None) -> Person:
    """Invent somebody with these keys."""
    return Person(guid, keys, None, (), "label")


def account(
    number: int, email: str | None, *, active: bool = True, external: str | None = None
) -> Account:
    """Invent a HighQ user."""
    return Account(number, active, email, external)


def indexed(number: int) -> Account:
    """Return what an index tells of an active user: not what led there."""
    return Account(number, True, None, None)


def match_of(
    guid: UUID,
    people: Sequence[Person],
    accounts: Sequence[Account],
    keys: Sequence[MatchKey] = (EMAIL,),
    holders: Mapping[UUID, int] | None = None,
    *,
    release: bool = False,
) -> Match:
    """Match one person; `holders`: who was served on which account."""
    rows = {
        who: PersonRecord(Accepted(bytes(16), "a", number, 1))
        for who, number in (holders or {}).items()
    }

    def record_of(guid: UUID) -> PersonRecord:
        return rows.get(guid, PersonRecord())

    everyone = packed(people, rows)
    matcher = Matcher(
        [everyone],
        index_of(accounts, keys),
        holdings=lambda: holdings(rows),
        record_of=record_of,
        release=release,
    )
    found = everyone.get(guid)
    assert found
    return matcher.match(found, record_of(guid).accepted)


def outcome_of(*args: Any, **facts: Any) -> tuple[MatchOutcome, int | None]:
    """Return the outcome and the account of match_of."""
    match = match_of(*args, **facts)
    return match.outcome, match.account.id if match.account else None


def test_mail_matches_without_regard_to_case_and_blanks() -> None:
    """AD and HighQ spell the same address differently now and then."""
    found = outcome_of(ANN, [person(ANN, " Ann@X.example ")], [account(7, "ann@x.EXAMPLE")])
    assert found == (MatchOutcome.MATCHED, 7)


def test_the_second_rule_serves_when_the_first_finds_nobody() -> None:
    """Rules are tried in order: mail, then the user principal name."""
    people = [person(ANN, "ann.new@x", "ann@x")]
    assert outcome_of(ANN, people, [account(7, "ann@x")], (EMAIL, EMAIL)) == (
        MatchOutcome.MATCHED,
        7,
    )


def test_external_ids_match_too() -> None:
    """`match: [{activeDirectory: employeeID, highq: externalid}]`."""
    accounts = [account(7, None, external="E-17"), account(8, "e-17")]
    assert outcome_of(ANN, [person(ANN, "e-17")], accounts, (EXTERNALID,)) == (
        MatchOutcome.MATCHED,
        7,
    )


@pytest.mark.parametrize("key", [None, "", "  ", "nobody@x"])
def test_a_person_without_a_usable_value_has_no_account(key: str | None) -> None:
    """An empty value matches nobody, not even an account without an address."""
    found = outcome_of(
        ANN, [person(ANN, key)], [account(7, "ann@x"), account(8, ""), account(9, None)]
    )
    assert found == (MatchOutcome.NO_ACCOUNT, None)


def test_an_archived_account_is_not_served() -> None:
    """Only active accounts are; the reason is told apart from `no account`."""
    found = outcome_of(ANN, [person(ANN, "ann@x")], [account(7, "ann@x", active=False)])
    assert found == (MatchOutcome.INACTIVE, None)


def test_an_active_account_wins_over_an_archived_one_of_the_same_mail() -> None:
    """A re-created account keeps its archived predecessor."""
    accounts = [account(7, "ann@x", active=False), account(8, "ann@x")]
    assert outcome_of(ANN, [person(ANN, "ann@x")], accounts) == (MatchOutcome.MATCHED, 8)


def test_two_active_accounts_of_one_mail_are_ambiguous() -> None:
    """Nobody can tell which one is hers, and no later rule is asked to guess."""
    accounts = [account(7, "ann@x"), account(8, "ann@x"), account(9, "ann@upn")]
    found = outcome_of(ANN, [person(ANN, "ann@x", "ann@upn")], accounts, (EMAIL, EMAIL))
    assert found == (MatchOutcome.SEVERAL_ACCOUNTS, None)


def test_two_people_of_one_mail_are_both_ambiguous() -> None:
    """Also when only one of them has a picture: no face rather than a wrong one."""
    people = [person(ANN, "shared@x"), person(BOB, "shared@x")]
    for guid in (ANN, BOB):
        assert outcome_of(guid, people, [account(7, "shared@x")]) == (
            MatchOutcome.SEVERAL_PEOPLE,
            None,
        )


ANN7, BOB8 = account(7, "ann@x"), account(8, "bob@x")
BOTH = {ANN: 7, BOB: 8}


def test_letters_that_only_look_alike_are_two_people() -> None:
    """Rule 11: "Compared exactly but for ASCII case and surrounding blanks"."""
    accounts = [account(7, "masse@x"), account(8, "MASSE@x")]
    assert outcome_of(ANN, [person(ANN, "ma\u00dfe@x")], accounts[:1])[0] is MatchOutcome.NO_ACCOUNT
    accounts = [account(7, "\u00c4nne@x"), account(8, "\u00e4nne@x")]
    assert outcome_of(ANN, [person(ANN, "\u00e4nne@x")], accounts) == (MatchOutcome.MATCHED, 8)


def test_a_served_person_keeps_the_account_when_their_attributes_lead_nowhere() -> None:
    """Rule 1: "even when their own match attributes lead nowhere any more" (a married name in AD only)."""
    found = match_of(ANN, [person(ANN, "ann.new@x")], [ANN7], holders={ANN: 7})
    assert (found.outcome, found.account) == (MatchOutcome.MATCHED, indexed(7))
    assert found.rule is None
    several = [ANN7, account(9, "ann.new@x"), account(10, "ann.new@x")]
    assert outcome_of(ANN, [person(ANN, "ann.new@x")], several, holders={ANN: 7}) == (
        MatchOutcome.MATCHED,
        7,
    )


def test_a_served_person_who_leads_to_another_account_gets_no_second_one() -> None:
    """Rule 1: "When the attributes lead to *another* active account …, they are Ambiguous"."""
    people = [person(ANN, "bob@x")]
    found = match_of(ANN, people, [ANN7, BOB8], holders={ANN: 7})
    assert (found.outcome, found.kept) == (MatchOutcome.LEADS_ELSEWHERE, True)
    released = match_of(ANN, people, [ANN7, BOB8], holders={ANN: 7}, release=True)
    assert (released.account, released.released) == (indexed(8), True)


def test_an_archived_account_is_not_kept() -> None:
    """Rule 11: absent or inactive, and matching another one: that one is theirs now."""
    gone = [account(7, "ann@x", active=False), account(9, "ann@x")]
    found = match_of(ANN, [person(ANN, "ann@x")], gone, holders={ANN: 7})
    assert (found.outcome, found.kept) == (MatchOutcome.MATCHED, False)
    assert found.account == indexed(9)
    assert found.released is False
    archived = match_of(ANN, [person(ANN, "ann@x")], gone[:1], holders={ANN: 7})
    assert (archived.outcome, archived.kept) == (MatchOutcome.INACTIVE, False)


def test_an_account_inactive_by_rule_1_and_active_by_rule_2_is_theirs() -> None:
    """Rules of `match` are tried in order: one that leads to an archived user only decides nothing."""
    accounts = [account(7, "ann@x", active=False), account(8, "ann@upn")]
    found = match_of(ANN, [person(ANN, "ann@x", "ann@upn")], accounts, (EMAIL, EMAIL))
    assert (found.outcome, found.rule) == (MatchOutcome.MATCHED, 1)
    assert found.account == indexed(8)


def test_two_who_swap_mails_are_ambiguous_until_both_are_released() -> None:
    """Nothing tells who is who; acknowledging a change of `match` releases both at once."""
    people = [person(ANN, "bob@x"), person(BOB, "ann@x")]
    for guid, lead in ((ANN, 8), (BOB, 7)):
        found = outcome_of(guid, people, [ANN7, BOB8], holders=BOTH)
        assert found == (MatchOutcome.LEADS_ELSEWHERE, None)
        released = outcome_of(guid, people, [ANN7, BOB8], holders=BOTH, release=True)
        assert released == (MatchOutcome.MATCHED, lead)


def test_an_account_served_for_someone_else_in_scope_is_held() -> None:
    """A mail address that moved to another person moves no face before that is clear."""
    people = [person(ANN, "ann@x"), person(BOB, None)]
    assert outcome_of(ANN, people, [ANN7], holders={BOB: 7}) == (MatchOutcome.HELD_BY_OTHER, None)
    kept = match_of(BOB, people, [ANN7], holders={BOB: 7})
    assert (kept.outcome, kept.kept) == (MatchOutcome.SEVERAL_PEOPLE, True)


def test_an_account_that_two_were_served_on_belongs_to_who_leads_there() -> None:
    """Someone comes back from a leave and finds their account served for another person."""
    people = [person(ANN, "ann@x"), person(BOB, None)]
    assert outcome_of(ANN, people, [ANN7], holders={ANN: 7, BOB: 7}) == (MatchOutcome.MATCHED, 7)
    assert outcome_of(BOB, people, [ANN7], holders={ANN: 7, BOB: 7})[0].ambiguous
    nobody = [person(ANN, None), person(BOB, None)]
    for guid in (ANN, BOB):
        found = outcome_of(guid, nobody, [ANN7], holders={ANN: 7, BOB: 7})
        assert found == (MatchOutcome.HELD_BY_OTHER, None)


def test_an_account_is_free_once_its_holder_has_left_the_scope() -> None:
    """A full sweep that no longer shows the other person frees the account; their record is told."""
    found = match_of(ANN, [person(ANN, "ann@x")], [ANN7], holders={BOB: 7})
    assert (found.outcome, found.account) == (MatchOutcome.MATCHED, indexed(7))
    assert [former.account_id for former in found.former] == [7]


KEYS = st.sampled_from([None, "a@x", "b@x", "c@x"])
PEOPLE = st.lists(st.tuples(KEYS, KEYS), max_size=6)
ACCOUNTS = st.lists(st.tuples(KEYS, st.booleans()), max_size=6)


@given(PEOPLE, ACCOUNTS)
def test_no_account_is_ever_given_to_two_people(
    people: list[tuple[str | None, str | None]], accounts: list[tuple[str | None, bool]]
) -> None:
    """Whatever the directories hold, a matched account is active and has one person only."""
    everyone = [person(UUID(int=n), *keys) for n, keys in enumerate(people)]
    there = [account(n, mail, active=active) for n, (mail, active) in enumerate(accounts)]
    rows = packed(everyone)
    matcher = Matcher(
        [rows],
        index_of(there, (EMAIL, EMAIL)),
        holdings=tuple[bytes],
        record_of=lambda _: PersonRecord(),
        release=False,
    )
    matches = [matcher.match(each, None) for each in rows]
    given_out = [match.account.id for match in matches if match.account]
    assert len(given_out) == len(set(given_out))
    assert all(accounts[number][1] for number in given_out)


@given(st.dictionaries(st.uuids(), st.integers(0, 3), max_size=12), st.integers(0, 4))
def test_holders_are_those_whose_rows_name_the_account(rows: dict[UUID, int], wanted: int) -> None:
    """Packed, however many people were served on one account; a row without an account holds none."""
    records = {who: PersonRecord(Accepted(bytes(16), "a", n, 1)) for who, n in rows.items()}
    expected = {who for who, number in rows.items() if number == wanted and number}
    assert set(Holders(holdings(records)).of(wanted)) == expected
    assert set(Holders(holdings(records), {wanted}).of(wanted)) == expected
