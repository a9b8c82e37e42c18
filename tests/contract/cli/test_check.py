"""`check` through its real process: each thing that a run needs, broken one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from testkit.people import sample_people
from testkit.sync_command import ordinary
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command


def check(trial: Trial, *options: str) -> CommandResult:
    """Run `check` on the trial's manifest."""
    return command("check", "-f", trial.manifest, "--state", trial.state, *options)


def test_a_tenant_that_can_run_is_all_ok_and_nothing_is_changed(trial: Trial) -> None:
    """No state is made, HighQ is not called, and the refresh token is still good."""
    trial.add_people(sample_people())
    trial.highq.reset_audit()
    done = check(trial)
    assert (done.exit_code, done.errors) == (0, "")
    lines = [line.split(maxsplit=2) for line in done.output.splitlines()]
    assert {line[0] for line in lines} == {"OK", "skipped"}
    assert [line[1] for line in lines] == [
        "references", "DNS", "TCP", "TLS", "bind", "scope", "pictures", "state", "DNS", "TCP", "TLS",
        "token", "HighQ",
    ]  # fmt: skip
    assert "thumbnailPhoto: 37 of 41 people have a picture" in done.output
    assert trial.highq.audit() == []
    assert not trial.state.exists()


def test_with_the_token_users_are_listed_and_matched(trial: Trial) -> None:
    """As a run would do it; the new pair is kept for the run."""
    trial.add_people(sample_people())
    done = check(trial, "--use-token", "--output", "json")
    assert done.exit_code == 0, done.output
    found = {each["name"]: each["text"] for each in json.loads(done.output)}
    assert found["match"] == "33 of 37 people with a picture have a HighQ user of their own"
    assert found["HighQ"].startswith("the account may list users: ")
    assert (trial.state / "tokens.json").exists()
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0


def _no_server(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["servers"] = ["ldaps://127.0.0.1:9"]


def _wrong_authority(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["caBundleRef"] = {"name": "highq-ca"}


def _no_rights(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["imageAttributes"] = ["jpegPhoto"]


def _missing_secret(spec: dict[str, Any]) -> None:
    spec["highq"]["credentialsSecretRef"] = {"name": "other"}


BROKEN = [
    (_no_server, 20, "failed", "TCP", "open the firewall, or correct host and port"),
    (_wrong_authority, 20, "failed", "TLS", "check caBundleRef"),
    (_no_rights, 0, "warning", "pictures", "let the account read this attribute"),
    (_missing_secret, 20, "failed", "references", "Secret other, key clientId: is not there"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case[0].__name__.lstrip("_"))
def test_what_is_broken_is_named_with_the_remedy(
    trial: Trial, case: tuple[Callable[[dict[str, Any]], None], int, str, str, str]
) -> None:
    """The line says which thing, and what to do."""
    break_it, exit_code, status, name, words = case
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.write_manifest(change=break_it)
    done = check(trial)
    assert done.exit_code == exit_code
    bad = [line for line in done.output.splitlines() if line.startswith(f"{status:<8} {name:<11}")]
    assert bad
    assert words in bad[0]
