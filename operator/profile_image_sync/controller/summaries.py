"""How a run is told to people: numbers that add up, and what happens next. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.controller.run_result import RunResult

_PARTS = (  # attribute of a run, words
    ("uploaded", "uploaded"),
    ("to_upload", "still to upload"),
    ("adopted", "recorded without an upload"),
    ("unchanged", "unchanged"),
    ("no_image", "without a picture"),
    ("refused", "refused"),
    ("unmatched", "without a HighQ user"),
    ("ambiguous", "ambiguous"),
    ("failed", "failed"),
)


def summary(last: RunResult) -> str:
    """Say how a run ended, for people."""
    if last.message:
        return last.message
    report = last.report
    reasons = sorted(report.reasons.items()) if report else []
    told = [f"{reason} {count}" for reason, count in reasons if not reason.startswith("Upload")]
    notes = [note.rstrip(".") for note in report.notes] if report else []
    parts = [numbers(last.run), ", ".join(told), *notes]
    return ". ".join(part for part in parts if part) + "."


def numbers(run: Run) -> str:
    """Tell everyone once: the numbers add up to the people in scope."""
    counted = dict.fromkeys((name for name, _ in _PARTS), 0)
    counted = {name: getattr(run, name) for name in counted}
    words = dict(_PARTS)
    if run.outcome is Outcome.DRY_RUN:  # nothing was uploaded; the first version counted it so
        counted["to_upload"] += counted.pop("uploaded")
        words["to_upload"] = "would be uploaded"
    rest = run.people - sum(counted.values())
    parts = [f"{count} {words[name]}" for name, count in counted.items() if count]
    parts += [f"{rest} not reached"] if rest > 0 else []
    return f"{run.people} people: {', '.join(parts)}" if parts else f"{run.people} people"


def moment(at: datetime) -> str:
    """Write a time as people read it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
