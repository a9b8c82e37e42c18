"""Keeps count while a run goes on: numbers, reasons and the first hundred people of each kind."""

from __future__ import annotations

from collections import Counter, defaultdict

from profile_image_sync.api.report import LISTED, ListedPerson, PeopleKind, PeopleLists
from profile_image_sync.api.status import Run
from profile_image_sync.worker.people import Person


class RunCounters:
    """Mutable, used by the run's own thread only."""

    def __init__(self, max_listed: int = LISTED) -> None:
        """Start with nobody counted; list at most so many people of each kind."""
        self._max_listed = max_listed
        self.people = 0
        self.unchanged = 0
        self._kinds: Counter[PeopleKind] = Counter()
        self._reasons: Counter[str] = Counter()
        self._listed: dict[PeopleKind, list[ListedPerson]] = defaultdict(list)

    def add(self, kind: PeopleKind, person: Person, reason: str = "", detail: str = "") -> None:
        """Count a person; list them while there is room."""
        self._kinds[kind] += 1
        if reason:
            self._reasons[reason] += 1
        if len(self._listed[kind]) < self._max_listed:
            guid, label = str(person.guid), person.label
            self._listed[kind].append(
                ListedPerson(guid=guid, label=label, reason=reason, detail=detail)
            )

    @property
    def failed(self) -> int:
        """How many people are to be tried again."""
        return self._kinds[PeopleKind.FAILED]

    def summed(self, run: Run) -> Run:
        """Return the run with its numbers filled in."""
        numbers = {
            "people": self.people,
            "unchanged": self.unchanged,
            "uploaded": self._kinds[PeopleKind.UPLOADED],
            "adopted": self._kinds[PeopleKind.ADOPTED],
            "no_image": self._kinds[PeopleKind.NO_IMAGE],
            "refused": self._kinds[PeopleKind.REFUSED],
            "unmatched": self._kinds[PeopleKind.UNMATCHED],
            "ambiguous": self._kinds[PeopleKind.AMBIGUOUS],
            "failed": self._kinds[PeopleKind.FAILED],
        }
        return run.model_copy(update=numbers)

    def reasons(self) -> dict[str, int]:
        """Return how many people each reason was said of."""
        return dict(self._reasons)

    def lists(self, run: str) -> PeopleLists:
        """Return the lists, for those who may see names."""
        return PeopleLists(run=run, people={kind: tuple(who) for kind, who in self._listed.items()})
