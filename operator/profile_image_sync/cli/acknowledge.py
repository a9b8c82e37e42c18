"""`acknowledge`: lets the next run past a brake, after a look at what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from profile_image_sync.cli.options import Context, Namespace, SyncName

if TYPE_CHECKING:
    from profile_image_sync.cluster.resources import SyncResource


def acknowledge(
    name: SyncName,
    id: Annotated[str | None, typer.Argument(metavar="ID", hidden=True)] = None,  # noqa: A002
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Acknowledge a brake: a run starts at once, and goes on if its numbers are not worse.

    ID is the brake's, or that of an edit of imageAttributes or match. Without it the brake is shown, and
    on a terminal asked about. Sets the annotation profileimagesync.io/acknowledge. Needs the rights to get
    and patch profileimagesyncs, and to get configmaps.

    \b
    Examples:
      profile-image-sync acknowledge acme -n tenant-acme
      profile-image-sync acknowledge acme 3f9a2c71 -n tenant-acme
    """
    from profile_image_sync import names
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.cluster.acknowledgement import annotation
    from profile_image_sync.cluster.resources import annotate, connected, read_one
    from profile_image_sync.cluster.states import read_header

    terminal = Terminal.start(verbose=False, quiet=True)
    with connected(context) as client:
        resource = read_one(client, namespace or client.namespace, name)
        wanted = id or _asked(resource, terminal.print)
        header = read_header(client, resource.namespace, name)
        value = annotation(resource, header, wanted)
        annotate(client, resource, names.ACKNOWLEDGE_ANNOTATION, value)
    terminal.print(f"{wanted} of {resource.namespace}/{name} is acknowledged: good for one run")


def _asked(resource: SyncResource, say: Callable[[str], None]) -> str:
    """Show the brake and ask. Exits when there is none, or the answer is no."""
    from profile_image_sync.cli.program import program

    brake = resource.status.brake
    if brake is None:
        typer.echo(f"{resource.namespace}/{resource.name}: no brake waits", err=True)
        raise typer.Exit
    run = resource.status.last_run
    message = brake.message or (
        run.message if run else ""
    )  # a report in a pod's last words has one only
    say(f"{brake.id}: {brake.reason}: {message}")
    say(f"who would be uploaded: {program()} people {resource.name} -n {resource.namespace}")
    if not sys.stdin.isatty():
        typer.echo(
            f"Nothing is changed: {program()} acknowledge {resource.name} {brake.id} -n {resource.namespace}",
            err=True,
        )
        raise typer.Exit(1)
    if not typer.confirm("Acknowledge?"):
        raise typer.Exit(1)
    return brake.id
