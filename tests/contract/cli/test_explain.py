"""`explain PERSON` through its real process."""

from __future__ import annotations

import hashlib

import pytest

from testkit.people import by_account, sample_people
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command


def explain(trial: Trial, person: str) -> CommandResult:
    """Run `explain` on the trial's manifest."""
    return command("explain", person, "-f", trial.manifest, "--state", trial.state)


def test_everything_about_a_person_is_told_before_and_after_a_run(trial: Trial) -> None:
    """By mail, account name, UPN or GUID: the picture, the record, and what comes next."""
    trial.add_people(sample_people())
    (raw,) = by_account()["ada.brook"].photos["thumbnailPhoto"]
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()

    before = explain(trial, "ada.brook@firm.example")
    assert before.exit_code == 0, before.errors
    assert f"directory  thumbnailPhoto, MD5 {digest}\n" in before.output
    assert "recorded   nothing yet\n" in before.output
    assert "next run   upload (UploadFirst)\n" in before.output

    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    after = explain(trial, "ada.brook")
    account = trial.ids["ada.brook"]
    expected = f"accepted or adopted for HighQ user {account}: thumbnailPhoto, MD5 {digest}"
    assert f"recorded   {expected}\n" in after.output
    assert "next run   unchanged\n" in after.output
    assert explain(trial, "ada.brook@ad.test").output == after.output

    refused = explain(trial, "bert.cedar")
    assert "refused    TooSmall: MD5" in refused.output
    assert "put a larger one into the directory" in refused.output
    assert "profile-image-sync state COMMAND" in refused.output


@pytest.mark.parametrize(
    ("person", "exit_code", "words"),
    [
        ("meg.olive", 0, "nothing: not in searchBases, userFilter and groups"),
        ("no*body", 20, "nobody in the directory has"),
    ],
)
def test_people_out_of_scope_and_unknown_people_are_told_apart(
    trial: Trial, person: str, exit_code: int, words: str
) -> None:
    """A disabled account exists; a typing error does not."""
    trial.add_people(sample_people())
    done = explain(trial, person)
    assert done.exit_code == exit_code
    assert words in done.output + done.errors
