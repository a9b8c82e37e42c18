"""One run from a manifest on someone's machine: sets the run up, shows the progress and the report."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from profile_image_sync import logs
from profile_image_sync.api.report import PeopleKind, PeopleLists, Report
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.status import Outcome
from profile_image_sync.local import manifest
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.run import RunContext, RunOutput, execute

SHOWN = 10  # people of each list on a terminal; the file has a hundred
NUMBERS = {
    "people",
    "uploaded",
    "adopted",
    "unchanged",
    "no_image",
    "refused",
    "unmatched",
    "ambiguous",
    "failed",
}
TROUBLES = (PeopleKind.FAILED, PeopleKind.REFUSED, PeopleKind.AMBIGUOUS, PeopleKind.UNMATCHED)


def sync_once(
    file: Path, state: Path | None, secret_folders: Mapping[str, Path], name: str | None
) -> int:
    """Run the manifest's resource once; return the exit code. Raises SyncError before a run can start."""
    console, errors = Console(), Console(stderr=True)
    logs.configure(json=False, quiet=errors.is_terminal)
    document = manifest.load(file, name)
    resource = document.resource
    folder = state or Path(".profile-image-sync") / resource.metadata.name
    with FolderStore.open(folder) as store:
        if store.is_new():
            store.initialise(new_header(uuid4()))
            errors.print(
                f"New state in {escape(str(folder))}: this is a first sync ({resource.spec.first_sync})."
            )
        run_spec = RunSpec(
            namespace=resource.metadata.namespace,
            name=resource.metadata.name,
            generation=resource.metadata.generation or 0,
            state_id=store.header().id,
            spec=resource.spec,
        )
        with _progress(errors) as progress:
            context = RunContext(
                run_id=str(uuid4()),
                job="",
                store=store,
                tokens=FolderTokenStore(folder),
                references=document.references(secret_folders),
                now=lambda: datetime.now(UTC),
                clock=time.monotonic,
                new_id=lambda: secrets.token_hex(4),
                stop=stop_on_signals(),
                progress=progress,
            )
            result = execute(run_spec, context)
        _write(folder, result)
    _show(result, folder, console, errors)
    return result.report.exit_code


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; elsewhere the log lines tell."""
    columns = (TextColumn("people"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("people", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(folder: Path, result: RunOutput) -> None:
    """Leave the report, and for few eyes the lists with names, beside the state."""
    (folder / "report.json").write_text(
        result.report.model_dump_json(by_alias=True, indent=2) + "\n"
    )
    people = folder / "people.json"
    descriptor = os.open(people, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(result.people.model_dump_json(by_alias=True, indent=2) + "\n")


def _show(result: RunOutput, folder: Path, console: Console, errors: Console) -> None:
    report = result.report
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    numbers = report.run.model_dump(by_alias=True, include=NUMBERS)
    for column in numbers:
        table.add_column(column, justify="right")
    table.add_row(*map(str, numbers.values()))
    if report.run.people:
        console.print(table)
    for kind in TROUBLES:
        _show_people(kind, result.people, folder, console)
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.message:
        errors.print(f"{report.reason}: {report.message}", markup=False, soft_wrap=True)
    console.print(_summary(report), markup=False, soft_wrap=True)


def _show_people(kind: PeopleKind, people: PeopleLists, folder: Path, console: Console) -> None:
    listed = people.people.get(kind, ())
    for person in listed[:SHOWN]:
        why = person.detail or person.reason
        console.print(
            f"{kind}: {person.label} ({person.guid}): {why}", markup=False, soft_wrap=True
        )
    if len(listed) > SHOWN:
        console.print(f"{kind}: more in {folder / 'people.json'}", markup=False, soft_wrap=True)


def _summary(report: Report) -> str:
    """Say in one line how it ended and what happens next."""
    run = report.run
    done = "would be uploaded" if run.outcome is Outcome.DRY_RUN else "uploaded"
    line = f"{run.outcome}: {run.uploaded} {done}"
    if run.start_time and run.completion_time:
        line += f" in {(run.completion_time - run.start_time).total_seconds():.1f} s"
    line += "."
    if run.failed:
        line += f" {run.failed} failed; the next run tries them again."
    return line
