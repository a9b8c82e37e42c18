"""`people`: who was not served by the last run, why, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from profile_image_sync.cli.options import (
    Context,
    Namespace,
    SyncName,
    TableJsonOrCsv,
    TableJsonOrCsvOption,
)

if TYPE_CHECKING:
    from profile_image_sync.api.report import PeopleLists

_FIELDS = ("list", "person", "reason", "whatToDo", "guid")


def people(
    name: SyncName,
    namespace: Namespace = None,
    context: Context = None,
    output: TableJsonOrCsvOption = TableJsonOrCsv.TABLE,
) -> None:
    """List the people of the last run, each with reason and remedy: at most a hundred of each list.

    They are in the Secret pisync-NAME-people; this needs the right to get it.

    \b
    Examples:
      profile-image-sync people acme -n tenant-acme
      profile-image-sync people acme -n tenant-acme --output csv > people.csv
    """
    from profile_image_sync.cli.csv_text import as_csv
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.cluster.people import require_people
    from profile_image_sync.cluster.resources import connected

    with connected(context) as client:
        lists = require_people(client, namespace or client.namespace, name)
    rows = _rows(lists)
    if output is TableJsonOrCsv.JSON:
        typer.echo(json.dumps({"run": lists.run, "people": rows}, indent=2))
    elif output is TableJsonOrCsv.CSV:
        typer.echo(as_csv(_FIELDS, rows), nl=False)
    else:
        terminal = Terminal.start(verbose=False, quiet=True)
        header = ["LIST", "PERSON", "REASON", "WHAT TO DO", "OBJECTGUID"]
        terminal.table(header, [list(row.values()) for row in rows])
        if not rows:
            terminal.notice(f"run {lists.run} lists nobody")


def _rows(lists: PeopleLists) -> list[dict[str, str]]:
    return [
        dict(zip(_FIELDS, (kind, each.label, each.reason, each.detail, each.guid), strict=True))
        for kind, listed in lists.people.items()
        for each in listed
    ]
