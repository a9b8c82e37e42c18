"""Who is who: the one HighQ account of each person, or why there is none. Pure.

The right face on the right person, or no face (design, rule 11): a match must be unique both ways.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.people import Account, Person


class MatchOutcome(StrEnum):
    """How the search for a person's account ended; also the reason word of reports."""

    MATCHED = "Matched"
    NO_ACCOUNT = "NoAccount"
    INACTIVE = "AccountInactive"
    SEVERAL_ACCOUNTS = "SeveralAccounts"  # more than one active account bears the person's value
    SEVERAL_PEOPLE = "SeveralPeople"  # another person in scope leads to the same account
    HELD_BY_OTHER = "AccountHeldByOther"  # the account was last served for another person in scope

    @property
    def ambiguous(self) -> bool:
        """Tell whether an account may be theirs, but not surely and only theirs."""
        return self in _AMBIGUOUS


# What a person reads in the lists, by outcome.
EXPLANATIONS = {
    MatchOutcome.NO_ACCOUNT: "no HighQ user has their address or external id; once one has, they are served",
    MatchOutcome.INACTIVE: "their HighQ user is not active; once it is, they are served",
    MatchOutcome.SEVERAL_ACCOUNTS: "several active HighQ users fit; make address or external id unique there",
    MatchOutcome.SEVERAL_PEOPLE: "another person in scope leads to the same HighQ user; correct either's "
    "attributes of spec.highq.match in the directory",
    MatchOutcome.HELD_BY_OTHER: "their HighQ user was last served for another person who is still in scope; "
    "correct either's attributes of spec.highq.match in the directory",
}

_AMBIGUOUS = frozenset(
    {MatchOutcome.SEVERAL_ACCOUNTS, MatchOutcome.SEVERAL_PEOPLE, MatchOutcome.HELD_BY_OTHER}
)


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome for one person; `account_id` only when MATCHED."""

    outcome: MatchOutcome
    account_id: int | None = None


_NO_ACCOUNT = Match(MatchOutcome.NO_ACCOUNT)


def match_people(
    people: Sequence[Person],
    accounts: Iterable[Account],
    fields: Sequence[MatchKey],
    holders: Mapping[int, Iterable[UUID]],
) -> dict[UUID, Match]:
    """Return the match of every person in scope.

    `fields` are the HighQ sides of `spec.highq.match`, in the order of `Person.keys`. `holders` are the
    people whose recorded rows name an account id; one that is no longer in scope holds nothing.
    """
    accounts = list(accounts)
    index = {field: _index(accounts, field) for field in dict.fromkeys(fields)}
    found = {person.guid: _find_account(person, fields, index) for person in people}
    claims = Counter(match.account_id for match in found.values() if match.account_id is not None)
    return {guid: _unique(guid, match, claims, holders, found) for guid, match in found.items()}


def _index(accounts: Iterable[Account], field: MatchKey) -> dict[str, list[Account]]:
    by_value: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        if value := _normalised(_value(account, field)):
            by_value[value].append(account)
    return dict(by_value)


def _value(account: Account, field: MatchKey) -> str | None:
    match field:
        case MatchKey.EMAIL:
            return account.email
        case MatchKey.EXTERNALID:
            return account.externalid
        case _:
            assert_never(field)


def _normalised(value: str | None) -> str:
    """Compare as mail systems and AD do: without regard to case or surrounding blanks."""
    return (value or "").strip().casefold()


def _find_account(
    person: Person,
    fields: Sequence[MatchKey],
    index: Mapping[MatchKey, dict[str, list[Account]]],
) -> Match:
    """Try the rules in order; the first that leads to an active account decides."""
    outcome = _NO_ACCOUNT
    for key, field in zip(person.keys, fields, strict=True):
        accounts = index[field].get(_normalised(key), [])
        active = [account for account in accounts if account.active]
        if len(active) > 1:
            return Match(MatchOutcome.SEVERAL_ACCOUNTS)
        if active:
            return Match(MatchOutcome.MATCHED, active[0].id)
        if accounts:
            outcome = Match(MatchOutcome.INACTIVE)
    return outcome


def _unique(
    guid: UUID,
    match: Match,
    claims: Mapping[int, int],
    holders: Mapping[int, Iterable[UUID]],
    in_scope: Mapping[UUID, Match],
) -> Match:
    if match.account_id is None:
        return match
    if claims[match.account_id] > 1:
        return Match(MatchOutcome.SEVERAL_PEOPLE)
    if any(other != guid and other in in_scope for other in holders.get(match.account_id, ())):
        return Match(MatchOutcome.HELD_BY_OTHER)
    return match
