"""Plans all people of a run at once: who is matched, what is done for each, who has left or returned. Pure.

`matching` and `plan` judge one person; this module brings people, accounts and records together, so that a
run is left with reading, asking and writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from profile_image_sync.api.highq import MatchRule
from profile_image_sync.api.report import Matching
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.errors import PicturesUnknown
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.matching import Holders, Match, MatchOutcome
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, is_moved, plan_person

BIGGEST_DOMAINS = 10


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What one run is to do."""

    plans: Sequence[PersonPlan]  # of everyone for whom something is to be done, or to be said
    unchanged: int  # people for whom nothing is
    matching: Matching
    matched: int  # people with an image and an active HighQ user
    moved: int  # people whose image from another attribute is only recorded

    @property
    def verdicts(self) -> Counter[Verdict]:
        """Number of people by verdict."""
        return Counter(plan.verdict for plan in self.plans)

    @property
    def uploads(self) -> int:
        """Number of pictures that go up."""
        return sum(plan.verdict.uploads for plan in self.plans)

    @property
    def led_elsewhere(self) -> int:
        """Number of people who lead to another account than the active one they were served on."""
        return self.matching.ambiguous.get(MatchOutcome.LEADS_ELSEWHERE.value, 0)


def plan_people(
    people: Iterable[Person],
    rules: Sequence[MatchRule],
    *,
    match_of: Callable[[Person, PersonRecord], Match],
    record_of: Callable[[UUID], PersonRecord],
    policy: Policy,
) -> RunPlan:
    """Plan these people."""
    plans, counts, unchanged, moved = [], _MatchCounts(rules), 0, 0
    for person in people:
        record = record_of(person.guid)
        match = match_of(person, record)
        plan = plan_person(person, record, match, policy)
        if plan.verdict is Verdict.UNCHANGED and not record.waiting:
            unchanged += 1
        else:
            plans.append(plan)
        if person.source:
            counts.add(person, match)
            rerecorded = plan.verdict is Verdict.RERECORD
            moved += rerecorded and is_moved(record, person.source, policy)
    return RunPlan(plans, unchanged, counts.report(), counts.matched, moved)


def require_known_pictures(plan: RunPlan, policy: Policy, accounts: Iterable[Account]) -> None:
    """Stop a FillEmpty that cannot know which accounts are empty (rule 5). Raises PicturesUnknown."""
    asked = policy.first_sync is FirstSync.FILL_EMPTY and plan.verdicts[Verdict.ADOPT]
    if asked and all(account.has_picture is None for account in accounts):
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

    def add(self, person: Person, match: Match) -> None:
        self.matched += match.kept or match.account is not None
        if match.account:
            self._by_rule["recorded" if match.rule is None else self._names[match.rule]] += 1
        elif match.outcome.ambiguous:
            self._ambiguous[match.outcome.value] += 1
        else:
            self._domains[_mail_domain(person)] += 1

    def report(self) -> Matching:
        return Matching(
            by_rule=self._by_rule,
            unmatched_by_domain=dict(self._domains.most_common(BIGGEST_DOMAINS)),
            ambiguous=self._ambiguous,
        )


def _mail_domain(person: Person) -> str:
    values = (value for value in (*person.keys, person.label) if value and "@" in value)
    return next(values, "@none").rpartition("@")[2].lower()


def records_of_leavers(
    records: Iterable[tuple[UUID, PersonRecord]], in_scope: Collection[UUID], holders: Holders
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
