"""When the numbers look wrong: nothing is uploaded until a person has looked. Pure.

Absence is never evidence (design, rule 10): a directory shows what we may not read as absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5

from profile_image_sync.api.safety import Safety
from profile_image_sync.api.state_header import PendingBrake, Sweep
from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import PersonPlan, Verdict

MIN_COUNT_TO_COMPARE = 5  # a share of fewer people says nothing: one leaver of two is 50 %
MIN_PEOPLE_FOR_CHANGES = 20  # with an image in scope; fewer may well all change at once


@dataclass(frozen=True, slots=True)
class LimitBreach:
    """One number that looks wrong. `figure` grows as things get worse."""

    reason: str
    figure: int
    message: str


def sweep_of(people: Sequence[Person], attributes: Sequence[str]) -> Sweep:
    """Count the people, and the images in each attribute asked for, that one full read showed."""
    images = Counter(name for person in people for name in person.images)
    return Sweep(
        people=len(people),
        with_image=sum(1 for person in people if person.source),
        images={name: images[name] for name in attributes},
    )


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
    sweep: Sweep,
    last: Sweep | None,
    plans: Iterable[PersonPlan],
    safety: Safety,
    *,
    first_sync: bool,
) -> list[LimitBreach]:
    """Return every number of this run that passes a limit of `spec.safety`."""
    verdicts = Counter(plan.verdict for plan in plans)
    found = [*_missing(sweep, last, safety)] if last else []
    if not first_sync:
        found += _too_many_changes(verdicts, sweep.with_image, safety)
    first = verdicts[Verdict.UPLOAD_FIRST]
    if safety.max_first_uploads is not None and first > safety.max_first_uploads:
        found.append(
            LimitBreach(
                "TooManyFirstUploads",
                first,
                f"{first} first uploads, more than safety.maxFirstUploads ({safety.max_first_uploads})",
            )
        )
    return found


def _missing(sweep: Sweep, last: Sweep, safety: Safety) -> Iterable[LimitBreach]:
    """Compare with the last full sweep: people, and the images of each attribute asked for now."""
    seen = [("people", sweep.people, last.people)]
    seen += [(f"images in {name}", n, last.images.get(name, 0)) for name, n in sweep.images.items()]
    for what, now, before in seen:
        if before >= MIN_COUNT_TO_COMPARE and now * 100 < before * safety.min_people_percent:
            yield LimitBreach(
                "TooFewPeople" if what == "people" else "TooFewImages",
                before - now,
                f"{now} {what}, {before} last time: less than safety.minPeoplePercent "
                f"({safety.min_people_percent} %)",
            )


def _too_many_changes(
    verdicts: Mapping[Verdict, int], with_image: int, safety: Safety
) -> Iterable[LimitBreach]:
    changed = verdicts.get(Verdict.UPLOAD_CHANGED, 0) + verdicts.get(Verdict.UPLOAD_NEW_ACCOUNT, 0)
    if (
        with_image >= MIN_PEOPLE_FOR_CHANGES
        and changed * 100 > with_image * safety.max_changed_percent
    ):
        yield LimitBreach(
            "TooManyChanges",
            changed,
            f"{changed} of {with_image} images would be replaced: more than safety.maxChangedPercent "
            f"({safety.max_changed_percent} %)",
        )


def brake_for(
    breaches: Sequence[LimitBreach], pending: PendingBrake | None, acknowledged: str, new_id: str
) -> PendingBrake | None:
    """Return the brake that stops this run, or None if it may go on.

    `pending` is the brake that an earlier run recorded. It keeps its id as long as the numbers are no
    worse, so that a person has time to acknowledge it; acknowledged, it lets such a run through.
    """
    if not breaches:
        return None
    figures = _figures(breaches)
    if pending and all(figure <= pending.figures.get(name, -1) for name, figure in figures.items()):
        return None if acknowledged == pending.id else pending
    return PendingBrake(id=new_id, figures=figures)


def attributes_change(before: Sequence[str], now: Sequence[str]) -> str:
    """Return the id that acknowledges a change of `imageAttributes`, so that its images are uploaded."""
    change = "\n".join([*before, "", *now]).encode()
    return f"attributes-{md5(change, usedforsecurity=False).hexdigest()[:8]}"


def _figures(breaches: Sequence[LimitBreach]) -> dict[str, int]:
    figures: dict[str, int] = {}
    for breach in breaches:
        figures[breach.reason] = max(breach.figure, figures.get(breach.reason, 0))
    return figures
