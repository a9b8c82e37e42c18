"""Whom a run looks at: everyone, or who changed, who failed, and who waits for an account.

Apart from `run`, which plans and uploads: what is not read here is not judged, so each gap that a window of
changes leaves is closed here (design, rules 8, 10 and 11; reasons in `sweeps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog

from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import ListedAccounts, StateHeader, Sweep
from profile_image_sync.api.status import Trigger
from profile_image_sync.worker.accounts import DIGEST, AccountIndex, digests_of, id_mark
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.brakes import SweepCounter
from profile_image_sync.worker.directory import Directory, Position, Window
from profile_image_sync.worker.directory.changes import digest_of
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import (
    Holders,
    Match,
    Matcher,
    MatchOutcome,
    claimable,
)
from profile_image_sync.worker.packed import IdSet, PackedRows
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Individual, Person
from profile_image_sync.worker.people_rows import PackedPerson, PeopleRows
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

    people: PeopleRows
    position: Position | None  # up to which changes were read; None: the server does not tell
    started: datetime  # UTC
    reason: SweepReason | None  # why everyone was read; None: not everyone was
    sweep: Sweep | None = None  # what a full sweep showed
    candidates: int = 0  # people who may be served, if not everyone was read
    accounts: AccountIndex | None = None  # None: HighQ's users were not needed
    listed: ListedAccounts | None = None
    match_of: Callable[[PackedPerson, PersonRecord], Match] = field(default=lambda *_: NOT_ASKED)
    # whether somebody still leads to this account, now that these are their values
    still_leads: Callable[[UUID, int, tuple[str | None, ...]], bool] = field(
        default=lambda *_: False
    )

    @property
    def everyone(self) -> bool:
        """Tell whether everyone in scope was read."""
        return self.reason is not None

    @property
    def highest_account_id(self) -> int:
        """The highest id of HighQ's users; 0: they were not needed, or there are none."""
        return self.accounts.highest_id if self.accounts else 0

    @property
    def tells_pictures(self) -> bool:
        """Tell whether HighQ's list says who has a picture."""
        return self.accounts is not None and self.accounts.tells_pictures


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
        reading = Reading(self._nobody(), self._position, self._now, self._reason)
        if self._position and not self._reason:
            reading = self._read_changes(self._position)
        if reading.reason:
            log.info("everyone is read", reason=reading.reason.value)
            self._read_everyone(reading)
        return reading

    def _read_everyone(self, reading: Reading) -> None:
        self._ledger.load()
        now, last = self._position, list[Person]()  # whose changes are the last before now
        reading.people = self._nobody()
        counter = SweepCounter(self._spec.active_directory.image_attributes)
        for person in self._checking(self._directory.people()):
            counter.add(person)
            reading.people.add(person)
            if now and Window(now.usn).first <= person.usn:
                last.append(person)
        reading.sweep = counter.sweep()
        if now:
            reading.position = replace(now, seen=digest_of(last, now.usn))

    def _read_changes(self, now: Position) -> Reading:
        """Read who changed and who failed, unless it turns out that everyone must be read."""
        ledger, directory = self._ledger, self._directory
        cursor = next(each for each in ledger.header.cursors if each.server == now.server)
        reading = Reading(self._nobody(), now, self._now, None)
        ends = list[Person]()  # of this window and of the last one
        for person in self._checking(directory.people(Window(cursor.usn))):
            if person.usn > cursor.usn:
                self._look_at(person, reading)
            if person.usn <= cursor.usn or person.usn >= Window(now.usn).first:
                ends.append(person)
            if reading.candidates > MOST_CANDIDATES:
                reading.reason = SweepReason.MANY_CHANGES
                return reading
        usn = now.usn if len(reading.people) else cursor.usn  # a cursor that stays is not written
        reading.position = replace(now, usn=usn, seen=digest_of(ends, usn))
        if digest_of(ends, cursor.usn) != cursor.seen:
            for person in ends:
                if person.usn <= cursor.usn and not self._was_left_waiting(person):
                    self._look_at(person, reading)
        if _counted(ledger.header, PeopleKind.FAILED):
            self._look_at_failed(reading)
        return reading

    def _look_at_failed(self, reading: Reading) -> None:
        for person in self._directory.people_by_guid(self._waiting(has_failed, reading)):
            self._look_at(person, reading)
        if any(True for _ in self._waiting(has_failed, reading)):
            reading.reason = SweepReason.PERSON_MISSING
        elif reading.candidates > MOST_CANDIDATES:
            reading.reason = SweepReason.MANY_CHANGES

    def _was_left_waiting(self, person: Person) -> bool:
        """Tell whether the last run looked at somebody, and found no account that is theirs."""
        waits = waits_for_account(self._ledger.get(person.guid))
        return waits and self._needs_account(person)

    def _nobody(self) -> PeopleRows:
        attributes, rules = self._spec.active_directory.image_attributes, self._spec.highq.match
        return PeopleRows(attributes, len(rules), self._ledger.get)

    def _look_at(self, person: Person, reading: Reading) -> None:
        if person.guid not in reading.people:
            reading.people.add(person)
            reading.candidates += self._needs_account(person)

    def _needs_account(self, person: Individual) -> bool:
        return needs_account(person, self._ledger.get(person.guid), self._policy)

    def _waiting(
        self, condition: Callable[[PersonRecord], bool], reading: Reading
    ) -> Iterator[UUID]:
        """Yield who waits in such a way, and is not looked at yet."""
        return (
            guid
            for guid, word in self._ledger.waiting_people()
            if condition(PersonRecord(waiting=word)) and guid not in reading.people
        )

    def match(self, reading: Reading, highq: HighQClient) -> None:
        """List HighQ's users if they are needed, and add to the reading how people are matched.

        Raises what HighQClient.read_into raises, and DirectoryUnavailable.
        """
        header, known = self._ledger.header, MAX_ACCOUNT_ID
        kinds = (PeopleKind.UNMATCHED, PeopleKind.AMBIGUOUS)
        waits = sum(_counted(header, kind) for kind in kinds)
        all_due = reading.everyone or not waits or is_listing_due(header, self._now)
        if not (
            reading.everyone
            or reading.candidates
            or (waits and (all_due or self._has_new_accounts(highq)))
        ):
            return
        if waits and not reading.everyone:
            if all_due or waits <= MOST_CANDIDATES:  # an account may come with a low id
                waiting = self._waiting(waits_for_account, reading)
                for person in self._directory.people_by_guid(waiting):
                    self._look_at(person, reading)
            elif header.accounts:
                known = header.accounts.highest_id
        keys, wanted = [rule.highq for rule in self._spec.highq.match], self._wanted(reading)
        index = reading.accounts = highq.read_into(
            lambda: AccountIndex(keys, wanted=wanted, known=known)
        )
        if reading.everyone:
            self._match_everyone(reading, index)
        else:
            self._match_some(reading, index)
        before = header.accounts
        reading.listed = ListedAccounts(
            total=len(index) + highq.skipped_accounts,
            highest_id=index.highest_id,
            all_retried=before.all_retried if before and not all_due else self._now,
        )

    def _has_new_accounts(self, highq: HighQClient) -> bool:
        listed = self._ledger.header.accounts
        return listed is None or highq.account_total() != listed.total

    def _wanted(self, reading: Reading) -> PackedRows:
        """Return what tells the accounts that may be claimed, unless all people are known anyway."""
        wanted = PackedRows(DIGEST, DIGEST)
        for person in () if reading.everyone else reading.people:
            accepted = self._ledger.get(person.guid).accepted
            if self._needs_account(person):
                for mark in (*person.digests, id_mark(accepted.account_id if accepted else 0)):
                    wanted.add(mark)
        return wanted

    def _match_everyone(self, reading: Reading, index: AccountIndex) -> None:
        matcher = Matcher(
            [reading.people],
            index,
            holdings=self._ledger.holdings,
            record_of=self._ledger.get,
            release=self._acknowledged.allows(self._acknowledged.match_change),
        )
        reading.match_of = lambda person, record: matcher.match(person, record.accepted)
        reading.still_leads = matcher.still_leads

    def _match_some(self, reading: Reading, index: AccountIndex) -> None:
        """Match who may be served, in view of everyone else who bears a value of their accounts (rule 11)."""
        ledger, directory = self._ledger, self._directory
        for person in directory.people_by_value(index.values(index.new)):  # some may wait for one
            accepted = ledger.get(person.guid).accepted
            claims = claimable(digests_of(person.keys), accepted, index)
            if all(map(index.keeps, claims)):  # else they wait for the next complete retry
                self._look_at(person, reading)
        claimed = {
            account_id
            for person in reading.people
            if self._needs_account(person)
            for account_id in claimable(person.digests, ledger.get(person.guid).accepted, index)
        }
        claimants = self._nobody()
        for person in directory.people_by_value(index.values(claimed), images=False):
            if person.guid not in reading.people and person.guid not in claimants:
                claimants.add(person)
        matcher = Matcher(
            [reading.people, claimants],
            index,
            holdings=ledger.holdings,
            record_of=ledger.get,
            release=False,  # an acknowledged edit of `match` has everyone read
            everyone=False,
        )

        def match_of(person: PackedPerson, record: PersonRecord) -> Match:
            if not needs_account(person, record, self._policy):
                return NOT_ASKED
            return matcher.match(person, record.accepted)

        reading.match_of, reading.still_leads = match_of, matcher.still_leads


def _counted(header: StateHeader, kind: PeopleKind) -> int:
    """Return how many people of a kind the last run counted."""
    return sum(header.totals.reasons.get(kind, {}).values()) if header.totals else 0


def record_scope(ledger: Ledger, reading: Reading, people: int) -> None:
    """Make room for so many people, and mark who has come back; after a full sweep also who has left."""
    ledger.reserve(people)
    present = reading.people
    if reading.everyone:
        left = IdSet()  # accounts of those who are not there, as the run has found them
        for row in ledger.holdings():
            if UUID(bytes=row[6:]) not in present:
                left.add(int.from_bytes(row[:6], "big"))
        holders = Holders(ledger.holdings() if len(left) else (), left)
        changed = list(records_of_leavers(ledger.items(), present, holders))
    else:
        guids = (person.guid for person in present)
        changed = list(records_of_returners((guid, ledger.get(guid)) for guid in guids))
    for guid, record in changed:
        ledger.put(guid, record)
