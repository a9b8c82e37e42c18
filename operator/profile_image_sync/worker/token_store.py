"""The stored token pair of one seed Secret: its JSON, and the protocol of the stores that keep it.

Each refresh at HighQ invalidates the refresh token before it. Losing the stored pair therefore costs an
administrator a new consent in the browser. Pods keep it in a Secret, a terminal in a folder. No HTTP.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from profile_image_sync.errors import StateDamaged

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


_ADAPTER = TypeAdapter(StoredTokens)


def to_json(tokens: StoredTokens) -> str:
    """Write the tokens down, times in ISO 8601 UTC."""
    return _ADAPTER.dump_json(tokens).decode()


def from_json(text: str, where: str) -> StoredTokens:
    """Read what to_json wrote. Raises StateDamaged, naming `where`; never quotes the text."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        damage = f"the HighQ tokens in {where} cannot be read"
        remedy = "delete them and put a new refreshToken into the credentials Secret"
        raise StateDamaged(f"{damage}: {remedy}") from None


def descendant(stored: StoredTokens | None, seed: str) -> StoredTokens | None:
    """Return the pair if it descends from this seed; an administrator may have put in another since."""
    return stored if stored and stored.seed == fingerprint(seed) else None


def stored_expiry(store: TokenStore, seed: str) -> datetime | None:
    """Return when the stored refresh token of this seed expires (UTC); None: no pair, or HighQ did not say.

    Raises StateUnavailable, StateDamaged.
    """
    stored = descendant(store.read(), seed)
    return stored.refresh_expires_at if stored else None


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

    def check_writable(self) -> None:
        """Show that write() will succeed, and change nothing. Asked before HighQ forgets the old pair."""
        ...

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        """Keep this pair; when it returns, a power cut loses nothing.

        `replaces` is what read() returned before the refresh. If another pair is stored by now, then
        another run has refreshed since, and that younger pair stays.
        """
        ...
