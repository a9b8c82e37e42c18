"""Prints what a command lists of a cluster, as a table or as JSON: all lists behave alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from profile_image_sync.cli.options import TableOrJson


def print_list(
    rows: Sequence[Sequence[str]],
    documents: Sequence[dict[str, Any]],
    output: TableOrJson,
    *,
    header: Sequence[str],
    nothing: str,
    below: Iterable[str] = (),
) -> None:
    """Print rows with what is to be said below them, or else that there is `nothing`; or the documents."""
    if output is TableOrJson.JSON:
        typer.echo(json.dumps(documents, indent=2))
        return
    from profile_image_sync.cli.terminal import Terminal

    terminal = Terminal.start(verbose=False, quiet=True)
    if not rows:
        terminal.notice(nothing)
        return
    terminal.table(header, rows)
    for line in below:
        terminal.print(line)
