"""Runs the command as users do: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HANGS_AFTER = 300.0  # seconds, on a machine that others use as well


@dataclass(frozen=True)
class CommandResult:
    """What a user sees of a command."""

    exit_code: int
    output: str
    errors: str


def command(*arguments: str | Path, **environment: str) -> CommandResult:
    """Run `profile-image-sync` with these arguments."""
    done = subprocess.run(
        [sys.executable, "-m", "profile_image_sync", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)
