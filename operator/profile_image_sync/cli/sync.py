"""`sync`: one run from a manifest, without a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from profile_image_sync.cli.options import (
    ManifestFile,
    ResourceName,
    SecretFolders,
    StateFolder,
    Verbose,
    secret_folders,
)


def sync(
    file: ManifestFile,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everyone, not only who changed since the last run.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Do one run from a manifest, without a cluster.

    Exit codes: 0 finished (the report lists people whose upload failed), 10 another run is using the
    state, 20 a person must act, 30 try again.

    \b
    Examples:
      profile-image-sync sync -f tenant.yaml --state ./acme-state
      profile-image-sync sync -f tenant.yaml --secret ad-bind=./secrets/ad-bind
    """
    from profile_image_sync.cli.run_output import print_result
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import manifest, run

    terminal = Terminal.start(verbose=verbose)
    document = manifest.load(file, name)
    folder = run.state_folder(document, state)
    with terminal.progress("people") as progress:
        result = run.run_once(
            document,
            folder=folder,
            secret_folders=secret_folders(secret),
            notice=terminal.notice,
            progress=progress,
            full=full,
        )
    print_result(result, folder, terminal)
    raise typer.Exit(result.report.exit_code)
