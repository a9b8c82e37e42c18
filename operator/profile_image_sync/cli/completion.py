"""Completion of commands and options: the script of a shell, and the answer to kubectl's question.

kubectl completes `kubectl pisync …` by asking an executable named kubectl_complete-pisync on the PATH.
"""

from __future__ import annotations

import os
import sys
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


_DEFAULT, _NO_FILES = 0, 4  # what the shell does beside, in cobra's numbers


def answer_kubectl() -> None:
    """Print what may follow the words given, as kubectl wants it: word, tab, help; at last what else to do.

    Where nothing of ours fits, such as for the value of --file, the shell completes names of files.
    """
    from typer._completion_classes import BashComplete

    from profile_image_sync.cli.app import app
    from profile_image_sync.cli.program import PLUGIN, command_of

    *typed, begun = sys.argv[1:] or [""]
    found = BashComplete(command_of(app), {}, PLUGIN, _VARIABLE).get_completions(typed, begun)
    for each in found:
        sys.stdout.write(f"{each.value}\t{each.help or ''}".rstrip() + "\n")
    sys.stdout.write(f":{_NO_FILES if found else _DEFAULT}\n")
