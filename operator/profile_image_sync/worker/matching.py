"""The one HighQ account of each person, or why there is none. Pure.

The right face on the right person, or no face (design, rules 1 and 11): a recorded account is kept while it
is active, a first match must be unique both ways, and nobody gets a second account by inference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.people import Account, Person


class MatchOutcome(StrEnum):
    """How the search for a person's account ended; also the reason word of reports."""

    MATCHED = "Matched"
    NO_ACCOUNT = "NoAccount"
    INACTIVE = "AccountInactive"
    SEVERAL_ACCOUNTS = "SeveralAccounts"  # more than one active account bears the person's value
    SEVERAL_PEOPLE = "SeveralPeople"  # another person in scope leads to the same account
    HELD_BY_OTHER = "AccountHeldByOther"  # the account was last served for another person in scope
    LEADS_ELSEWHERE = "LeadsToOtherAccount"  # while the recorded account is still active

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
    "correct either's attributes of spec.highq.match in the directory, or release the other with "
    "`profile-image-sync state release`",
    MatchOutcome.LEADS_ELSEWHERE: "their attributes lead to another HighQ user than the active one that was "
    "served; if the other one is theirs, release them with `profile-image-sync state release`",
}

_AMBIGUOUS = frozenset(
    {
        MatchOutcome.SEVERAL_ACCOUNTS,
        MatchOutcome.SEVERAL_PEOPLE,
        MatchOutcome.HELD_BY_OTHER,
        MatchOutcome.LEADS_ELSEWHERE,
    }
)


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome for one person."""

    outcome: MatchOutcome
    account: Account | None = None  # only when MATCHED
    rule: int | None = None  # which rule of spec.highq.match led there; None: the record
    kept: bool = (
        False  # the recorded account is active: what it shows is theirs, even when in doubt
    )
    released: bool = False  # the recorded account is active, and was given up
    former: tuple[Accepted, ...] = ()  # records of people who are gone, for this very account


class Holders:
    """Who was last served on which account, as the rows of the ledger tell: 22 bytes a person."""

    _ACCOUNT, _ROW = 6, 22  # bytes

    def __init__(self, rows: Iterable[bytes] = (), accounts: Iterable[int] | None = None) -> None:
        """Take what `Ledger.holdings` yields: of these accounts, or of all."""
        if accounts is not None:
            wanted = {self._key(account_id) for account_id in accounts}
            rows = (row for row in rows if row[: self._ACCOUNT] in wanted)
        self._rows = b"".join(sorted(rows))

    def of(self, account_id: int) -> Iterator[UUID]:
        """Yield the people whose rows name this account."""
        key, count = self._key(account_id), len(self._rows) // self._ROW
        position = bisect_left(range(count), key, key=self._account_at)
        while position < count and self._account_at(position) == key:
            start = position * self._ROW + self._ACCOUNT
            yield UUID(bytes=self._rows[start : start + 16])
            position += 1

    def _key(self, account_id: int) -> bytes:
        return account_id.to_bytes(self._ACCOUNT, "big")

    def _account_at(self, position: int) -> bytes:
        start = position * self._ROW
        return self._rows[start : start + self._ACCOUNT]


class AccountIndex:
    """The accounts of one complete listing, and where people's attributes lead among them."""

    def __init__(self, accounts: Sequence[Account], keys: Sequence[MatchKey]) -> None:
        """`keys` are the HighQ sides of `spec.highq.match`, in the order of `Person.keys`."""
        self._keys = keys
        self._by_key = {key: _index(accounts, key) for key in dict.fromkeys(keys)}
        self._active = {account.id: account for account in accounts if account.active}

    def active(self, account_id: int) -> Account | None:
        """Return an account if it is there, and active."""
        return self._active.get(account_id)

    def lead(self, person: Person) -> Match:
        """Return where a person's attributes lead: the first rule that finds an active account decides."""
        outcome = MatchOutcome.NO_ACCOUNT
        for rule, (value, key) in enumerate(zip(person.keys, self._keys, strict=True)):
            accounts = self._by_key[key].get(_normalised(value), ())
            active = [account for account in accounts if account.active]
            if len(active) > 1:
                return Match(MatchOutcome.SEVERAL_ACCOUNTS)
            if active:
                return Match(MatchOutcome.MATCHED, active[0], rule)
            if accounts:
                outcome = MatchOutcome.INACTIVE
        return Match(outcome)

    def claimable(self, person: Person, accepted: Accepted | None) -> Iterator[Account]:
        """Yield the active accounts that a person leads to, or is recorded on: others may claim them."""
        if lead := self.lead(person).account:
            yield lead
        if accepted and (recorded := self.active(accepted.account_id)):
            yield recorded

    def values(self, accounts: Iterable[Account]) -> Iterator[tuple[int, str]]:
        """Yield what leads to these accounts: (position in `Person.keys`, value)."""
        for account in accounts:
            for position, key in enumerate(self._keys):
                if value := (_value(account, key) or "").strip():
                    yield position, value


