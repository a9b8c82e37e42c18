"""Keeps count while a run goes on: numbers, reasons and the first hundred people of each kind.

Apart from the report, which is frozen: this is the one mutable thing that every phase of a run adds to.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from profile_image_sync.api.report import LISTED, ListedPerson, PeopleKind, PeopleLists
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.worker.explanations import explain
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import PersonPlan

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


class RunCounters:
    """Mutable, used by the run's own thread only."""

    def __init__(self, max_listed: int = LISTED) -> None:
        """Start with nobody counted; list at most so many people of each kind."""
        self._max_listed = max_listed
        self.people = 0
        self._unchanged = 0
        self._kinds: Counter[PeopleKind] = Counter()
        self._reasons: Counter[str] = Counter()
        self._listed: dict[PeopleKind, list[ListedPerson]] = defaultdict(list)

    def add(self, kind: PeopleKind, person: Person, reason: str, detail: str) -> None:
        """Count a person; list them while there is room."""
        self._kinds[kind] += 1
        self._reasons[reason] += 1
        if len(self._listed[kind]) < self._max_listed:
            guid, label = str(person.guid), person.label
            self._listed[kind].append(
                ListedPerson(guid=guid, label=label, reason=reason, detail=detail)
            )

    def add_unchanged(self, people: int) -> None:
        """Count people for whom nothing is to be done."""
        self._unchanged += people

    def add_plan(self, plan: PersonPlan) -> None:
        """Count a person by their plan: for whom nothing was uploaded, or nothing is in this run."""
        kind, reason, detail = explain(plan)
        if kind is None:
            self._unchanged += 1
        else:
            self.add(kind, plan.person, reason, detail)

    def outcome(self, threshold_percent: int) -> Outcome:
        """Return how a run that went to its end has ended, by the share of the uploads that failed."""
        failed = self._kinds[PeopleKind.FAILED]
        attempted = failed + self._kinds[PeopleKind.UPLOADED]
        if not failed:
            return Outcome.SUCCEEDED
        few = attempted < MIN_UPLOADS_FOR_PERCENT
        too_many = failed == attempted if few else failed * 100 > attempted * threshold_percent
        return Outcome.FAILED if too_many else Outcome.PARTIAL_FAILURE

    def filled(self, run: Run) -> Run:
        """Return the run with its numbers filled in."""
        numbers = {field: self._kinds[kind] for field, kind in _FIELDS.items()}
        numbers["people"] = self.people
        numbers["unchanged"] = self._unchanged + self._kinds[PeopleKind.UNCONFIRMED]
        return run.model_copy(update=numbers)

    def reasons(self) -> dict[str, int]:
        """Return the number of people by reason."""
        return dict(self._reasons)

    def lists(self, run: str) -> PeopleLists:
        """Return the lists, for those who may see names."""
        return PeopleLists(run=run, people={kind: tuple(who) for kind, who in self._listed.items()})
