"""State in a folder: written whole or not at all, held by one run, never begun twice."""

from __future__ import annotations

import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync.api.state_header import encode_header, new_header
from profile_image_sync.api.state_policy import StatePolicy
from profile_image_sync.errors import Busy, StateMismatch, StateMissing, StateUnavailable
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.run import begin_state
from profile_image_sync.worker.ledger import Ledger, PersonRecord

STATE, PERSON = UUID(int=1), UUID(int=7)
PACKAGE = Path(__file__).parents[3] / "operator"

HOLD = """
import sys
from pathlib import Path
from profile_image_sync.local.folder_store import FolderStore
with FolderStore.open(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
RECORD_FOR_EVER = """
import sys
from pathlib import Path
from uuid import UUID
from profile_image_sync.worker.ledger import Accepted, PersonRecord, Ledger
from profile_image_sync.local.folder_store import FolderStore
with FolderStore.open(Path(sys.argv[1])) as store:
    ledger = Ledger.open(store, expected_id=None)
    for number in range(1, 10**9):
        ledger.put(UUID(int=7), PersonRecord(Accepted(bytes(16), "a", number, 1)))
        ledger.flush() if number % 3 else ledger.commit(ledger.header)
        print(number, flush=True)
"""


@contextmanager
def running(program: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program on the folder in a process of its own; it is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=PACKAGE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def begun(folder: Path) -> None:
    """Begin a state there."""
    with FolderStore.open(folder) as store:
        store.initialise(new_header(STATE))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Header and shards, after the folder has been closed and opened again."""
    begun(tmp_path / "acme")
    with FolderStore.open(tmp_path / "acme") as store:
        store.write_shard(0, b"zero")
        store.write_shard(255, b"old")
        store.write_shard(255, b"new")
    with FolderStore.open(tmp_path / "acme") as store:
        assert store.read_header() == encode_header(new_header(STATE))
        assert [store.read_shard(n) for n in (0, 1, 255)] == [b"zero", None, b"new"]
        assert store.where == f"folder {tmp_path / 'acme'}"
    names = {path.name for path in (tmp_path / "acme").iterdir()}
    assert names == {"lock", "state", "state-000", "state-255"}


def test_a_folder_that_is_not_there_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """State tells who works here; nobody else on the machine may read it."""
    folder = tmp_path / ".profile-image-sync" / "acme"
    begun(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_state_is_begun_in_an_empty_folder_only_once(tmp_path: Path) -> None:
    """A second beginning would be a first sync that overrides people's own pictures."""
    with FolderStore.open(tmp_path) as store:
        assert store.is_new()
        store.initialise(new_header(STATE))
        assert not store.is_new()
        with pytest.raises(StateMismatch, match="holds a state already"):
            store.initialise(new_header(UUID(int=2)))
        assert store.read_header() == encode_header(new_header(STATE))


@pytest.mark.parametrize("leftover", ["state-000", "token-highq-oauth.json", "holiday.jpg"])
def test_a_folder_that_lost_its_header_is_no_first_sync(tmp_path: Path, leftover: str) -> None:
    """Shards, a token or anything else without a header: stop, and name the ways out."""
    (tmp_path / leftover).write_bytes(b"...")
    with FolderStore.open(tmp_path) as store:
        with pytest.raises(
            StateMissing, match=f"holds '{leftover}'.* no file 'state'.*state import"
        ):
            store.is_new()
        with pytest.raises(StateMissing):
            store.initialise(new_header(STATE))
        assert store.read_header() is None


def test_a_beginning_that_was_killed_can_be_made_again(tmp_path: Path) -> None:
    """A header half written was never a state."""
    (tmp_path / "state.unfinished").write_bytes(b"{")
    begun(tmp_path)
    with FolderStore.open(tmp_path) as store:
        assert Ledger.open(store, expected_id=STATE).header == new_header(STATE)
    assert not (tmp_path / "state.unfinished").exists()


def test_a_second_run_is_told_that_the_folder_is_busy(tmp_path: Path) -> None:
    """Another process holds it; once that one is gone, even killed, the folder is free."""
    with running(HOLD, tmp_path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(
                Busy, match=f"another run is using the state in folder {tmp_path}"
            ) as busy,
            FolderStore.open(tmp_path),
        ):
            pytest.fail("two runs at once")
        assert busy.value.exit_code == 10
    with FolderStore.open(tmp_path) as store:
        assert store.is_new()


def test_a_killed_run_loses_nothing_it_has_flushed(tmp_path: Path) -> None:
    """SIGKILL in the midst of writing: the state opens, and holds what was confirmed, or newer."""
    begun(tmp_path)
    for _ in range(3):
        with running(RECORD_FOR_EVER, tmp_path) as run:
            assert run.stdout
            for _ in range(25):
                confirmed = int(run.stdout.readline())
            run.send_signal(signal.SIGKILL)
            run.wait()
        with FolderStore.open(tmp_path) as store:
            accepted = Ledger.open(store, expected_id=STATE).get(PERSON).accepted
        assert accepted
        assert accepted.account_id >= confirmed


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path) -> None:
    """The message names the file and the remedy; no half-written file stays behind."""
    begun(tmp_path)
    with FolderStore.open(tmp_path) as store:
        store.write_shard(0, b"old")
        with (
            files_limited_to(1000),
            pytest.raises(
                StateUnavailable, match=f"{tmp_path}/state-000 .* disk's free space"
            ) as full,
        ):
            store.write_shard(0, b"x" * 2000)
        assert full.value.exit_code == 30
        assert store.read_shard(0) == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "state", "state-000"}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be: the path, the cause, the remedy; no traceback."""
    place = tmp_path / "acme"
    place.write_text("not a folder")
    for path in (place, place / "deeper"):
        with pytest.raises(StateUnavailable, match=f"{path} could not be opened: .*--state"):
            FolderStore.open(path).__enter__()
    (tmp_path / "other" / "state-000").mkdir(parents=True)
    with (
        FolderStore.open(tmp_path / "other") as store,
        pytest.raises(StateUnavailable, match="state-000 could not be read"),
    ):
        store.read_shard(0)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link planted where a file is about to be written is replaced, not followed."""
    begun(tmp_path / "acme")
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / "acme" / "state-000.unfinished").symlink_to(victim)
    with FolderStore.open(tmp_path / "acme") as store:
        store.write_shard(0, b"new")
        assert store.read_shard(0) == b"new"
    assert victim.read_bytes() == b"untouched"


