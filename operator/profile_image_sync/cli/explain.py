"""`explain`: why somebody has no picture in HighQ, or another one."""

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
from profile_image_sync.errors import EXIT_PERMANENT


def explain(
    person: Annotated[str, typer.Argument(metavar="PERSON", hidden=True)],
    file: ManifestFile,
    state: StateFolder = None,
    secret: SecretFolders = None,
    name: ResourceName = None,
    verbose: Verbose = False,
) -> None:
    """Explain why a person has no picture in HighQ, or another one.

    PERSON is a mail address, userPrincipalName, account name or objectGUID. Shows the directory's picture,
    their HighQ user and what led to it, what is recorded, what the next run will do and why, and the commands
    that would change that. Changes nothing; HighQ's refresh token is used up as by a run. Exit codes: 20 if
    there is no such person, else as for sync.

    \b
    Example:
      profile-image-sync explain ada.brook@corp.example -f tenant.yaml --state ./acme-state
    """
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local import explain as explaining
    from profile_image_sync.local import manifest, run
    from profile_image_sync.local.plan import PlanSource

    terminal = Terminal.start(verbose=verbose)
    document = manifest.load(file, name)
    source = PlanSource(document, run.state_folder(document, state), secret_folders(secret))
    with terminal.progress("people") as progress:
        found, exit_code = explaining.explain(
            source, person, notice=terminal.notice, progress=progress
        )
    if not found:
        terminal.notice(
            f"nobody in the directory has the mail address, userPrincipalName, account name or objectGUID "
            f"{person}: correct it, or let the account read that person"
        )
        raise typer.Exit(EXIT_PERMANENT)
    for each in found:
        for label, text in explaining.lines(each, f"--state {source.folder}"):
            terminal.print(f"{label:<10} {text}")
    raise typer.Exit(exit_code)
