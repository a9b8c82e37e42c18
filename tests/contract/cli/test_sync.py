"""`sync` through its real process: what is printed, and what a name can do to a terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

from testkit.people import sample_people
from testkit.sync_command import ordinary
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command


def sync(trial: Trial, *options: str, **environment: str) -> CommandResult:
    """Run `sync` on the trial's manifest."""
    return command("sync", "-f", trial.manifest, "--state", trial.state, *options, **environment)


def test_a_run_prints_numbers_people_and_a_summary(trial: Trial) -> None:
    """The result goes to standard output, everything else to standard error."""
    trial.add_people(sample_people())

    first = sync(trial)

    assert first.exit_code == 0, first.errors
    header, numbers, *lines = first.output.splitlines()
    assert header.split() == [
        "people", "uploaded", "adopted", "unchanged", "noImage", "refused",
        "unmatched", "ambiguous", "failed",
    ]  # fmt: skip
    assert numbers.split() == ["41", "30", "0", "0", "4", "3", "2", "2", "0"]
    assert any(line.startswith("refused: bert.cedar@firm.example (") for line in lines)
    assert re.fullmatch(r"Succeeded: 30 uploaded in \d+\.\d s\.", lines[-1])
    assert f"New state in {trial.state}: this is a first sync (Override)." in first.errors
    assert len(trial.highq.uploads()) == 30


def test_a_run_warns_before_it_uses_up_the_refresh_token(trial: Trial) -> None:
    """Also a dry run: where the new pair is, and that a cluster needs an authorisation of its own."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.write_manifest(dryRun=True)
    first = sync(trial)
    warning = (
        "This run uses up the refreshToken of Secret highq-oauth, which HighQ accepts only once. The new "
        f"token pair is kept in {trial.state}/tokens.json. A cluster, or another folder, needs an "
        "authorisation of its own."
    )
    assert warning in first.errors
    assert "uses up" not in sync(trial).errors


def test_a_name_in_the_directory_cannot_control_the_terminal(trial: Trial) -> None:
    """Escape sequences are shown as text, on a terminal and in the log lines."""
    hostile = dataclasses.replace(
        ordinary("Eve Hill", 1), mail="eve\x1b[2J\x1b]0;owned\x07@firm.example", highq=None
    )
    trial.add_people([hostile])
    done = sync(trial, "--verbose")
    assert r"unmatched: eve\x1b[2J\x1b]0;owned\x07@firm.example" in done.output
    assert "\x1b" not in done.output + done.errors
    assert "\x07" not in done.output + done.errors


def test_no_color_is_obeyed(trial: Trial) -> None:
    """No escape sequence is written where NO_COLOR is set, also when a terminal is forced."""
    trial.add_people([ordinary("Ada Brook", 1)])
    done = sync(trial, NO_COLOR="1", FORCE_COLOR="1")
    assert "\x1b[3" not in done.output + done.errors


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(trial: Trial) -> None:
    """With how many of how many, the rate and the time left; `-v` prints the lines on a terminal, too."""
    trial.add_people(sample_people())
    piped = sync(trial)
    assert "directory read" in piped.errors
    assert "\x1b" not in piped.errors
    shown = _on_a_terminal(trial, "--full")
    assert re.search(r"people \S* *\d+/\d+ .*\d:\d\d:\d\d", shown), shown
    assert "directory read" not in shown
    assert "directory read" in _on_a_terminal(trial, "--full", "--verbose")


def _on_a_terminal(trial: Trial, *options: str) -> str:
    """Run `sync` with standard error on a terminal; return what it shows, without colours."""
    master, slave = os.openpty()
    arguments = ["sync", "-f", str(trial.manifest), "--state", str(trial.state), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "profile_image_sync", *arguments],
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
        stdout=subprocess.DEVNULL,
        stderr=slave,
    ) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # Linux' word for: nobody has the other end any more
            while part := os.read(master, 65_536):
                shown += part
        os.close(master)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_an_import_proves_the_domain_and_highq_first(trial: Trial, tmp_path: Path) -> None:
    """With a folder, the manifest says which directory is asked for its domain."""
    trial.add_people([ordinary("Ada Brook", 1)])
    assert sync(trial).exit_code == 0
    out, new = tmp_path / "acme.state", tmp_path / "new"
    assert command("state", "export", "--state", trial.state, "--out", out).exit_code == 0

    restored = command("state", "import", out, "--state", new, "-f", trial.manifest, "--yes")

    assert restored.exit_code == 0, restored.errors
    assert "may be uploaded once more" in restored.errors
    trial.highq.reset_audit()
    other = out.read_text().replace(
        "11111111-2222-3333-4444-555555555555", "9" * 8 + "-2222-3333-4444-" + "5" * 12
    )
    foreign = tmp_path / "foreign.state"
    foreign.write_text(other)
    refused = command(
        "state", "import", foreign, "--state", tmp_path / "x", "-f", trial.manifest, "--yes"
    )
    assert (refused.exit_code, refused.errors.partition(":")[0]) == (20, "StateMismatch")
    assert "belongs to the domain" in refused.errors
