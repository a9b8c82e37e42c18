"""Matching: unique both ways, or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.matching import MatchOutcome, match_people
from profile_image_sync.worker.people import Account, Person

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


def outcome_of(
    guid: UUID,
    people: Sequence[Person],
    accounts: Sequence[Account],
    fields: Sequence[MatchKey] = (EMAIL,),
    holders: Mapping[int, Sequence[UUID]] | None = None,
) -> tuple[MatchOutcome, int | None]:
    """Match everyone; return what became of one person."""
    match = match_people(people, accounts, fields, holders or {})[guid]
    return match.outcome, match.account_id


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


def test_an_account_served_for_someone_else_in_scope_is_held() -> None:
    """A mail address that moved to another person moves no face before that is clear."""
    people = [person(ANN, "ann@x"), person(BOB, "bob@x")]
    found = outcome_of(ANN, people, [account(7, "ann@x")], holders={7: [BOB]})
    assert found == (MatchOutcome.HELD_BY_OTHER, None)


def test_an_account_is_free_once_its_holder_has_left_the_scope() -> None:
    """A full sweep that no longer shows the other person frees the account."""
    found = outcome_of(ANN, [person(ANN, "ann@x")], [account(7, "ann@x")], holders={7: [BOB, ANN]})
    assert found == (MatchOutcome.MATCHED, 7)


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
    matches = match_people(everyone, there, (EMAIL, EMAIL), {})
    given_out = [match.account_id for match in matches.values() if match.account_id is not None]
    assert len(given_out) == len(set(given_out))
    assert all(accounts[number][1] for number in given_out)
