"""`make try`: what a newcomer runs first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_main_job_is_shown_without_root_and_containers() -> None:
    """Plan, sync, sync again, one change: each ends well, and HighQ has got just these pictures."""
    done = subprocess.run(
        [sys.executable, "-m", "demo.try_out"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("HighQ has got")]
    assert said == [f"HighQ has got {number} pictures so far." for number in (30, 30, 31)]
    page = Path(done.stdout.split("file://")[1].split()[0])
    assert "This page holds people's pictures" in page.read_text()
