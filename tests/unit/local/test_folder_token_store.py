"""The tokens that are kept between runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from profile_image_sync.errors import StateDamaged, StateUnavailable
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.token_store import StoredTokens, fingerprint, from_json, to_json

TOKENS = StoredTokens(
    access_token="access-secret",
    access_expires_at=datetime(2026, 3, 1, 17, 0, tzinfo=UTC),
    refresh_token="refresh-secret",
    refresh_expires_at=datetime(2027, 3, 1, 12, 0, tzinfo=UTC),
    seed=fingerprint("seed-secret"),
)
ENDLESS = StoredTokens("a", TOKENS.access_expires_at, "r", None, fingerprint("s"))


@pytest.mark.parametrize("tokens", [TOKENS, ENDLESS])
def test_what_is_written_is_read_back(tokens: StoredTokens) -> None:
    """Times keep their zone, a missing end stays missing."""
    assert from_json(to_json(tokens), "here") == tokens


def test_repr_shows_no_token() -> None:
    """Logs and tracebacks may hold the object."""
    assert "secret" not in repr(TOKENS)


def test_a_fingerprint_gives_nothing_away() -> None:
    """It tells seeds apart and is always the same for one."""
    assert fingerprint("one") == fingerprint("one") != fingerprint("two")
    assert "one" not in fingerprint("one")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        to_json(TOKENS)[:-20],
        to_json(TOKENS).replace("2026-03-01T17:00:00Z", "2026-03-01T17:00:00"),
        to_json(TOKENS).replace('"access-secret"', "5"),
    ],
)
def test_damage_is_told_without_a_quote(text: str) -> None:
    """The message names the place and the remedy, never what stands there."""
    with pytest.raises(StateDamaged, match=r"in here cannot be read: .* refreshToken") as caught:
        from_json(text, "here")
    assert "secret" not in str(caught.value).replace("credentials Secret", "")
    assert caught.value.__suppress_context__


def test_a_folder_keeps_one_pair(tmp_path: Path) -> None:
    """The folder is made when the first pair is kept; the file is its owner's alone."""
    folder = tmp_path / "state" / "acme"
    store = FolderTokenStore(folder)
    assert store.read() is None
    store.check_writable()
    store.write(ENDLESS, replaces=None)
    store.write(TOKENS, replaces=None)
    assert FolderTokenStore(folder).read() == TOKENS
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_proving_changes_nothing(tmp_path: Path) -> None:
    """A proof leaves the pair as it is, and no litter."""
    store = FolderTokenStore(tmp_path)
    store.write(TOKENS, replaces=None)
    store.check_writable()
    assert store.read() == TOKENS
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    """A half-written file of another mode is neither read nor written into."""
    store = FolderTokenStore(tmp_path)
    left = tmp_path / "tokens.json.unfinished"
    left.write_text("half a pa")
    left.chmod(0o644)
    assert store.read() is None
    store.write(TOKENS, replaces=None)
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.json"]
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_found_out_before(tmp_path: Path) -> None:
    """The proof fails, so that HighQ is not asked for a pair that would be lost."""
    file = tmp_path / "file"
    file.touch()
    store = FolderTokenStore(file / "state")
    with pytest.raises(StateUnavailable, match=r"tokens\.json cannot be written \("):
        store.check_writable()
    with pytest.raises(StateUnavailable, match=r"cannot be written"):
        store.write(TOKENS, replaces=None)
    with pytest.raises(StateUnavailable, match=r"cannot be read"):
        store.read()


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    """A disk's error is told as such, without a traceback."""
    (tmp_path / "tokens.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StateDamaged):
        FolderTokenStore(tmp_path).read()