LOSSES = ["there", "header gone", "header damaged", "a shard gone", "nothing there"]


@pytest.mark.parametrize("loss", LOSSES)
def test_an_acknowledged_loss_begins_anew_once(tmp_path: Path, loss: str) -> None:
    """Rule 9: "the one way to begin anew is `state.acknowledgeLoss: ID` … good once"; nothing is removed."""
    folder = tmp_path / "state"
    with FolderStore.open(folder) as store:
        if loss != "nothing there":
            store.initialise(new_header(STATE))
            ledger = Ledger.open(store, expected_id=STATE)
            ledger.put(PERSON, PersonRecord(waiting="NoAccount"))
            ledger.commit(ledger.header)
            (folder / "report.json").write_text("{}")
        match loss:
            case "header gone":
                (folder / "state").unlink()
            case "header damaged":
                (folder / "state").write_bytes(b"?")
            case "a shard gone":
                (folder / "state-000").unlink()

        assert store.begin_anew(STATE)
        header = store.header()
        assert (header.replaces, header.first_sync_completed) == (STATE, False)
        assert header.id != STATE
        assert list(Ledger.open(store, expected_id=header.id).items()) == []
        assert not store.begin_anew(STATE)
        assert store.header() == header
    aside = folder / f"given-up-{STATE}"
    assert (aside / "state-000").exists() == (loss in LOSSES[:3])


def test_a_loss_of_another_state_begins_nothing(tmp_path: Path) -> None:
    """The id must be that of the state that is given up."""
    with FolderStore.open(tmp_path) as store:
        store.initialise(new_header(STATE))
        assert not store.begin_anew(UUID(int=99))
        assert store.header().id == STATE


def test_a_pinned_state_is_never_begun_in_silence(tmp_path: Path) -> None:
    """Rule 9: "`state.id` in the spec pins the state": an empty folder is no first sync then."""
    with FolderStore.open(tmp_path) as store:
        with pytest.raises(StateMissing, match=rf"acknowledgeLoss: \"{STATE}\""):
            begin_state(store, StatePolicy(id=str(STATE)))
        assert begin_state(store, StatePolicy(id=str(STATE), acknowledge_loss=str(STATE)))
        assert not begin_state(store, StatePolicy())
