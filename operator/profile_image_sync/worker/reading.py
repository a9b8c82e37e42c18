"""Whom a run looks at: everyone, or who changed, who failed, and who waits for an account.

Apart from `run`, which plans and uploads: what is not read here is not judged, so each gap that a window of
changes leaves is closed here (design, rules 8, 10 and 11; reasons in `sweeps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog

from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import ListedAccounts, StateHeader
from profile_image_sync.api.status import Trigger
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory import Directory, Position, Window
from profile_image_sync.worker.directory.changes import digest_of
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import (
    AccountIndex,
    Holders,
    Match,
    Matcher,
    MatchOutcome,
)
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.plan import (
    has_failed,
    needs_account,
    policy_for,
    waits_for_account,
)
from profile_image_sync.worker.planner import records_of_leavers, records_of_returners
from profile_image_sync.worker.sweeps import (
    SweepReason,
    is_listing_due,
    scope_fingerprint,
    sweep_due,
)

MOST_CANDIDATES = 2_000  # for whom the directory is asked who else bears their values

NOT_ASKED = Match(MatchOutcome.NO_ACCOUNT, kept=True)  # whatever HighQ says, nothing is done

log = structlog.get_logger()


@dataclass(slots=True)
class Reading:
    """The people whom a run looks at, and what it takes to match them."""

    people: Sequence[Person]
    position: Position | None  # up to which changes were read; None: the server does not tell
    started: datetime  # UTC
    reason: SweepReason | None  # why everyone was read; None: not everyone was
    candidates: Sequence[Person] = ()  # who may be served, if not everyone was read
    accounts: Sequence[Account] | None = None  # None: HighQ's users were not needed
    listed: ListedAccounts | None = None
    match_of: Callable[[Person, PersonRecord], Match] = field(default=lambda *_: NOT_ASKED)

    @property
    def everyone(self) -> bool:
        """Tell whether everyone in scope was read."""
        return self.reason is not None


class Reader:
    """Reads for one run."""

    def __init__(
        self,
        spec: ProfileImageSyncSpec,
        ledger: Ledger,
        directory: Directory,
        *,
        acknowledged: Acknowledgements,
        now: datetime,
        checking: Callable[[Iterable[Person]], Iterator[Person]],
    ) -> None:
        """`acknowledged`: with the lists of this spec; `checking` lets people pass until a stop."""
        self._spec = spec
        self._ledger = ledger
        self._directory = directory
        self._acknowledged = acknowledged
        self._now = now
        self._checking = checking
        self._policy = policy_for(spec, acknowledged)
        self._position: Position | None = None
        self._reason: SweepReason | None = None
        self._keys = [rule.highq for rule in spec.highq.match]

    def decide(self, trigger: Trigger) -> None:
        """Decide whether everyone is read, and then see that the state is whole (rule 9).

        Raises what `Directory.position` raises, and Ledger.load.
        """
        self._position = self._directory.position()
        self._reason = sweep_due(
            self._ledger.header,
            self._position,
            trigger=trigger,
            scope=scope_fingerprint(self._spec),
            interval=self._spec.active_directory.full_sweep_interval,
            acknowledged=self._acknowledged,
            now=self._now,
        )
        if self._reason:
            self._ledger.load()

    def read(self) -> Reading:
        """Read the directory. Raises what `Directory.people` raises, and Ledger.load."""
        reading = Reading((), self._position, self._now, self._reason)
        if self._position and not self._reason:
            reading = self._read_changes(self._position)
        if reading.reason:
            log.info("everyone is read", reason=reading.reason.value)
            self._ledger.load()
            people = reading.people = list(self._checking(self._directory.people()))
            if now := self._position:
                reading.position = replace(now, seen=digest_of(people, now.usn))
        return reading

    def _read_changes(self, now: Position) -> Reading:
        """Read who changed and who failed, unless it turns out that everyone must be read."""
        ledger, directory = self._ledger, self._directory
        cursor = next(each for each in ledger.header.cursors if each.server == now.server)
        read = list(self._checking(directory.people(Window(cursor.usn))))
        new = {person.guid for person in read if person.usn > cursor.usn}
        people = {person.guid: person for person in read}
        if digest_of(read, cursor.usn) == cursor.seen:
            people = {guid: people[guid] for guid in new}
        failed = self._waiting(has_failed) if _counted(ledger.header, PeopleKind.FAILED) else set()
        people |= {each.guid: each for each in directory.people_by_guid(failed - people.keys())}
        needing = {guid for guid in people if self._needs_account(people[guid])}
        candidates = [
            people[guid]
            for guid in needing
            if guid in new | failed or not waits_for_account(ledger.get(guid))
        ]
        for guid in needing - {person.guid for person in candidates}:
            del people[guid]  # a window's end is read once more: nothing is new about them
        reason = None
        if not failed <= people.keys():
            reason = SweepReason.PERSON_MISSING
        elif len(candidates) > MOST_CANDIDATES:
            reason = SweepReason.MANY_CHANGES
        usn = now.usn if new else cursor.usn  # a cursor that stays is not written
        position = replace(now, usn=usn, seen=digest_of(read, usn))
        return Reading(list(people.values()), position, self._now, reason, candidates)

    def _needs_account(self, person: Person) -> bool:
        return needs_account(person, self._ledger.get(person.guid), self._policy)

    def _waiting(self, condition: Callable[[PersonRecord], bool]) -> set[UUID]:
        return {
            guid
            for guid, word in self._ledger.waiting_people()
            if condition(PersonRecord(waiting=word))
        }

    def match(self, reading: Reading, highq: HighQClient) -> None:
        """List HighQ's users if they are needed, and add to the reading how people are matched.

        Raises what HighQClient.accounts raises, and DirectoryUnavailable.
        """
        header = self._ledger.header
        kinds = (PeopleKind.UNMATCHED, PeopleKind.AMBIGUOUS)
        waits = any(_counted(header, kind) for kind in kinds)
        all_due = reading.everyone or not waits or is_listing_due(header, self._now)
        if not (
            reading.everyone
            or reading.candidates
            or (waits and (all_due or self._has_new_accounts(highq)))
        ):
            return
        accounts = reading.accounts = highq.accounts()
        index = AccountIndex(accounts, self._keys)
        if reading.everyone:
            release = self._acknowledged.allows(self._acknowledged.match_change)
            holders = Holders(self._ledger.holdings())
            matcher = self._matcher(reading.people, index, holders, release=release)
            reading.match_of = lambda person, record: matcher.match(person.guid, record.accepted)
        else:
            self._add_waiting(reading, index, everyone_waiting=waits and all_due)
            self._match_some(reading, index)
        before = header.accounts
        reading.listed = ListedAccounts(
            total=len(accounts) + highq.skipped_accounts,
            highest_id=max((account.id for account in accounts), default=0),
            all_retried=before.all_retried if before and not all_due else self._now,
        )

    def _has_new_accounts(self, highq: HighQClient) -> bool:
        listed = self._ledger.header.accounts
        return listed is None or highq.account_total() != listed.total

    def _add_waiting(
        self, reading: Reading, index: AccountIndex, *, everyone_waiting: bool
    ) -> None:
        """Look at those who wait as well: at all if they are few, else at those with new accounts."""
        people = {person.guid: person for person in reading.people}
        waiting = self._waiting(waits_for_account) - people.keys()
        if everyone_waiting or len(waiting) <= MOST_CANDIDATES:  # an account may come with a low id
            more = self._directory.people_by_guid(waiting)
        else:
            listed = self._ledger.header.accounts
            known = listed.highest_id if listed else 0
            new = [account for account in reading.accounts or () if account.id > known]
            more = self._directory.people_by_value(index.values(new))
        reading.people = list(({person.guid: person for person in more} | people).values())

    def _match_some(self, reading: Reading, index: AccountIndex) -> None:
        """Match who may be served, in view of everyone else who bears a value of their accounts (rule 11)."""
        wanted = {
            account.id: account
            for person in reading.people
            if self._needs_account(person)
            for account in index.claimable(person, self._ledger.get(person.guid).accepted)
        }
        claimants = self._directory.people_by_value(index.values(wanted.values()))
        everyone = {person.guid: person for person in (*claimants, *reading.people)}
        holders = Holders(self._ledger.holdings(), wanted)
        matcher = self._matcher(list(everyone.values()), index, holders, everyone=False)

        def match_of(person: Person, record: PersonRecord) -> Match:
            if not needs_account(person, record, self._policy):
                return NOT_ASKED
            return matcher.match(person.guid, record.accepted)

        reading.match_of = match_of

    def _matcher(
        self,
        people: Sequence[Person],
        index: AccountIndex,
        holders: Holders,
        *,
        release: bool = False,
        everyone: bool = True,
    ) -> Matcher:
        return Matcher(
            people,
            index,
            holders=holders,
            record_of=self._ledger.get,
            release=release,
            everyone=everyone,
        )


def _counted(header: StateHeader, kind: PeopleKind) -> int:
    """Return how many people of a kind the last run counted."""
    return sum(header.totals.reasons.get(kind, {}).values()) if header.totals else 0


def record_scope(ledger: Ledger, reading: Reading, people: int) -> None:
    """Make room for so many people, and mark who has come back; after a full sweep also who has left."""
    ledger.reserve(people)
    guids = {person.guid for person in reading.people}
    if reading.everyone:
        holders = Holders(ledger.holdings())  # as the run has found them
        changed = list(records_of_leavers(ledger.items(), guids, holders))
    else:
        changed = list(records_of_returners((guid, ledger.get(guid)) for guid in guids))
    for guid, record in changed:
        ledger.put(guid, record)
