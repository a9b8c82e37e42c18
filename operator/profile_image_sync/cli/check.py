"""`check`: whether a run would find everything that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profile_image_sync.cli.options import (
    ManifestFile,
    ResourceName,
    SecretFolders,
    StateFolder,
    TableOrJson,
    TableOrJsonOption,
    secret_folders,
)
from profile_image_sync.errors import EXIT_FINISHED, EXIT_PERMANENT

if TYPE_CHECKING:
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local.probe import CheckResult


def check(
    file: ManifestFile,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    use_token: Annotated[
        bool,
        typer.Option(
            "--use-token",
            help="Also list HighQ's users. This uses up HighQ's refresh token; the new one is kept.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write what this HighQ answers: statuses and names of fields, nobody's data.",
        ),
    ] = None,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """Check everything that a run needs, without changing anything.

    One line each: OK, warning, failed with the remedy, or skipped. Exit codes: 0 nothing failed, 20
    something failed.

    \b
    Examples:
      profile-image-sync check -f tenant.yaml
      profile-image-sync check -f tenant.yaml --use-token --report highq.json
    """
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import manifest, run
    from profile_image_sync.local.check import check as results_of
    from profile_image_sync.local.check import write_report
    from profile_image_sync.local.surroundings import on_this_machine
    from profile_image_sync.worker.highq.survey import Survey

    terminal, survey = Terminal.start(verbose=False, quiet=True), Survey()
    document = manifest.load(file, name)
    spec, folder = document.resource.spec, run.state_folder(document, state)
    found = on_this_machine(document, folder, secret_folders(secret))
    results = results_of(spec, found, survey, use_token=use_token)
    failed = _print(results, terminal, output)
    if report:
        write_report(report, survey, spec)
        terminal.notice(f"{report} holds what HighQ answered, without names and secrets.")
    raise typer.Exit(EXIT_PERMANENT if failed else EXIT_FINISHED)


def _print(results: Iterable[CheckResult], terminal: Terminal, output: TableOrJson) -> bool:
    """Print lines as they come, or JSON at the end; tell whether something failed."""
    from profile_image_sync.local.probe import CheckStatus

    seen = []
    for result in results:
        seen.append(result)
        if output is TableOrJson.TABLE:
            terminal.print(f"{result.status:<8} {result.name:<11} {result.text}")
    if output is TableOrJson.JSON:
        shown = [{"name": r.name, "status": r.status, "text": r.text} for r in seen]
        typer.echo(json.dumps(shown, indent=2))
    return any(result.status is CheckStatus.FAILED for result in seen)
