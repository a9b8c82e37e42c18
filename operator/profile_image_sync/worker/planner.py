"""Plans all people of a run at once: who is matched, what is done for each, who has left or returned. Pure.

`matching` and `plan` judge one person; this module brings people, accounts and records together, so that a
run is left with reading, asking and writing.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from profile_image_sync.api.highq import MatchRule
from profile_image_sync.api.report import Matching, PeopleKind
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.errors import PicturesUnknown
from profile_image_sync.worker.accounts import id_bytes
from profile_image_sync.worker.explanations import explain
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.matching import Holders, Match, MatchOutcome
from profile_image_sync.worker.packed import PackedRows
from profile_image_sync.worker.people import Subject
from profile_image_sync.worker.people_rows import PackedPerson, PeopleRows
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, is_moved, plan_person

BIGGEST_DOMAINS = 10

_PLAN = struct.Struct(">16sBH6sB")  # guid, verdict, reason, account, whether it shows a picture
_VERDICTS = list(Verdict)
_SHOWS = [None, False, True]


class RunPlan:
    """What one run is to do: 26 bytes for each person for whom something is to be done, or to be said."""

    def __init__(self, people: PeopleRows) -> None:
        """Begin with nothing to do for any of these people."""
        self.unchanged = 0  # people for whom nothing is
        self.matching = Matching()
        self.matched = 0  # people with an image and an active HighQ user
        self.moved = 0  # people whose image from another attribute is only recorded
        self.verdicts: Counter[Verdict] = Counter()
        self.first_uploads: Counter[bool | None] = Counter()  # by whether HighQ shows a picture
        self.labels: Mapping[UUID, str] = {}  # as far as they are needed
        self._people = people
        self._rows = PackedRows(16, _PLAN.size)
        self._reasons: list[str] = []

    def add(self, plan: PersonPlan) -> None:
        """Add what is to be done for one of the people."""
        verdict, reasons, shows = plan.verdict, self._reasons, plan.replaces_picture
        if plan.reason not in reasons:
            reasons.append(plan.reason)
        reason, account = reasons.index(plan.reason), id_bytes(plan.account_id)
        guid, word = plan.person.guid.bytes, _VERDICTS.index(verdict)
        self._rows.add(_PLAN.pack(guid, word, reason, account, _SHOWS.index(shows)))
        self.verdicts[verdict] += 1
        if verdict is Verdict.UPLOAD_FIRST:
            self.first_uploads[shows] += 1

    def plans(self, shards: int = 1) -> Iterator[PersonPlan]:
        """Yield everyone's plan, those of one shard of the state after another."""
        for row in self._rows.by_shard(shards):
            guid, verdict, reason, account, shows = _PLAN.unpack(row)
            person = self._people.get(UUID(bytes=guid))
            assert person is not None  # noqa: S101  # it is of these people
            label = person.label or self.labels.get(person.guid, "")
            yield PersonPlan(
                person=Subject(person.guid, person.source, label),
                verdict=_VERDICTS[verdict],
                account_id=int.from_bytes(account, "big"),
                reason=self._reasons[reason],
                replaces_picture=_SHOWS[shows],
            )

    def without_label(self, most: int, shards: int) -> Iterator[UUID]:
        """Yield whose label is not known, of the first so many of each list, in the order of `plans`."""
        listed: Counter[PeopleKind] = Counter()
        for plan in self.plans(shards):
            kind = explain(plan)[0]
            if kind and listed[kind] < most:
                listed[kind] += 1
                if not plan.person.label:
                    yield plan.person.guid

    def __len__(self) -> int:
        """Return the number of people for whom something is to be done, or to be said."""
        return len(self._rows)

    @property
    def uploads(self) -> int:
        """Number of pictures that go up."""
        return sum(count for verdict, count in self.verdicts.items() if verdict.uploads)

    @property
    def led_elsewhere(self) -> int:
        """Number of people who lead to another account than the active one they were served on."""
        return self.matching.ambiguous.get(MatchOutcome.LEADS_ELSEWHERE.value, 0)


def plan_people(
    people: PeopleRows,
    rules: Sequence[MatchRule],
    *,
    match_of: Callable[[PackedPerson, PersonRecord], Match],
    record_of: Callable[[UUID], PersonRecord],
    policy: Policy,
) -> RunPlan:
    """Plan these people."""
    run, counts = RunPlan(people), _MatchCounts(rules)
    for person in people:
        record = record_of(person.guid)
        match = match_of(person, record)
        plan = plan_person(person, record, match, policy)
        if plan.verdict is Verdict.UNCHANGED and not record.waiting:
            run.unchanged += 1
        else:
            run.add(plan)
        if person.source:
            counts.add(person, match)
            rerecorded = plan.verdict is Verdict.RERECORD
            run.moved += rerecorded and is_moved(record, person.source, policy)
    run.matching, run.matched = counts.report(), counts.matched
    return run


def require_known_pictures(plan: RunPlan, policy: Policy, *, told: bool) -> None:
    """Stop a FillEmpty that is not told which accounts are empty (rule 5). Raises PicturesUnknown."""
    if policy.first_sync is FirstSync.FILL_EMPTY and plan.verdicts[Verdict.ADOPT] and not told:
        raise PicturesUnknown(
            "HighQ's list of users does not say who has a picture, so firstSync: FillEmpty cannot know "
            "which accounts are empty; nothing was uploaded: use Adopt or Override"
        )


class _MatchCounts:
    """Counts how people with a picture were matched."""

    def __init__(self, rules: Sequence[MatchRule]) -> None:
        self.matched = 0
        self._names = [f"{rule.active_directory}={rule.highq}" for rule in rules]
        self._by_rule: Counter[str] = Counter()
        self._ambiguous: Counter[str] = Counter()
        self._domains: Counter[str] = Counter()

    def add(self, person: PackedPerson, match: Match) -> None:
        self.matched += match.kept or match.account is not None
        if match.account:
            self._by_rule["recorded" if match.rule is None else self._names[match.rule]] += 1
        elif match.outcome.ambiguous:
            self._ambiguous[match.outcome.value] += 1
        else:
            self._domains[person.domain] += 1

    def report(self) -> Matching:
        return Matching(
            by_rule=self._by_rule,
            unmatched_by_domain=dict(self._domains.most_common(BIGGEST_DOMAINS)),
            ambiguous=self._ambiguous,
        )


def records_of_leavers(
    records: Iterable[tuple[UUID, PersonRecord]], in_scope: Container[UUID], holders: Holders
) -> Iterator[tuple[UUID, PersonRecord]]:
    """Yield the records that change because people have left the scope, or have come back (rule 8).

    `holders` are those of the beginning of the run: a row passes on only once that of the person who was
    served in their place is stored.
    """
    for guid, record in records:
        accepted = record.accepted
        present = guid in in_scope
        if present or not accepted:
            waiting = record.waiting if present else ""
        elif any(other in in_scope for other in holders.of(accepted.account_id)):
            accepted, waiting = None, ""
        else:
            waiting = ""
        if accepted:
            accepted = replace(accepted, gone=not present)
        changed = replace(record, accepted=accepted, waiting=waiting)
        if changed != record:
            yield guid, changed


def records_of_returners(
    records: Iterable[tuple[UUID, PersonRecord]],
) -> Iterator[tuple[UUID, PersonRecord]]:
    """Yield the records that change because these people, of whom some had left, are in scope."""
    for guid, record in records:
        if record.accepted and record.accepted.gone:
            yield guid, replace(record, accepted=replace(record.accepted, gone=False))
