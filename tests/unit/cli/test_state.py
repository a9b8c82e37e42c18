"""`state …` on a folder, through its real process."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync.api.report import ListedPerson, PeopleKind, PeopleLists
from profile_image_sync.api.state_header import new_header
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.worker.ledger import Accepted, Ledger, PersonRecord
from tests.unit.cli.command import command

STATE = UUID(int=0xACE)
ADA, BEN = UUID(int=1), UUID(int=2)
ACCEPTED = Accepted(b"a" * 16, "thumbnailPhoto", 5, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two people's records and the lists of a run."""
    path = tmp_path / "state"
    with FolderStore.open(path) as store:
        store.initialise(new_header(STATE).bound_to_highq("acme.highq.com/acme"))
        ledger = Ledger.open(store, expected_id=None)
        for guid in (ADA, BEN):
            ledger.put(guid, PersonRecord(ACCEPTED))
        ledger.commit(ledger.header)
    ada = ListedPerson(guid=str(ADA), label="ada@corp.example")
    lists = PeopleLists(run="r", people={PeopleKind.FAILED: (ada,)})
    (path / "people.json").write_text(lists.model_dump_json(by_alias=True))
    return path


def records(folder: Path) -> dict[UUID, PersonRecord]:
    """Read the folder's records."""
    with FolderStore.open(folder) as store:
        return dict(Ledger.open(store, expected_id=None).items())


def test_show_tells_what_the_state_holds(folder: Path) -> None:
    """As a table for people and as JSON for programs."""
    shown = command("state", "show", "--state", folder)
    assert (shown.exit_code, shown.errors) == (0, "")
    assert f"state                  {STATE}\n" in shown.output
    assert "people                 2\n" in shown.output
    facts = json.loads(command("state", "show", "--state", folder, "-o", "json").output)
    assert (facts["people"], facts["highq"]) == (2, "acme.highq.com/acme")


def test_verify_says_whether_every_part_is_there(folder: Path) -> None:
    """And names the part that is not, with the ways out."""
    complete = command("state", "verify", "--state", folder)
    assert complete.output == (
        f"State {STATE} in folder {folder} is complete: 1 shards, 2 people.\n"
    )
    (folder / "state-000").unlink()
    missing = command("state", "verify", "--state", folder)
    assert missing.exit_code == 20
    assert missing.errors.startswith("StateMissing: shard 000 of the state is not in folder")
    assert "state import" in missing.errors


def test_an_export_holds_everything_but_names_and_overwrites_no_file(
    folder: Path, tmp_path: Path
) -> None:
    """It is one file, readable by its owner only."""
    out = tmp_path / "acme.state"
    saved = command("state", "export", "--state", folder, "--out", out)
    assert saved.output == f"State {STATE} with 2 people is saved in {out}.\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert "ada@corp.example" not in out.read_text()
    again = command("state", "export", "--state", folder, "--out", out)
    assert again.exit_code == 2
    assert "File exists" in again.errors


@pytest.mark.parametrize("person", [str(ADA), "ADA@corp.example"])
def test_a_person_is_changed_by_guid_or_label(folder: Path, person: str) -> None:
    """The label is the one that the lists of the last run show."""
    done = command("state", "forget", person, "--state", folder)
    assert (done.exit_code, done.errors) == (0, "")
    assert records(folder) == {BEN: PersonRecord(ACCEPTED)}


def test_release_and_resend_are_for_the_next_run(folder: Path) -> None:
    """Both are recorded; nothing is uploaded by the command."""
    released = command("state", "release", str(ADA), "--state", folder)
    assert "has no account now" in released.output
    resent = command("state", "resend", str(BEN), "--state", folder)
    assert "will be uploaded once more by the next run" in resent.output
    found = {guid: record.accepted for guid, record in records(folder).items()}
    assert [(each.account_id, each.resend) for each in found.values() if each] == [
        (0, True),
        (5, True),
    ]


@pytest.mark.parametrize("person", ["nobody@corp.example", str(UUID(int=99))])
def test_an_unknown_person_is_refused_with_the_remedy(folder: Path, person: str) -> None:
    """Nothing is changed."""
    refused = command("state", "forget", person, "--state", folder)
    assert refused.exit_code == 2
    assert person in refused.errors
    assert len(records(folder)) == 2


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A typing error makes no empty state."""
    missing = command("state", "show", "--state", tmp_path / "typo")
    assert (missing.exit_code, missing.output) == (20, "")
    assert "StateMissing: there is no folder" in missing.errors
    assert not (tmp_path / "typo").exists()


def test_where_the_state_is_must_be_said_once(folder: Path) -> None:
    """A folder or a cluster, not both and not neither."""
    assert command("state", "show").exit_code == 2
    both = command("state", "show", "--state", folder, "--in-cluster", "a/b")
    assert both.exit_code == 2
    assert "give --state FOLDER or --in-cluster NAMESPACE/NAME" in both.errors


def test_an_import_needs_something_to_check_the_file_against(folder: Path, tmp_path: Path) -> None:
    """Without a manifest nobody can tell whether the file belongs to this HighQ."""
    out = tmp_path / "acme.state"
    command("state", "export", "--state", folder, "--out", out)
    refused = command("state", "import", out, "--state", tmp_path / "new", "--yes")
    assert refused.exit_code == 20
    assert "StateMismatch: there is no resource to check the file against" in refused.errors


@pytest.mark.parametrize(
    "damage", [b"{", b"\xff\xfe", b'{"run": 5}'], ids=["cut", "no text", "other"]
)
def test_damaged_lists_of_people_stop_no_command(folder: Path, damage: bytes) -> None:
    """They only give names: what they would have told is asked for by objectGUID."""
    (folder / "people.json").write_bytes(damage)
    assert command("state", "verify", "--state", folder).exit_code == 0
    unnamed = command("state", "resend", "ada@corp.example", "--state", folder)
    assert unnamed.exit_code == 2
    assert (
        "ada@corp.example is not in the lists of the last run: give the objectGUID"
        in unnamed.errors
    )
    assert command("state", "resend", str(ADA), "--state", folder).exit_code == 0
