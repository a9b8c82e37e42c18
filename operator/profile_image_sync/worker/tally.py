"""Keeps count while a run goes on: numbers, reasons and the first hundred people of each kind."""

from __future__ import annotations

from collections import Counter, defaultdict

from profile_image_sync.api.report import Counts, Kind, ListedPerson, PeopleList
from profile_image_sync.worker.people import Person

LISTED = 100  # people of each kind


class Tally:
    """Mutable, used by the run's own thread only."""

    def __init__(self) -> None:
        """Start with nobody counted."""
        self.people = 0
        self.unchanged = 0
        self._kinds: Counter[Kind] = Counter()
        self._reasons: Counter[str] = Counter()
        self._listed: dict[Kind, list[ListedPerson]] = defaultdict(list)

    def add(self, kind: Kind, person: Person, reason: str = "", detail: str = "") -> None:
        """Count a person; list them while there is room."""
        self._kinds[kind] += 1
        if reason:
            self._reasons[reason] += 1
        if len(self._listed[kind]) < LISTED:
            entry = ListedPerson(
                guid=str(person.guid), label=person.label, reason=reason, detail=detail
            )
            self._listed[kind].append(entry)

    @property
    def failed(self) -> int:
        """How many people are to be tried again."""
        return self._kinds[Kind.FAILED]

    @property
    def uploaded(self) -> int:
        """How many pictures HighQ took."""
        return self._kinds[Kind.UPLOADED]

    def counts(self) -> Counts:
        """Return the numbers as reports show them."""
        return Counts(
            people=self.people,
            unchanged=self.unchanged,
            uploaded=self._kinds[Kind.UPLOADED],
            adopted=self._kinds[Kind.ADOPTED],
            no_image=self._kinds[Kind.NO_IMAGE],
            refused=self._kinds[Kind.REFUSED],
            unmatched=self._kinds[Kind.UNMATCHED],
            ambiguous=self._kinds[Kind.AMBIGUOUS],
            failed=self._kinds[Kind.FAILED],
        )

    def reasons(self) -> dict[str, int]:
        """Return how many people each reason word was said of."""
        return dict(self._reasons)

    def listed(self, run: str) -> PeopleList:
        """Return the lists for those who may see names."""
        return PeopleList(run=run, people={kind: tuple(who) for kind, who in self._listed.items()})
