"""How this process was called: as a command of its own, or as kubectl's plugin.

Apart from the list of commands, because help, examples and printed commands must all speak the same way.
"""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any

import typer
from typer.main import get_command

from profile_image_sync import names

PLUGIN = "kubectl-pisync"  # the executable that kubectl looks for


def program() -> str:
    """Return what the user types before the name of a command."""
    called = PurePath(sys.argv[0]).name
    return PLUGIN.replace("-", " ", 1) if called.startswith(PLUGIN) else names.PRODUCT


def as_typed(text: str) -> str:
    """Return a text with our commands as they are typed here."""
    return text.replace(f"{names.PRODUCT} ", f"{program()} ")


def command_of(app: typer.Typer) -> Any:
    """Return click's command of all commands; their help names the program as it was called."""
    command = get_command(app)
    _speak_as_called(command)
    return command


def _speak_as_called(command: Any) -> None:
    if command.help:
        command.help = as_typed(command.help)
    for each in getattr(command, "commands", {}).values():
        _speak_as_called(each)
