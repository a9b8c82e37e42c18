"""`run`: asks the operator for a run of a resource, now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from profile_image_sync.cli.options import Context, Namespace, SyncName


def run(
    name: SyncName,
    namespace: Namespace = None,
    context: Context = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run until it has ended.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="With --wait: at most so long (30m)."),
    ] = None,
) -> None:
    """Ask for a run of a resource, now, also while it is suspended.

    Sets the annotation profileimagesync.io/run-request. Exit codes: 0 asked; with --wait 0 the run has
    ended, 20 a person must act, 30 it failed and is tried again, or the time was up. Needs the rights to
    get and patch profileimagesyncs.

    \b
    Examples:
      profile-image-sync run acme -n tenant-acme
      profile-image-sync run acme -n tenant-acme --wait --timeout 30m
    """
    from profile_image_sync.cli.program import as_typed
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.cluster import run_request
    from profile_image_sync.cluster.resources import connected, read_one

    terminal = Terminal.start(verbose=False, quiet=True)
    seconds = _seconds(timeout)
    with connected(context) as client:
        resource = read_one(client, namespace or client.namespace, name)
        value = run_request.request_run(client, resource, datetime.now(UTC))
        terminal.print(f"asked for a run of {resource.namespace}/{name}: request {value}")
        if not wait:
            return
        ended = run_request.wait_until_done(
            client,
            resource,
            value,
            told=terminal.notice,
            now=lambda: datetime.now(UTC),
            seconds=seconds,
        )
    if ended.run is None and ended.need:
        terminal.notice(f"{ended.need.reason}: {ended.need.message}")
    if ended.need:
        terminal.notice(f"go on with: {as_typed(ended.need.command)}")
    raise typer.Exit(ended.exit_code)


def _seconds(duration: str | None) -> float | None:
    from profile_image_sync.api.durations import parse

    try:
        return parse(duration).total_seconds() if duration else None
    except ValueError:
        raise typer.BadParameter(f"--timeout {duration}: give a duration such as 30m") from None
