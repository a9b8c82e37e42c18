"""`worker`: the command of a run's pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def worker(
    mounts: Annotated[
        Path | None,
        typer.Option(
            "--mounts",
            metavar="FOLDER",
            help="Folder with secrets/NAME/KEY and configmaps/NAME/KEY.",
        ),
    ] = None,
    termination_message: Annotated[
        Path | None,
        typer.Option(
            "--termination-message",
            metavar="FILE",
            help="File that receives how the run ended, if it is there.",
        ),
    ] = None,
) -> None:
    """Do one run in a pod. The operator starts it; do not start it by hand.

    The run spec is in the environment. State, tokens and report are Kubernetes objects. Exit codes: as
    for sync.
    """
    from profile_image_sync.pod.main import work

    raise typer.Exit(work(os.environ, mounts, termination_message))
