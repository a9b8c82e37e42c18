"""The one HighQ account of each person, or why there is none. Pure.

The right face on the right person, or no face (design, rules 1 and 11): a recorded account is kept while it
is active, a first match must be unique both ways, and nobody gets a second account by inference.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from uuid import UUID

from profile_image_sync.worker.accounts import AccountIndex, digests_of, id_bytes
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.packed import IdSet, PackedRows
from profile_image_sync.worker.people import Account
from profile_image_sync.worker.people_rows import PackedPerson, PeopleRows


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

    def __init__(self, rows: Iterable[bytes] = (), accounts: Container[int] | None = None) -> None:
        """Take what `Ledger.holdings` yields: of these accounts, or of all."""
        self._rows = PackedRows(self._ACCOUNT, self._ROW)
        for row in rows:
            if accounts is None or int.from_bytes(row[: self._ACCOUNT], "big") in accounts:
                self._rows.add(row)

    def of(self, account_id: int) -> Iterator[UUID]:
        """Yield the people whose rows name this account."""
        return (UUID(bytes=row[self._ACCOUNT :]) for row in self._rows.of(id_bytes(account_id)))


def lead_of(digests: Sequence[bytes], accounts: AccountIndex) -> Match:
    """Return where a person's attributes lead: the first rule that finds an active account decides."""
    outcome = MatchOutcome.NO_ACCOUNT
    for rule, digest in enumerate(digests):
        found = list(accounts.bearers(rule, digest))
        active = [account for account in found if account.active]
        if len(active) > 1:
            return Match(MatchOutcome.SEVERAL_ACCOUNTS)
        if active:
            return Match(MatchOutcome.MATCHED, active[0], rule)
        if found:
            outcome = MatchOutcome.INACTIVE
    return Match(outcome)


def claimable(
    digests: Sequence[bytes], accepted: Accepted | None, accounts: AccountIndex
) -> Iterator[int]:
    """Yield the active accounts that a person leads to, or is recorded on: others may claim them."""
    if lead := lead_of(digests, accounts).account:
        yield lead.id
    if accepted and accounts.active(accepted.account_id):
        yield accepted.account_id


class Matcher:
    """Matches people, each in view of all others who may claim the same account.

    `people` are everyone in scope; or some of them, with whoever else bears a value of the accounts that
    these lead to or are recorded on.
    """

    def __init__(
        self,
        people: Sequence[PeopleRows],
        accounts: AccountIndex,
        *,
        holdings: Callable[[], Iterable[bytes]],
        record_of: Callable[[UUID], PersonRecord],
        release: bool,
        everyone: bool = True,
    ) -> None:
        """`release`: whoever leads to another account than the recorded one gives the recorded one up.

        `holdings` is `Ledger.holdings`. Not `everyone`: who is not among the people is gone only if the last
        full sweep said so.
        """
        self._people = people
        self._accounts = accounts
        self._record_of = record_of
        self._release = release
        self._everyone = everyone
        self._claimed, self._claimed_again = IdSet(), IdSet()
        disputed = IdSet()  # by whoever is served there, and another person
        for person in chain.from_iterable(people):
            lead, accepted = (
                lead_of(person.digests, accounts).account,
                record_of(person.guid).accepted,
            )
            recorded = accepted.account_id if accepted else 0
            if lead:
                again = lead.id in self._claimed
                (self._claimed_again if again else self._claimed).add(lead.id)
            if not lead or lead.id != recorded:
                disputed.add(recorded)
                disputed.add(lead.id if lead else recorded)
        self._holders = Holders(holdings() if len(disputed) else (), disputed)

    def match(self, person: PackedPerson, accepted: Accepted | None) -> Match:
        """Return the match of one of the people, who has this record."""
        lead = lead_of(person.digests, self._accounts)
        recorded = self._accounts.active(accepted.account_id) if accepted else None
        if recorded and not self._gives_up(lead, recorded.id):
            return self._kept(person.guid, recorded, lead)
        match = self._first(person.guid, lead)
        if recorded:
            return replace(match, released=True)
        if accepted or not match.account:
            return match
        return replace(match, former=self._former(match.account.id))

    def still_leads(self, guid: UUID, account_id: int, keys: tuple[str | None, ...]) -> bool:
        """Tell whether somebody is matched as before, now that these are the values of their attributes.

        The value that led to this account must be the very one that the account bears: digests may fall
        together.
        """
        person = self._person(guid)
        if person is None or person.digests != digests_of(keys):
            return False
        lead = lead_of(person.digests, self._accounts)
        if lead.account is None or lead.rule is None or lead.account.id != account_id:
            return True
        return self._accounts.bears(account_id, lead.rule, keys[lead.rule])

    def _kept(self, guid: UUID, recorded: Account, lead: Match) -> Match:
        """Rule 1: the recorded account, unless it may be another person's, or another one theirs."""
        leads_here = lead.account is not None and lead.account.id == recorded.id
        if lead.account and not leads_here:
            return Match(MatchOutcome.LEADS_ELSEWHERE, kept=True)
        if recorded.id in (self._claimed_again if leads_here else self._claimed):
            return Match(MatchOutcome.SEVERAL_PEOPLE, kept=True)
        if not leads_here and self._held_by_other(guid, recorded.id):
            return Match(MatchOutcome.HELD_BY_OTHER, kept=True)
        return Match(MatchOutcome.MATCHED, recorded, lead.rule if leads_here else None, kept=True)

    def _first(self, guid: UUID, lead: Match) -> Match:
        """Rule 11: unique both ways."""
        if lead.account is None:
            return lead
        if lead.account.id in self._claimed_again:
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
        looked_at = any(guid in some for some in self._people)
        if looked_at or self._everyone:
            return looked_at
        accepted = self._record_of(guid).accepted
        return accepted is not None and not accepted.gone

    def _released(self, guid: UUID, recorded: int) -> bool:
        person = self._person(guid)
        return person is not None and self._gives_up(
            lead_of(person.digests, self._accounts), recorded
        )

    def _gives_up(self, lead: Match, recorded: int) -> bool:
        """Tell whether the recorded account is given up, since the person leads to another one."""
        return self._release and lead.account is not None and lead.account.id != recorded

    def _person(self, guid: UUID) -> PackedPerson | None:
        return next(filter(None, (some.get(guid) for some in self._people)), None)
