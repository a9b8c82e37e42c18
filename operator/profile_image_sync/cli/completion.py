"""`completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

_PROGRAM = "profile-image-sync"
_VARIABLE = "_PROFILE_IMAGE_SYNC_COMPLETE"  # set by the script when the shell asks for completions


class Shell(StrEnum):
    """Shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", hidden=True)],
) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      source <(profile-image-sync completion bash)      # in ~/.bashrc
      source <(profile-image-sync completion zsh)       # in ~/.zshrc, after compinit
      profile-image-sync completion fish | source       # in ~/.config/fish/config.fish
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name=_PROGRAM, complete_var=_VARIABLE, shell=shell.value))


def prepare_completion() -> None:
    """Let typer answer the script's question, if this process was started for it."""
    if _VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
