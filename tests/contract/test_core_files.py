"""A process that holds secrets and dies hard leaves none of its memory behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tinyproxy import free_port

SECRET = "5ecret-of-the-registration"
WAITS = "import sys; print('https://', file=sys.stderr, flush=True); sys.stdin.read()"


def left_by(command: list[str], folder: Path) -> list[str]:
    """Abort a process that waits, with core files allowed; return the files that it leaves."""
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2),  # noqa: PLW1509
    )
    assert process.stdin
    assert process.stderr
    with process:
        process.stdin.write(f"{SECRET}\n")
        process.stdin.flush()
        assert any(line.startswith("https://") for line in process.stderr)  # it has the secret
        os.kill(process.pid, signal.SIGABRT)
    assert process.returncode == -signal.SIGABRT
    return sorted(file.name for file in folder.iterdir())


def test_an_aborted_command_leaves_no_core_file(tmp_path: Path) -> None:
    """The limit of the shell does not matter; any other program leaves one here."""
    if not left_by(["-c", WAITS], tmp_path / "other"):
        pytest.skip("this machine writes no core files into the working folder")
    options = {
        "--url": "https://acme.highq.com/acme",
        "--client-id": "1012",
        "--redirect": f"http://127.0.0.1:{free_port()}/",
    }
    arguments = [part for pair in options.items() for part in pair]
    command = ["-m", "profile_image_sync", "authorize", *arguments]
    assert left_by(command, tmp_path / "ours") == []
