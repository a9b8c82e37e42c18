"""Keeps count while a run goes on: numbers, reasons and the first hundred people of each kind.

Apart from the report, which is frozen: this is the one mutable thing that every phase of a run adds to. A run
that reads only what changed begins with what the last one counted, and takes out whom it looks at anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from uuid import UUID

from profile_image_sync.api.report import LISTED, ListedPerson, PeopleKind, PeopleLists
from profile_image_sync.api.state_header import Totals
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.worker.explanations import explain, standing
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.people import Individual
from profile_image_sync.worker.plan import PersonPlan, Verdict

MIN_UPLOADS_FOR_PERCENT = 20  # attempted in a run; of fewer, all must have failed

# How the kinds are counted; someone unconfirmed is unchanged as far as the numbers go.
_FIELDS = {
    "uploaded": PeopleKind.UPLOADED,
    "to_upload": PeopleKind.TO_UPLOAD,
    "adopted": PeopleKind.ADOPTED,
    "no_image": PeopleKind.NO_IMAGE,
    "refused": PeopleKind.REFUSED,
    "unmatched": PeopleKind.UNMATCHED,
    "ambiguous": PeopleKind.AMBIGUOUS,
    "failed": PeopleKind.FAILED,
}
_OF_THIS_RUN = {PeopleKind.UPLOADED, PeopleKind.TO_UPLOAD, PeopleKind.ADOPTED}


class RunCounters:
    """Mutable, used by the run's own thread only."""

    def __init__(self, max_listed: int = LISTED) -> None:
        """Start with nobody counted; list at most so many people of each kind."""
        self._max_listed = max_listed
        self.people = 0
        self.lists_people = (
            False  # before there is a plan, nothing is known but the last run's lists
        )
        self._unchanged = 0
        self._reasons: dict[PeopleKind, Counter[str]] = defaultdict(Counter)
        self._listed: dict[PeopleKind, dict[str, ListedPerson]] = defaultdict(dict)

    def carry_over(self, totals: Totals, lists: PeopleLists) -> None:
        """Begin with everyone as the last run counted and listed them."""
        self.people, self.lists_people = totals.people, True
        for kind in set(PeopleKind) - _OF_THIS_RUN:
            self._reasons[kind] = Counter(totals.reasons.get(kind, {}))
            self._listed[kind] = {person.guid: person for person in lists.people.get(kind, ())}
        self._unchanged = self.people - sum(map(self._count, self._reasons))

    def take_out(self, guid: UUID, record: PersonRecord) -> None:
        """Take out a person whom this run looks at anew; who was counted by no run is one more."""
        if not (record.waiting or (record.accepted and not record.accepted.gone)):
            self.people += 1
            return
        kind, reason = standing(record)
        if kind is None:
            self._unchanged -= 1
        else:
            self._reasons[kind][reason] -= 1
            self._listed[kind].pop(str(guid), None)

    def add(self, kind: PeopleKind, person: Individual, reason: str, detail: str) -> None:
        """Count a person; list them while there is room."""
        self._reasons[kind][reason] += 1
        listed, guid = self._listed[kind], str(person.guid)
        if len(listed) < self._max_listed:
            listed[guid] = ListedPerson(
                guid=guid, label=person.label or guid, reason=reason, detail=detail
            )

    def add_unchanged(self, people: int) -> None:
        """Count people for whom nothing is to be done."""
        self._unchanged, self.lists_people = self._unchanged + people, True

    def add_plan(self, plan: PersonPlan) -> None:
        """Count a person by their plan: for whom nothing was uploaded, or nothing is in this run."""
        kind, reason, detail = explain(plan)
        if kind is None:
            self._unchanged += 1
        else:
            self.add(kind, plan.person, reason, detail)

    def outcome(self, threshold_percent: int) -> Outcome:
        """Return how a run that went to its end has ended, by the share of the uploads that failed."""
        failed = self._count(PeopleKind.FAILED)
        attempted = failed + self._count(PeopleKind.UPLOADED)
        if not failed:
            return Outcome.SUCCEEDED
        few = attempted < MIN_UPLOADS_FOR_PERCENT
        too_many = failed == attempted if few else failed * 100 > attempted * threshold_percent
        return Outcome.FAILED if too_many else Outcome.PARTIAL_FAILURE

    def filled(self, run: Run) -> Run:
        """Return the run with its numbers filled in."""
        numbers = {field: self._count(kind) for field, kind in _FIELDS.items()}
        numbers["people"] = self.people
        numbers["unchanged"] = self._unchanged + self._count(PeopleKind.UNCONFIRMED)
        return run.model_copy(update=numbers)

    def reasons(self) -> dict[str, int]:
        """Return the number of people by reason."""
        return dict(+sum(self._reasons.values(), Counter()))

    def totals(self) -> Totals:
        """Return what the next run may carry over."""
        kept = {kind: dict(+self._reasons[kind]) for kind in set(PeopleKind) - _OF_THIS_RUN}
        if unconfirmed := self._count(PeopleKind.UNCONFIRMED):
            kept[PeopleKind.UNCONFIRMED] = {Verdict.UNCONFIRMED: unconfirmed}  # as `standing` says
        return Totals(
            people=self.people,
            reasons={kind.value: reasons for kind, reasons in sorted(kept.items()) if reasons},
        )

    def lists(self, run: str) -> PeopleLists:
        """Return the lists, for those who may see names."""
        people = {kind: tuple(who.values()) for kind, who in self._listed.items() if who}
        return PeopleLists(run=run, people=people)

    def _count(self, kind: PeopleKind) -> int:
        return self._reasons[kind].total()
