"""Prints the result of a run: the numbers, the people who were not served, and what happens next."""

from __future__ import annotations

from pathlib import Path

from profile_image_sync.api.report import PeopleKind, PeopleLists, Report
from profile_image_sync.api.status import Outcome
from profile_image_sync.cli.terminal import Terminal
from profile_image_sync.local.run import PEOPLE_FILE
from profile_image_sync.worker.reporter import RunOutput

MAX_PRINTED = 10  # people of each list; the file has more
NUMBERS = (
    "people",
    "uploaded",
    "to_upload",
    "adopted",
    "unchanged",
    "no_image",
    "refused",
    "unmatched",
    "ambiguous",
    "failed",
)
NOT_SERVED = (
    PeopleKind.FAILED,
    PeopleKind.UNCONFIRMED,
    PeopleKind.REFUSED,
    PeopleKind.AMBIGUOUS,
    PeopleKind.UNMATCHED,
)


def print_result(result: RunOutput, folder: Path, terminal: Terminal) -> None:
    """Print what a person wants to know after a run."""
    _print_counts(result.report, terminal)
    for kind in NOT_SERVED:
        _print_people(kind, result.people, folder, terminal)
    _print_end(result.report, terminal)


def print_numbers(report: Report, terminal: Terminal) -> None:
    """Print the same without the people."""
    _print_counts(report, terminal)
    _print_end(report, terminal)


def _print_counts(report: Report, terminal: Terminal) -> None:
    run = report.run
    left_out = {"uploaded"} if run.outcome is Outcome.DRY_RUN else set()
    left_out |= set() if run.to_upload or left_out else {"to_upload"}  # of a run that was cut short
    numbers = run.model_dump(by_alias=True, include={*NUMBERS} - left_out)
    if run.people:
        terminal.table(list(numbers), [[str(number) for number in numbers.values()]], numbers=True)


def _print_end(report: Report, terminal: Terminal) -> None:
    for note in report.notes:
        terminal.print(f"note: {note}")
    if report.message:
        terminal.notice(f"{report.reason}: {report.message}")
    terminal.print(_summary(report))


def _print_people(kind: PeopleKind, people: PeopleLists, folder: Path, terminal: Terminal) -> None:
    listed = people.people.get(kind, ())
    for person in listed[:MAX_PRINTED]:
        terminal.print(f"{kind}: {person.label} ({person.guid}): {person.detail or person.reason}")
    if len(listed) > MAX_PRINTED:
        terminal.print(f"{kind}: more in {folder / PEOPLE_FILE}")


def _summary(report: Report) -> str:
    """Say in one line how the run ended and what happens next."""
    run = report.run
    dry_run = run.outcome is Outcome.DRY_RUN
    done = f"{run.to_upload} would be uploaded" if dry_run else f"{run.uploaded} uploaded"
    line = f"{run.outcome}: {done}"
    if run.start_time and run.completion_time:
        line += f" in {(run.completion_time - run.start_time).total_seconds():.1f} s"
    line += "."
    if run.failed:
        line += f" {run.failed} failed; the next run tries them again."
    return line
