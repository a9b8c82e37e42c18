"""When the numbers look wrong: nothing is uploaded until a person has looked. Pure.

Absence is never evidence (design, rule 10): a directory shows what we may not read as absent. Apart from
`plan`, which judges one person at a time: here everyone together is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from profile_image_sync.api.safety import Safety
from profile_image_sync.api.state_header import PendingBrake, Sweep
from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import Verdict

MIN_COUNT_TO_COMPARE = 5  # a share of fewer people says nothing: one leaver of two is 50 %
MIN_PEOPLE_FOR_PERCENT = 20  # with an image in scope; fewer may well all change at once
TOLERANCE = 105  # percent of the figures of a brake within which its id holds


@dataclass(frozen=True, slots=True)
class LimitBreach:
    """One number that looks wrong. `figure` grows as things get worse."""

    reason: str
    figure: int
    message: str
    subject: str = ""  # the attribute, where several may be wrong for the same reason

    @property
    def lowers_baseline(self) -> bool:
        """Tell whether an acknowledgement makes this sweep the only measure of later ones (rule 10)."""
        return self.reason.startswith("TooFew")

    @property
    def cause(self) -> str:
        """What a brake is known by: no figure hides another one."""
        return f"{self.reason}/{self.subject}" if self.subject else self.reason


class SweepCounter:
    """Counts the people, and the images in each attribute asked for, that one full sweep shows."""

    def __init__(self, attributes: Sequence[str]) -> None:
        """Begin with nobody."""
        self._people = self._with_image = 0
        self._images = dict.fromkeys(attributes, 0)

    def add(self, person: Person) -> None:
        """Count somebody."""
        self._people += 1
        self._with_image += person.source is not None
        for name in person.images:
            self._images[name] += 1

    def sweep(self) -> Sweep:
        """Return the numbers."""
        images = dict(self._images)
        return Sweep(people=self._people, with_image=self._with_image, images=images)


def require_people(sweep: Sweep, *, first_sync: bool) -> None:
    """Stop a run that sees nobody, or a first sync that sees no image at all.

    Raises DirectoryMisconfigured: there is nothing a person could acknowledge here.
    """
    if sweep.people == 0:
        raise DirectoryMisconfigured(
            "the directory shows nobody in scope: check spec.activeDirectory.searchBases, userFilter, groups "
            "and includeDisabled, and what the account may read"
        )
    if first_sync and not sweep.with_image:
        raise DirectoryMisconfigured(
            f"none of the {sweep.people} people in scope shows an image in {' or '.join(sweep.images)}: "
            "check spec.activeDirectory.imageAttributes, and that the account may read them"
        )


def find_breaches(
    sweep: Sweep | None,
    former: Sequence[Sweep],
    verdicts: Mapping[Verdict, int],
    safety: Safety,
    *,
    first_sync: bool,
) -> list[LimitBreach]:
    """Return every number of this run that passes a limit of `spec.safety`.

    `former` are the last full sweeps: the largest figure of them is the measure. `sweep`: what this one
    counted; None: it read only what changed, which says nothing of those who are missing.
    """
    found: list[LimitBreach] = []
    if sweep:
        found += _missing(sweep, former, safety)
        found += _unmatched(sweep, former, safety, first_sync)
    if not first_sync:
        found += _too_many_changes(verdicts, (sweep or former[-1]).with_image, safety)
    first = verdicts.get(Verdict.UPLOAD_FIRST, 0)
    if safety.max_first_uploads is not None and first > safety.max_first_uploads:
        found.append(
            LimitBreach(
                "TooManyFirstUploads",
                first,
                f"{first} first uploads, more than safety.maxFirstUploads ({safety.max_first_uploads})",
            )
        )
    return found


def _missing(sweep: Sweep, former: Sequence[Sweep], safety: Safety) -> Iterable[LimitBreach]:
    """Compare the people, and the images of each attribute asked for now."""
    limit = f"less than safety.minPeoplePercent ({safety.min_people_percent} %)"
    before = max((each.people for each in former), default=0)
    if _too_few(sweep.people, before, safety.min_people_percent):
        yield LimitBreach(
            "TooFewPeople",
            before - sweep.people,
            f"{sweep.people} people, {before} before: {limit}",
        )
    for name, now in sweep.images.items():
        before = max((_images(each, name) for each in former), default=0)
        if _too_few(now, before, safety.min_people_percent):
            message = f"{now} images in {name}, {before} before: {limit}"
            yield LimitBreach("TooFewImages", before - now, message, name.lower())


def _images(sweep: Sweep, attribute: str) -> int:
    """Return the count of an attribute, whatever the case it was spelled in."""
    return max(
        (count for name, count in sweep.images.items() if name.lower() == attribute.lower()),
        default=0,
    )


def _too_few(now: int, before: int, percent: int) -> bool:
    return before >= MIN_COUNT_TO_COMPARE and now * 100 < before * percent


def _unmatched(
    sweep: Sweep, former: Sequence[Sweep], safety: Safety, first_sync: bool
) -> Iterable[LimitBreach]:
    """In the first sync, compare with the people who have an image; later, with those matched before."""
    before = sweep.with_image if first_sync else max((each.matched for each in former), default=0)
    if (
        before >= MIN_PEOPLE_FOR_PERCENT
        and sweep.matched * 100 < before * safety.min_matched_percent
    ):
        of = "people with an image" if first_sync else "who had one before"
        yield LimitBreach(
            "TooFewMatched",
            before - sweep.matched,
            f"{sweep.matched} of {before} {of} have a HighQ user: less than safety.minMatchedPercent "
            f"({safety.min_matched_percent} %). Check spec.highq.match by the match report; where only some "
            "have accounts, lower minMatchedPercent",
        )


def _too_many_changes(
    verdicts: Mapping[Verdict, int], with_image: int, safety: Safety
) -> Iterable[LimitBreach]:
    changed = sum(count for verdict, count in verdicts.items() if verdict.replaces)
    if (
        with_image >= MIN_PEOPLE_FOR_PERCENT
        and changed * 100 > with_image * safety.max_changed_percent
    ):
        yield LimitBreach(
            "TooManyChanges",
            changed,
            f"{changed} of {with_image} images would be replaced: more than safety.maxChangedPercent "
            f"({safety.max_changed_percent} %)",
        )


def brake_for(
    breaches: Sequence[LimitBreach], pending: PendingBrake | None, new_id: str
) -> PendingBrake | None:
    """Return the brake that these numbers pull; None when nothing is wrong.

    `pending` is the brake that an earlier run recorded. It keeps its id while its causes are the same and
    its figures are hardly worse than when the id was given, so that a person has time to acknowledge it.
    """
    if not breaches:
        return None
    figures = {breach.cause: breach.figure for breach in breaches}
    if pending and _covers(pending, figures):
        return pending
    return PendingBrake(id=new_id, figures=figures)


def _covers(pending: PendingBrake, figures: Mapping[str, int]) -> bool:
    return all(
        figure * 100 <= pending.figures.get(cause, -1) * TOLERANCE
        for cause, figure in figures.items()
    )
