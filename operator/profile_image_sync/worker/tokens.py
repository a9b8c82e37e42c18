"""HighQ's tokens between runs: what is kept, how it is written down, and a folder that keeps it.

HighQ hands out a new refresh token with each access token and forgets the old one: losing what is
kept here costs an administrator another consent in the browser. Knows nothing of HTTP.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from profile_image_sync.errors import StateDamaged, StateUnavailable

FILE_NAME = "tokens.json"
ROOM_BYTES = 4096  # more than any pair of tokens takes


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """One pair as HighQ issued it, and which seed it descends from."""

    access_token: str = field(repr=False)
    access_expires_at: AwareDatetime
    refresh_token: str = field(repr=False)
    refresh_expires_at: AwareDatetime | None  # None: HighQ did not say
    seed: str  # fingerprint() of the refresh token that an administrator put into the Secret


def fingerprint(refresh_token: str) -> str:
    """Return what tells one seed refresh token from another and gives neither away: SHA-256 in hex."""
    return sha256(refresh_token.encode()).hexdigest()


_PAPER = TypeAdapter(StoredTokens)


def to_json(tokens: StoredTokens) -> str:
    """Write the tokens down, times in ISO 8601 UTC."""
    return _PAPER.dump_json(tokens).decode()


def from_json(text: str, where: str) -> StoredTokens:
    """Read what to_json wrote. Raises StateDamaged, naming `where`; never quotes the text."""
    try:
        return _PAPER.validate_json(text)
    except ValidationError:
        damage = f"the HighQ tokens in {where} cannot be read"
        remedy = "delete them and put a new refreshToken into the credentials Secret"
        raise StateDamaged(f"{damage}: {remedy}") from None


class TokenStore(Protocol):
    """Keeps one pair of tokens for one seed Secret. All methods raise StateUnavailable on trouble."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other runs out while a pair is renewed: HighQ takes a refresh token only once.

        Waits for another run that renews; what it has stored is then to be read again.
        """
        ...

    def read(self) -> StoredTokens | None:
        """Return the pair kept, None if there is none yet. Raises StateDamaged if it is unreadable."""
        ...

    def prove(self) -> None:
        """Show that write() will succeed, and change nothing. Asked before HighQ forgets the old pair."""
        ...

    def write(self, tokens: StoredTokens) -> None:
        """Keep this pair instead of the one before; when it returns, a power cut loses nothing."""
        ...


class FolderTokenStore:
    """Keeps the pair in `tokens.json` of a folder (made if missing), readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is touched yet."""
        self._folder = folder
        self._file = folder / FILE_NAME

    def exclusive(self) -> AbstractContextManager[None]:
        """See TokenStore. Whoever runs has locked the folder (store)."""
        return nullcontext()

    def read(self) -> StoredTokens | None:
        """See TokenStore."""
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""  # from_json says what to do
        except OSError as error:
            raise self._unavailable("read", error) from error
        return from_json(text, str(self._file))

    def prove(self) -> None:
        """See TokenStore."""
        try:
            self._stage(" " * ROOM_BYTES).unlink()
        except OSError as error:
            raise self._unavailable("written", error) from error

    def write(self, tokens: StoredTokens) -> None:
        """See TokenStore."""
        try:
            self._stage(to_json(tokens)).replace(self._file)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)  # or a power cut may undo the rename
            finally:
                os.close(folder)
        except OSError as error:
            raise self._unavailable("written", error) from error

    def _stage(self, text: str) -> Path:
        """Write a new file beside the old one, down to the disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f"{FILE_NAME}.new"
        new.unlink(missing_ok=True)  # left by a killed run, perhaps with another mode
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return new

    def _unavailable(self, verb: str, error: OSError) -> StateUnavailable:
        return StateUnavailable(
            f"the HighQ tokens in {self._file} cannot be {verb} ({error.strerror}): "
            "check who owns the folder and whether the disk is full"
        )
