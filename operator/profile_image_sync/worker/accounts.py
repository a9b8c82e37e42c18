"""HighQ's users, packed as they are listed: who bears a value, and who is active. Pure.

Apart from `matching`, which decides: values are kept as keyed hashes (Python's own, another key in each
process), so that a user takes some thirty bytes. Values whose hashes fall together lead to several users, and
so to none; before an upload, a second hash is held against the person's value as it is then.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import assert_never

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker.packed import IdSet, PackedRows
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Account

DIGEST = 8  # bytes
DIGEST_MASK = 2**64 - 1
NO_DIGEST = bytes(DIGEST)  # of no value
_CHECK = slice(DIGEST, 2 * DIGEST)
_ID = slice(_CHECK.stop, _CHECK.stop + 6)
_CREATED = slice(_ID.stop, _ID.stop + 4)  # minutes since 1970; 0: unknown


def key_digest(value: str | None) -> bytes:
    """Return what stands for a value in this process; NO_DIGEST: there is none."""
    text = _normalised(value)
    return _digest(text) if text else NO_DIGEST


def digests_of(keys: Iterable[str | None]) -> tuple[bytes, ...]:
    """Return what stands for the values of `Person.keys`."""
    return tuple(map(key_digest, keys))


def id_mark(account_id: int) -> bytes:
    """Return what stands for an account among wanted digests."""
    return account_id.to_bytes(DIGEST, "big")


class AccountIndex:
    """The users of one complete listing. It packs what it gets, like a list, one by one."""

    def __init__(
        self,
        keys: Sequence[MatchKey],
        *,
        wanted: Container[bytes] = (),
        known: int = MAX_ACCOUNT_ID,
    ) -> None:
        """`keys` are the HighQ sides of `spec.highq.match`, in its order.

        Of users with a wanted digest, with a wanted `id_mark`, or whose id is above `known`, it keeps what
        `values` tells.
        """
        self.highest_id = 0
        self.tells_pictures = False  # whether the list says who has one
        self.new: list[int] = []  # ids above `known`
        self._keys = keys
        self._wanted = wanted
        self._known = known
        self._by_key = {key: PackedRows(DIGEST, _CREATED.stop) for key in dict.fromkeys(keys)}
        self._users = 0
        self._active = IdSet()
        self._with_picture, self._without_picture = IdSet(), IdSet()
        self._kept: dict[int, Account] = {}

    def append(self, account: Account) -> None:
        """Add a user."""
        number, created = id_bytes(account.id), _minutes(account.created)
        kept = id_mark(account.id) in self._wanted
        for key, rows in self._by_key.items():
            if text := _normalised(_value(account, key)):
                digest = _digest(text)
                rows.add(digest + _check(text) + number + created)
                kept = kept or digest in self._wanted
        if account.id > self._known:
            self.new.append(account.id)
            kept = True
        if kept:
            self._kept[account.id] = account
        if account.active:
            self._active.add(account.id)
        if account.has_picture is not None:
            self.tells_pictures = True
            (self._with_picture if account.has_picture else self._without_picture).add(account.id)
        self.highest_id = max(self.highest_id, account.id)
        self._users += 1

    def __len__(self) -> int:
        """Return the number of users."""
        return self._users

    def active(self, account_id: int) -> Account | None:
        """Return an account if it is there, and active; it does not say when it was created."""
        return self._account(account_id) if account_id in self._active else None

    def bearers(self, rule: int, digest: bytes) -> Iterator[Account]:
        """Yield the users, of any status, whose value of this rule has this digest."""
        if digest != NO_DIGEST:
            for row in self._by_key[self._keys[rule]].of(digest):
                yield self._account(int.from_bytes(row[_ID], "big"), row[_CREATED])

    def bears(self, account_id: int, rule: int, value: str | None) -> bool:
        """Tell whether it is this very value that a user bears."""
        rows = self._by_key[self._keys[rule]].of(key_digest(value))
        wanted = _check(_normalised(value)) + id_bytes(account_id)
        return any(row[_CHECK.start : _ID.stop] == wanted for row in rows)

    def keeps(self, account_id: int) -> bool:
        """Tell whether it is known what leads to this account."""
        return account_id in self._kept

    def values(self, account_ids: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Yield what leads to these accounts: (position in `Person.keys`, value)."""
        for account_id in account_ids:
            for position, key in enumerate(self._keys):
                if value := (_value(self._kept[account_id], key) or "").strip():
                    yield position, value

    def _account(self, number: int, created: bytes = bytes(4)) -> Account:
        seconds = 60 * int.from_bytes(created, "big")
        known = number in self._with_picture or number in self._without_picture
        return Account(
            id=number,
            active=number in self._active,
            email=None,
            externalid=None,
            has_picture=number in self._with_picture if known else None,
            created=datetime.fromtimestamp(seconds, UTC) if seconds else None,
        )


def id_bytes(account_id: int) -> bytes:
    """Return an id as rows hold it."""
    return account_id.to_bytes(6, "big")


def _minutes(time: datetime | None) -> bytes:
    """Return a time in 4 bytes; whoever compares leaves a day's margin."""
    minutes = int(time.timestamp() // 60) if time else 0
    return min(max(minutes, 0), 2**32 - 1).to_bytes(4, "big")


def _digest(text: str) -> bytes:
    return (hash(text) & DIGEST_MASK).to_bytes(DIGEST, "big")


def _check(text: str) -> bytes:
    """Return another hash than the digest: two values that fall together in both are not known."""
    return (hash(f"{text}\n") & 2**64 - 1).to_bytes(DIGEST, "big")


def _value(account: Account, key: MatchKey) -> str | None:
    match key:
        case MatchKey.EMAIL:
            return account.email
        case MatchKey.EXTERNALID:
            return account.externalid
        case _:
            assert_never(key)


def _normalised(value: str | None) -> str:
    """Compare exactly but for ASCII case and surrounding blanks: `maße@` and `masse@` are two people."""
    text = (value or "").strip()
    return text.lower() if text.isascii() else text.encode().lower().decode()
