"""`plan` through its real process: it agrees with the run that follows, person by person."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from testkit.people import sample_people
from testkit.sync_command import ordinary, picture
from testkit.trial import Trial
from tests.unit.cli.command import CommandResult, command


def run(trial: Trial, name: str, *options: str | Path) -> CommandResult:
    """Run `plan` or `sync` on the trial's manifest."""
    return command(name, "-f", trial.manifest, "--state", trial.state, *options)


def planned(trial: Trial) -> dict[str, str]:
    """Return action by objectGUID."""
    done = run(trial, "plan", "-o", "json")
    assert done.exit_code == 0, done.errors
    people: list[dict[str, Any]] = json.loads(done.output)["people"]
    return {person["guid"]: person["action"] for person in people}


def done_by_run(trial: Trial) -> dict[str, str]:
    """Return the kind of list by objectGUID; people without a change are in none."""
    assert run(trial, "sync").exit_code == 0
    lists = json.loads((trial.state / "people.json").read_text())["people"]
    return {each["guid"]: kind for kind, people in lists.items() for each in people}


def test_a_plan_and_the_run_that_follows_agree_person_by_person(trial: Trial) -> None:
    """Before the first run, before one without a change, and before one with a change."""
    trial.add_people(sample_people())
    for change in ("none", "nothing new", "a picture"):
        if change == "a picture":
            trial.change("ada.brook", photos={"thumbnailPhoto": (picture("AB", 77),)})
        plan = planned(trial)
        done = done_by_run(trial)
        assert len(plan) == 41
        expected = {
            guid: done.get(guid, "unchanged").replace("uploaded", "upload") for guid in plan
        }
        assert plan == expected, change


def test_a_plan_changes_nothing_in_highq_nor_in_the_state(trial: Trial) -> None:
    """No upload, nothing recorded, and the table says who would get a picture."""
    trial.add_people(sample_people())
    shown = run(trial, "plan")
    assert shown.exit_code == 0, shown.errors
    lines = shown.output.splitlines()
    assert lines[0].split() == ["PERSON", "ACTION", "REASON", "PICTURE", "SIZE", "WHAT", "TO", "DO"]
    (ada,) = [line for line in lines if line.startswith("ada.brook@firm.example")]
    assert ada.split()[1:5] == ["upload", "UploadFirst", "JPEG", "240x240"]
    (bert,) = [line for line in lines if line.startswith("bert.cedar@firm.example")]
    assert bert.split()[1:5] == ["refused", "TooSmall", "JPEG", "32x32"]
    assert lines[-1].startswith("DryRun: 30 would be uploaded")
    assert trial.highq.uploads() == []
    people = json.loads(command("state", "show", "--state", trial.state, "-o", "json").output)[
        "people"
    ]
    assert people == 0


def test_csv_is_the_work_list_and_no_cell_is_a_formula(trial: Trial) -> None:
    """Names and numbers for those who mend pictures, and how many share one (a logo)."""
    logo = {"thumbnailPhoto": (picture("HQ", 5),)}
    boss = ordinary("Bo Boss", 4)
    trial.add_people([
        boss,
        ordinary("Ann Ash", 1, photos=logo, department="Tax", manager="bo.boss"),
        ordinary("Bea Box", 2, photos=logo, highq=None),
        ordinary("Dora Dim", 5, photos={"thumbnailPhoto": (picture("DD", 6, 32),)}, manager="bo.boss"),
        ordinary("Cid Cup", 3, mail="=1+1@firm.example", highq=None, photos={}),
    ])  # fmt: skip
    done = run(trial, "plan", "--output", "csv")
    rows = {row["person"]: row for row in csv.DictReader(io.StringIO(done.output))}
    assert rows["ann.ash@firm.example"]["sharedBy"] == "2"
    assert rows["ann.ash@firm.example"]["department"] == "Tax"
    assert rows["ann.ash@firm.example"]["manager"] == "bo.boss@firm.example"
    assert rows["bea.box@firm.example"]["name"] == "Bea Box"
    assert rows["bea.box@firm.example"]["sharedBy"] == "2"
    small = rows["dora.dim@firm.example"]
    assert (small["reason"], small["picture"]) == ("TooSmall", "JPEG 32x32")
    assert int(small["size"]) == len(picture("DD", 6, 32))
    assert small["manager"] == "bo.boss@firm.example"
    assert rows["'=1+1@firm.example"]["action"] == "noImage"


