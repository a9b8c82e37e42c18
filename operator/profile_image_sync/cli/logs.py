"""`logs`: what the newest run says."""

from __future__ import annotations

from typing import Annotated

import typer

from profile_image_sync.cli.options import Context, Namespace, SyncName


def logs(
    name: SyncName,
    namespace: Namespace = None,
    context: Context = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="ID", help="Of this run (status.history), not the newest."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")
    ] = False,
) -> None:
    """Print the log of a resource's newest run.

    Needs the rights to list and get pods, and to get pods/log.

    \b
    Examples:
      profile-image-sync logs acme -n tenant-acme --follow
      profile-image-sync logs acme -n tenant-acme --run 5d0c11ae
    """
    from profile_image_sync.cli.terminal import printable
    from profile_image_sync.cluster.pod_logs import log_lines, newest_pod
    from profile_image_sync.cluster.resources import connected

    with connected(context) as client:
        pod = newest_pod(client, namespace or client.namespace, name, run)
        for line in log_lines(client, pod, follow=follow):
            typer.echo(printable(line))
