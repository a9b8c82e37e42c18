"""`check`: whether a run would find everything that it needs."""

from __future__ import annotations

import json
from typing import Annotated

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


def check(
    file: ManifestFile,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    use_token: Annotated[
        bool,
        typer.Option(
            "--use-token", help="Also list HighQ's users. This uses up HighQ's refresh token."
        ),
    ] = False,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """Check everything that a run needs, without changing anything.

    One line each: OK, warning, failed with the remedy, or skipped. Exit codes: 0 nothing failed, 20
    something failed.

    \b
    Examples:
      profile-image-sync check -f tenant.yaml
      profile-image-sync check -f tenant.yaml --state ./acme-state --use-token
    """
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import check as checks
    from profile_image_sync.local import manifest, run
    from profile_image_sync.local.probe import CheckStatus

    terminal = Terminal.start(verbose=False, quiet=True)
    document = manifest.load(file, name)
    results = []
    for result in checks.check(
        document,
        folder=run.state_folder(document, state),
        secret_folders=secret_folders(secret),
        use_token=use_token,
    ):
        results.append(result)
        if output is TableOrJson.TABLE:
            terminal.print(f"{result.status:<8} {result.name:<11} {result.text}")
    if output is TableOrJson.JSON:
        found = [{"name": r.name, "status": r.status, "text": r.text} for r in results]
        typer.echo(json.dumps(found, indent=2))
    failed = any(result.status is CheckStatus.FAILED for result in results)
    raise typer.Exit(EXIT_PERMANENT if failed else EXIT_FINISHED)
