"""Plans everyone of a full sweep at once: who is matched, what is done for each, who has left. Pure.

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
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.matching import Holders, Match, Matcher, MatchOutcome
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, is_moved, plan_person

BIGGEST_DOMAINS = 10


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What one full sweep is to do."""

    plans: Sequence[PersonPlan]
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


def plan_sweep(
    people: Sequence[Person],
    accounts: Sequence[Account],
    rules: Sequence[MatchRule],
    *,
    record_of: Callable[[UUID], PersonRecord],
    holders: Holders,
    policy: Policy,
    release: bool,
) -> SweepPlan:
    """Plan everyone in scope. `release`: a changed `match` may lead people away from active accounts."""
    keys = [rule.highq for rule in rules]
    matcher = Matcher(people, accounts, keys, holders, release=release)
    plans, found, moved = [], [], 0
    for person in people:
        record = record_of(person.guid)
        match = matcher.match(person.guid, record.accepted)
        plans.append(plan_person(person, record, match, policy))
        if person.source:
            found.append((person, match))
            moved += plans[-1].verdict is Verdict.RERECORD and is_moved(
                record, person.source, policy
            )
    matched = sum(match.kept or match.account is not None for _, match in found)
    return SweepPlan(plans, _matching(found, rules), matched, moved)


def _matching(found: Sequence[tuple[Person, Match]], rules: Sequence[MatchRule]) -> Matching:
    names = [f"{rule.active_directory}={rule.highq}" for rule in rules]
    by_rule = Counter(
        "recorded" if match.rule is None else names[match.rule]
        for _, match in found
        if match.account
    )
    ambiguous = Counter(match.outcome.value for _, match in found if match.outcome.ambiguous)
    domains = Counter(
        _mail_domain(person)
        for person, match in found
        if not match.account and not match.outcome.ambiguous
    )
    return Matching(
        by_rule=by_rule,
        unmatched_by_domain=dict(domains.most_common(BIGGEST_DOMAINS)),
        ambiguous=ambiguous,
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
        elif any(other in in_scope for other, _ in holders.of(accepted.account_id)):
            accepted, waiting = None, ""
        else:
            waiting = ""
        if accepted:
            accepted = replace(accepted, gone=not present)
        changed = replace(record, accepted=accepted, waiting=waiting)
        if changed != record:
            yield guid, changed
