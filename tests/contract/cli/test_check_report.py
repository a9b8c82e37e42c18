"""`check --report`: what a HighQ instance answers, and not a word of its content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from testkit.sync_command import ordinary, picture
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command

PLANTED = ("planted", "Quentin", "Zebediah", "firm.example", "127.0.0.1", "acme")


def reported(trial: Trial, file: Path) -> tuple[CommandResult, dict[str, Any]]:
    """Run `check --report` and return the report, too."""
    place = ("-f", trial.manifest, "--state", trial.state)
    done = command("check", *place, "--use-token", "--report", file)
    report: dict[str, Any] = json.loads(file.read_text())
    return done, report


def test_the_simulator_differs_in_nothing_from_what_is_assumed(
    trial: Trial, tmp_path: Path
) -> None:
    """The table of what is assumed says what the simulator does, for every call."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.highq.set_picture_as_user(1, picture("AB", 1, 320))
    done, report = reported(trial, tmp_path / "highq.json")
    assert done.exit_code == 0, done.output
    assert report["differences"] == []
    calls = {(each["path"], each["authorised"], each["status"]) for each in report["answers"]}
    assert calls == {
        ("api/3/users", False, 401),
        ("api/oauth2/token", False, 200),
        ("api/3/users", True, 200),
        ("api/3/users/{id}/avatar", True, 200),
        ("api/2/users", True, 200),
    }
    (listed,) = [
        each for each in report["answers"] if each["path"] == "api/3/users" and each["authorised"]
    ]
    assert {"user[].userid", "user[].avatar", "totalcount"} <= set(listed["fields"])
    assert "content-type" in listed["headers"]


def test_no_name_no_address_and_no_secret_gets_into_the_report(
    trial: Trial, tmp_path: Path
) -> None:
    """Planted in every place that comes from HighQ or from the manifest; only its owner may read it."""
    trial.add_people([ordinary("Quentin Zebediah", 1)])
    trial.highq.fail_next(
        "list",
        "malformed",
        skip=1,
        body=json.dumps({
            "totalcount": 1,
            "user": [{"userid": 1, "email": "planted@firm.example", "planted@firm.example": "planted"}],
            "note": "planted",
        }),
    )  # fmt: skip
    file = tmp_path / "highq.json"
    reported(trial, file)
    text = file.read_text()
    assert "user[].?" in text
    credentials = trial.highq.credentials
    stored = json.loads((trial.state / "tokens.json").read_text())
    secrets = [credentials.client_secret, credentials.refresh_token, *stored.values()]
    for word in [*PLANTED, *(str(secret) for secret in secrets if secret)]:
        assert word not in text, word
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_differs_from_the_assumptions_is_listed(trial: Trial, tmp_path: Path) -> None:
    """A list that tells neither pictures nor dates."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.highq.knobs(avatar_flag="none", created_date="none")
    done, report = reported(trial, tmp_path / "highq.json")
    assert "firstSync: FillEmpty cannot be used" in done.output
    assert report["differences"] == [
        "api/3/users with a token: no field user[].avatar",
        "api/3/users with a token: no field user[].createddate",
    ]


def test_without_the_token_the_report_holds_the_one_open_answer(
    trial: Trial, tmp_path: Path
) -> None:
    """And the authorisation is still good."""
    file = tmp_path / "highq.json"
    done = command("check", "-f", trial.manifest, "--state", trial.state, "--report", file)
    assert f"{file} holds what HighQ answered, without names and secrets." in done.errors
    (answer,) = json.loads(file.read_text())["answers"]
    assert (answer["authorised"], answer["status"], answer["ref"]) == (False, 401, 401)
