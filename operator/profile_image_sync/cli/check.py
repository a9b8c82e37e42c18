"""`check`: whether a run would find everything that it needs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profile_image_sync.api.run_spec import RUN_SPEC_VARIABLE
from profile_image_sync.cli.options import (
    Context,
    ResourceName,
    SecretFolders,
    StateFolder,
    TableOrJson,
    TableOrJsonOption,
    require_writable,
    secret_folders,
)
from profile_image_sync.errors import EXIT_FINISHED, EXIT_PERMANENT

if TYPE_CHECKING:
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local.probe import CheckResult


ManifestIfAny = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="Manifest, as for sync.")
]
InCluster = Annotated[
    str | None,
    typer.Option(
        "--in-cluster",
        metavar="NAMESPACE/NAME",
        help="Check from a pod like a run's of this resource.",
    ),
]
UseToken = Annotated[
    bool,
    typer.Option(
        "--use-token",
        help="Also list HighQ's users. This uses up HighQ's refresh token; the new one is kept.",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write what this HighQ answers: statuses and names of fields, nobody's data.",
    ),
]
Mounts = Annotated[Path | None, typer.Option("--mounts", hidden=True)]


def check(
    file: ManifestIfAny = None,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    in_cluster: InCluster = None,
    context: Context = None,
    use_token: UseToken = False,
    report: ReportFile = None,
    mounts: Mounts = None,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """Check everything that a run needs, without changing anything.

    One line each: OK, warning, failed with the remedy, or skipped. With --in-cluster, a Job made from the
    run's own template checks with its ServiceAccount, mounts and network policies, and is deleted afterwards.
    Exit codes: 0 nothing failed, 20 something failed.

    \b
    Examples:
      profile-image-sync check -f tenant.yaml
      profile-image-sync check -f tenant.yaml --use-token --report highq.json
      profile-image-sync check --in-cluster tenant-acme/acme
    """
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import manifest, run
    from profile_image_sync.local.check import check as results_of
    from profile_image_sync.local.check import write_report
    from profile_image_sync.local.surroundings import on_this_machine
    from profile_image_sync.worker.highq.survey import Survey

    terminal, survey = Terminal.start(verbose=False, quiet=True), Survey()
    if in_cluster:
        if file or report:
            raise typer.BadParameter("--in-cluster goes with neither --file nor --report")
        results: Iterable[CheckResult] = _in_cluster(in_cluster, context, terminal, use_token)
    elif file:
        require_writable("--report", report)
        document = manifest.load(file, name)
        spec = document.resource.spec
        folder = run.state_folder(document, state)
        found = on_this_machine(document, folder, secret_folders(secret))
        results = results_of(spec, found, survey, use_token=use_token)
    elif RUN_SPEC_VARIABLE in os.environ:  # the Job of --in-cluster
        results = _in_pod(mounts, use_token)
    else:
        raise typer.BadParameter("give -f FILE or --in-cluster NAMESPACE/NAME")
    failed = _print(results, terminal, output)
    if report:
        write_report(report, survey, spec)
        terminal.notice(f"{report} holds what HighQ answered, without names and secrets.")
    raise typer.Exit(EXIT_PERMANENT if failed else EXIT_FINISHED)


def _in_cluster(
    target: str, context: str | None, terminal: Terminal, use_token: bool
) -> Iterable[CheckResult]:
    from profile_image_sync.cluster.check_job import check_in_cluster
    from profile_image_sync.cluster.resources import connected

    namespace, slash, name = target.partition("/")
    if not (namespace and slash and name):
        raise typer.BadParameter(f"--in-cluster {target}: give NAMESPACE/NAME")
    with connected(context) as client:
        return check_in_cluster(
            client, namespace, name, use_token=use_token, notice=terminal.notice
        )


def _in_pod(mounts: Path | None, use_token: bool) -> Iterable[CheckResult]:
    from profile_image_sync.cli.check_in_pod import in_this_pod
    from profile_image_sync.local.check import check as results_of
    from profile_image_sync.worker.highq.survey import Survey

    with in_this_pod(os.environ, mounts) as (spec, found):
        yield from results_of(spec, found, Survey(), use_token=use_token)


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