def test_everyone_with_a_logo_is_in_the_work_list_although_nothing_changes(trial: Trial) -> None:
    """After a run, too: with the size, and whom to ask."""
    logo = {"thumbnailPhoto": (picture("HQ", 5),)}
    trial.add_people([
        ordinary("Ann Ash", 1, photos=logo, manager="cy.chief"),
        ordinary("Bea Box", 2, photos=logo),
        ordinary("Cy Chief", 3, enabled=False),
    ])  # fmt: skip
    assert run(trial, "sync").exit_code == 0
    done = run(trial, "plan", "--output", "csv")
    rows = {row["person"]: row for row in csv.DictReader(io.StringIO(done.output))}
    ann = rows["ann.ash@firm.example"]
    assert (ann["action"], ann["sharedBy"], ann["picture"]) == ("unchanged", "2", "JPEG 120x120")
    assert ann["manager"] == "cy.chief@firm.example"  # who is out of scope


def test_the_page_is_readable_by_its_owner_only_and_loads_nothing(
    trial: Trial, tmp_path: Path
) -> None:
    """It holds people's pictures, and says so."""
    trial.add_people([ordinary("</script><b>Eve", 1, account="eve", mail="eve@firm.example")])
    page = tmp_path / "plan.html"
    done = run(trial, "plan", "--html", page)
    assert f"{page} holds people's pictures" in done.errors
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text()
    assert text.count("</script>") == 1
    assert "http://" not in text
    assert "https://" not in text


def test_the_page_shows_what_highq_shows_now(trial: Trial, tmp_path: Path) -> None:
    """Where its list says that there is a picture; a placeholder is not taken for one."""
    trial.add_people([ordinary("Ada Brook", 1), ordinary("Ben Castle", 2)])
    trial.highq.set_picture_as_user(trial.ids["ada.brook"], picture("XX", 9, 320))
    page = tmp_path / "plan.html"
    assert run(trial, "plan", "--html", page).exit_code == 0
    (data,) = re.findall(r"const data = (.*);\n", page.read_text())
    ada, ben = sorted(json.loads(data)["people"], key=lambda each: each["person"])
    assert (ada["nowText"], ben["nowText"]) == ("In HighQ now", "HighQ shows no picture yet")
    with Image.open(io.BytesIO(base64.b64decode(ada["now"]))) as shown:
        assert shown.size == (96, 96)
    assert ben["now"] == ""
    assert [call.user_id for call in trial.highq.audit(operation="get_avatar")] == [1]


def test_a_page_is_made_also_when_highq_shows_nothing(trial: Trial, tmp_path: Path) -> None:
    """The pictures of the directory are there, and the command says what is missing."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.highq.set_picture_as_user(trial.ids["ada.brook"], picture("XX", 9, 320))
    trial.highq.fail_next("get_avatar", "redirect", location="https://elsewhere.example/")
    page = tmp_path / "plan.html"
    done = run(trial, "plan", "--html", page)
    assert done.exit_code == 0
    assert "What HighQ shows now is left out: " in done.errors
    assert "Not fetched from HighQ" in page.read_text()


def test_a_plan_that_cannot_be_made_says_why(trial: Trial) -> None:
    """One line with the remedy, the exit code of a run, and no table."""
    trial.write_manifest(schedule=None)
    refused = run(trial, "plan")
    assert refused.exit_code == 20
    assert refused.errors.startswith("InvalidSpec: spec.schedule: must be given")
    trial.directory_url = "ldaps://127.0.0.1:9"
    trial.write_manifest()
    unreached = run(trial, "plan")
    assert (unreached.exit_code, "PERSON" in unreached.output) == (30, False)
    assert "DirectoryUnavailable: no directory server could be reached" in unreached.errors