class Matcher:
    """Matches people, each in view of all others who may claim the same account.

    `people` are everyone in scope; or some of them, with whoever else bears a value of the accounts that
    these lead to or are recorded on.
    """

    def __init__(
        self,
        people: Sequence[Person],
        accounts: AccountIndex,
        *,
        holders: Holders,
        record_of: Callable[[UUID], PersonRecord],
        release: bool,
        everyone: bool = True,
    ) -> None:
        """`release`: whoever leads to another account than the recorded one gives the recorded one up.

        Not `everyone`: who is not among the people is gone only if the last full sweep said so.
        """
        self._accounts = accounts
        self._holders = holders
        self._record_of = record_of
        self._release = release
        self._everyone = everyone
        self._leads = {person.guid: accounts.lead(person) for person in people}
        self._claims = Counter(
            lead.account.id for lead in self._leads.values() if lead.account is not None
        )

    def match(self, guid: UUID, accepted: Accepted | None) -> Match:
        """Return the match of one person in scope, who has this record."""
        lead = self._leads[guid]
        recorded = self._accounts.active(accepted.account_id) if accepted else None
        if recorded and not self._released(guid, recorded.id):
            return self._kept(guid, recorded, lead)
        match = self._first(guid, lead)
        if recorded:
            return replace(match, released=True)
        if accepted or not match.account:
            return match
        return replace(match, former=self._former(match.account.id))

    def _kept(self, guid: UUID, recorded: Account, lead: Match) -> Match:
        """Rule 1: the recorded account, unless it may be another person's, or another one theirs."""
        leads_here = lead.account == recorded
        if lead.account and not leads_here:
            return Match(MatchOutcome.LEADS_ELSEWHERE, kept=True)
        if self._claims[recorded.id] > leads_here:
            return Match(MatchOutcome.SEVERAL_PEOPLE, kept=True)
        if not leads_here and self._held_by_other(guid, recorded.id):
            return Match(MatchOutcome.HELD_BY_OTHER, kept=True)
        return Match(MatchOutcome.MATCHED, recorded, lead.rule if leads_here else None, kept=True)

    def _first(self, guid: UUID, lead: Match) -> Match:
        """Rule 11: unique both ways."""
        if lead.account is None:
            return lead
        if self._claims[lead.account.id] > 1:
            return Match(MatchOutcome.SEVERAL_PEOPLE)
        if self._held_by_other(guid, lead.account.id):
            return Match(MatchOutcome.HELD_BY_OTHER)
        return lead

    def _held_by_other(self, guid: UUID, account_id: int) -> bool:
        return any(
            other != guid and self._is_present(other) and not self._released(other, account_id)
            for other in self._holders.of(account_id)
        )

    def _former(self, account_id: int) -> tuple[Accepted, ...]:
        gone = (guid for guid in self._holders.of(account_id) if not self._is_present(guid))
        rows = (self._record_of(guid).accepted for guid in gone)
        return tuple(accepted for accepted in rows if accepted)

    def _is_present(self, guid: UUID) -> bool:
        """Tell whether a holder is in scope: absence from a part of the people is no evidence (rule 10)."""
        if guid in self._leads or self._everyone:
            return guid in self._leads
        accepted = self._record_of(guid).accepted
        return accepted is not None and not accepted.gone

    def _released(self, guid: UUID, recorded: int) -> bool:
        """Tell whether the recorded account is given up, since the person leads to another one."""
        lead = self._leads[guid].account if guid in self._leads else None
        return self._release and lead is not None and lead.id != recorded


def _index(accounts: Iterable[Account], key: MatchKey) -> dict[str, list[Account]]:
    by_value: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        if value := _normalised(_value(account, key)):
            by_value[value].append(account)
    return dict(by_value)


def _value(account: Account, key: MatchKey) -> str | None:
    match key:
        case MatchKey.EMAIL:
            return account.email
        case MatchKey.EXTERNALID:
            return account.externalid
        case _:
            assert_never(key)


def _normalised(value: str | None) -> str:
    """Compare exactly but for ASCII case and surrounding blanks: `maße@` and `masse@` are two people."""
    return (value or "").strip().encode().lower().decode()
