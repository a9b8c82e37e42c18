"""`plan`: what the next run would do, as a table, JSON, CSV, or a page with the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profile_image_sync.cli.options import (
    ManifestFile,
    ResourceName,
    SecretFolders,
    StateFolder,
    TableJsonOrCsv,
    TableJsonOrCsvOption,
    Verbose,
    require_writable,
    secret_folders,
)


def plan(
    file: ManifestFile,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    output: TableJsonOrCsvOption = TableJsonOrCsv.TABLE,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page with the pictures."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Show what the next run would do, person by person, without changing anything.

    The table leaves out people for whom nothing changes. JSON, CSV and the page hold everyone. CSV is the
    work list: pictures to mend, with name, department and manager. HighQ's refresh token is used up as by
    a run; the new one is kept with the state. Exit codes: as for sync.

    \b
    Examples:
      profile-image-sync plan -f tenant.yaml --state ./acme-state
      profile-image-sync plan -f tenant.yaml --output csv > work-list.csv
      profile-image-sync plan -f tenant.yaml --html plan.html
    """
    from profile_image_sync.cli import plan_page, plan_table
    from profile_image_sync.cli.run_output import print_numbers
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import manifest, run
    from profile_image_sync.local.plan import PlanSource, plan_run

    terminal = Terminal.start(verbose=verbose)
    document = manifest.load(file, name)
    require_writable("--html", html)
    with terminal.progress("people") as progress:
        planned = plan_run(
            PlanSource(document, run.state_folder(document, state), secret_folders(secret)),
            notice=terminal.notice,
            progress=progress,
            previews=html is not None,
        )
    report = planned.output.report
    if output is TableJsonOrCsv.JSON:
        typer.echo(plan_table.as_json(planned))
    elif output is TableJsonOrCsv.CSV:
        typer.echo(plan_table.as_csv(planned), nl=False)
    else:
        if found := plan_table.with_something_to_say(planned):
            terminal.table(plan_table.TABLE_HEADER, map(plan_table.table_cells, found))
        print_numbers(report, terminal)
    if html:
        plan_page.write(planned, html)
        terminal.notice(f"{html} holds people's pictures: keep it where only you can read it.")
    raise typer.Exit(report.exit_code)
