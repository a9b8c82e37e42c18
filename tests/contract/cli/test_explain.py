"""`explain PERSON` through its real process."""

from __future__ import annotations

import hashlib

import pytest

from testkit.people import by_account, sample_people
from testkit.sync_command import picture
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command


def explain(trial: Trial, person: str) -> CommandResult:
    """Run `explain` on the trial's manifest."""
    return command("explain", person, "-f", trial.manifest, "--state", trial.state)


def commands(done: CommandResult) -> dict[str, str]:
    """Return what the next run would do after each command that is offered."""
    lines = [each for each in done.output.splitlines() if each.startswith("to change")]
    return {each.split()[4]: each.partition("   then: ")[2] for each in lines}


def test_everything_about_a_person_is_told_before_and_after_a_run(trial: Trial) -> None:
    """By mail, account name, UPN or GUID: the picture, the record, and what comes next."""
    trial.add_people(sample_people())
    (raw,) = by_account()["ada.brook"].photos["thumbnailPhoto"]
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()

    before = explain(trial, "ada.brook@firm.example")
    assert before.exit_code == 0, before.errors
    assert f"directory  thumbnailPhoto, MD5 {digest}\n" in before.output
    assert "recorded   nothing yet\n" in before.output
    assert f"HighQ user {trial.ids['ada.brook']}, by mail=email\n" in before.output
    assert "next run   upload (UploadFirst)\n" in before.output
    assert "to change" not in before.output

    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    after = explain(trial, "ada.brook")
    account = trial.ids["ada.brook"]
    expected = f"accepted or adopted for HighQ user {account}: thumbnailPhoto, MD5 {digest}"
    assert f"recorded   {expected}\n" in after.output
    assert f"HighQ user {account}, by mail=email\n" in after.output
    assert "next run   unchanged\n" in after.output
    assert commands(after) == {
        "resend": "toUpload (UploadAgain)",
        "release": "toUpload (UploadAgain)",
        "forget": "toUpload (UploadFirst)",
    }
    assert explain(trial, "ada.brook@ad.test").output == after.output

    refused = explain(trial, "bert.cedar")
    assert "refused    TooSmall: MD5" in refused.output
    assert "put a larger one into the directory" in refused.output
    assert commands(refused) == {}  # only another picture helps


def test_what_a_command_would_change_is_what_it_changes(trial: Trial) -> None:
    """The command is taken as it is printed; the next explanation says what was promised."""
    trial.add_people(sample_people())
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    trial.write_manifest(mode="OneOff")
    trial.change("ada.brook", photos={"thumbnailPhoto": (picture("AB", 77),)})
    told = explain(trial, "ada.brook")
    assert "next run   unchanged\n" in told.output
    (line,) = [each for each in told.output.splitlines() if "state resend" in each]
    printed, _, promised = line.removeprefix("to change  ").partition("   then: ")
    assert command(*printed.split()[1:]).exit_code == 0
    action, reason = promised.split()
    assert (
        f"next run   {action.replace('toUpload', 'upload')} {reason}\n"
        in explain(trial, "ada.brook").output
    )


def test_the_last_answer_of_highq_is_told(trial: Trial) -> None:
    """A failure that the next run tries again, and a refusal that `state resend` would try again."""
    trial.add_people(sample_people())
    ada, ben = trial.ids["ada.brook"], trial.ids["ben.castle"]
    trial.highq.fail_next("avatar", "status", user_id=ada, status=403, ref=110)
    trial.highq.fail_next("avatar", "status", user_id=ben, status=400, ref=404)
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    assert "waiting    AccountGone, the last time\n" in explain(trial, "ada.brook").output
    refused = explain(trial, "ben.castle")
    assert "next run   refused (NotSquare)\n" in refused.output
    assert commands(refused)["resend"] == "toUpload (UploadFirst)"


def test_who_has_no_account_is_told_why(trial: Trial) -> None:
    """By the outcome of the search for it."""
    trial.add_people(sample_people())
    unknown = explain(trial, "jon.larch").output
    assert "HighQ user none (NoAccount): no HighQ user has their address" in unknown
    assert "HighQ user none (SeveralAccounts): " in explain(trial, "kim.maple").output


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


def test_a_state_command_finds_people_in_the_directory(trial: Trial) -> None:
    """By account name, with the manifest at hand; who is not unique there is refused."""
    trial.add_people(sample_people())
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    done = command("state", "resend", "ada.brook", "--state", trial.state, "-f", trial.manifest)
    assert done.exit_code == 0, done.errors
    assert done.output.startswith("ada.brook (")
    assert "next run   upload (UploadAgain)\n" in explain(trial, "ada.brook").output
    shared = ("reception@firm.example", "--state", trial.state, "-f", trial.manifest)
    refused = command("state", "forget", *shared)
    assert refused.exit_code == 2
    assert "is more than one person in the directory" in " ".join(refused.errors.split())
