"""The binary form of what is known of each person: rows, shards and their one codec.

Rows stay packed in memory just as they are stored: about 42 bytes a person. Pure: bytes in, bytes
out. It does not know where shards are kept, nor when they are written (ledger, store).
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from profile_image_sync.api.state_header import MAX_SHARDS
from profile_image_sync.errors import StateDamaged, StateMismatch

SCHEMA = 1

_MAGIC = b"PISh"
_HEAD = struct.Struct(">4sH16sHHIHII")  # magic, schema, state, index, count, revision, 3 lengths
_CRC = struct.Struct(">I")
_KEY = 16  # a row begins with the person's objectGUID
_MD5 = slice(_KEY, _KEY + 16)
_WORD = slice(_MD5.stop, _MD5.stop + 2)  # index into the shard's words
_ACCOUNT = slice(_WORD.stop, _WORD.stop + 6)


@dataclass(frozen=True, slots=True)
class Accepted:
    """HighQ said yes to this image, or it was adopted."""

    md5: bytes  # 16 bytes, of the raw source
    attribute: str  # that held it
    account_id: int  # of the HighQ user, up to MAX_ACCOUNT_ID; 0: adopted without knowing one


@dataclass(frozen=True, slots=True)
class Refused:
    """This image is not sent again."""

    md5: bytes  # 16 bytes, of the raw source
    reason: str  # a CamelCase word
    settings: bytes | None  # our refusal: 4 bytes, the image settings' fingerprint; None: HighQ's


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """All that is remembered of one person; an empty entry means: nothing."""

    accepted: Accepted | None = None
    refused: Refused | None = None


class Rows:
    """Rows of one width, sorted by their 16-byte key, in one buffer: no object a person."""

    __slots__ = ("data", "width")

    def __init__(self, width: int, data: bytes = b"") -> None:
        """Take the bytes a row has, its key included, and rows that are sorted already."""
        self.width = width
        self.data = bytearray(data)

    def __len__(self) -> int:
        return len(self.data) // self.width

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole rows in the order of their keys; not while rows come or go."""
        return (
            bytes(self.data[start : start + self.width])
            for start in range(0, len(self.data), self.width)
        )

    def get(self, key: bytes) -> bytes | None:
        """Return the whole row of this key."""
        start, found = self._find(key)
        return bytes(self.data[start : start + self.width]) if found else None

    def put(self, row: bytes) -> None:
        """Insert a row, or replace the one with the same key."""
        start, found = self._find(row[:_KEY])
        self.data[start : start + self.width if found else start] = row

    def drop(self, key: bytes) -> None:
        """Remove the row of this key, if there is one."""
        start, found = self._find(key)
        if found:
            del self.data[start : start + self.width]

    def _find(self, key: bytes) -> tuple[int, bool]:
        start = self.width * bisect_left(range(len(self)), key, key=self._key)
        return start, self.data[start : start + _KEY] == key

    def _key(self, position: int) -> bytes:
        start = position * self.width
        return bytes(self.data[start : start + _KEY])


@dataclass(slots=True)
class Shard:
    """The rows of the people whose hash falls on `index`, among `count` shards."""

    state: UUID
    index: int
    count: int  # of shards when this one was written, or is to be written
    revision: int = 0  # grows by one with each writing; 0: never written
    words: list[str] = field(default_factory=list)  # attributes and refusals, named once
    accepted: Rows = field(default_factory=lambda: Rows(_ACCOUNT.stop))
    refused: Rows = field(default_factory=lambda: Rows(_WORD.stop))

    def get(self, guid: UUID) -> PersonRecord:
        """Return what is remembered of this person."""
        accepted = self.accepted.get(guid.bytes)
        refused = self.refused.get(guid.bytes)
        return PersonRecord(
            accepted=self._accepted(accepted) if accepted else None,
            refused=self._refused(refused) if refused else None,
        )

    def put(self, guid: UUID, record: PersonRecord) -> None:
        """Replace what is remembered of this person."""
        key = guid.bytes
        if record.accepted:
            head = key + record.accepted.md5 + self._word(record.accepted.attribute)
            self.accepted.put(head + record.accepted.account_id.to_bytes(6, "big"))
        else:
            self.accepted.drop(key)
        if record.refused:
            self.refused.put(key + record.refused.md5 + self._word(_refusal(record.refused)))
        else:
            self.refused.drop(key)

    def items(self) -> Iterator[tuple[UUID, PersonRecord]]:
        """Yield everyone with a record, once; record nothing meanwhile."""
        refused = {row[:_KEY]: self._refused(row) for row in self.refused}
        for row in self.accepted:
            key = row[:_KEY]
            yield UUID(bytes=key), PersonRecord(self._accepted(row), refused.pop(key, None))
        for key, refusal in refused.items():
            yield UUID(bytes=key), PersonRecord(None, refusal)

    def split(self, count: int) -> list[Shard]:
        """Return this shard's people shared out among `count` shards in all.

        The first part keeps this shard's index and revision; the others follow in steps of the
        former count. `count` is a multiple of the former one.
        """
        indexes = range(self.index, count, self.count)
        parts = {
            index: Shard(self.state, index, count, words=list(self.words)) for index in indexes
        }
        parts[self.index].revision = self.revision
        for row in self.accepted:
            parts[_place(row[:_KEY], count)].accepted.data += row
        for row in self.refused:
            parts[_place(row[:_KEY], count)].refused.data += row
        return list(parts.values())

    def _word(self, word: str) -> bytes:
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word).to_bytes(2, "big")

    def _accepted(self, row: bytes) -> Accepted:
        attribute = self.words[int.from_bytes(row[_WORD], "big")]
        return Accepted(row[_MD5], attribute, int.from_bytes(row[_ACCOUNT], "big"))

    def _refused(self, row: bytes) -> Refused:
        reason, _, settings = self.words[int.from_bytes(row[_WORD], "big")].partition(" ")
        return Refused(row[_MD5], reason, bytes.fromhex(settings) if settings else None)


def shard_of(guid: UUID, count: int) -> int:
    """Return the index of the shard, among `count` (a power of two), that holds this person."""
    return _place(guid.bytes, count)


def encode_shard(shard: Shard) -> bytes:
    """Return the shard as it is stored; equal rows and words give equal bytes."""
    words = [word.encode() for word in shard.words]
    body = b"".join(
        [
            _HEAD.pack(
                _MAGIC,
                SCHEMA,
                shard.state.bytes,
                shard.index,
                shard.count,
                shard.revision,
                len(words),
                len(shard.accepted),
                len(shard.refused),
            ),
            *(len(word).to_bytes(2, "big") + word for word in words),
            shard.accepted.data,
            shard.refused.data,
        ]
    )
    return body + _CRC.pack(zlib.crc32(body))


def decode_shard(data: bytes, *, state: UUID, index: int, where: str) -> Shard:
    """Read shard `index` of `state` back; `where` names its store in messages.

    Raises StateDamaged when the bytes are not just as they were written, StateMismatch when they
    belong to another state or a newer version wrote them.
    """
    name = f"shard {index:03d} of the state in {where}"
    damaged = StateDamaged(f"{name} cannot be read back: restore it from a backup")
    if len(data) < _HEAD.size + _CRC.size or not data.startswith(_MAGIC):
        raise damaged
    body = data[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise damaged
    _, schema, owner, found, count, revision, words, accepted, refused = _HEAD.unpack_from(body)
    if schema > SCHEMA:
        raise StateMismatch(
            f"{name} has schema {schema}, this version reads up to {SCHEMA}: "
            "run the version that wrote it, or a newer one"
        )
    if owner != state.bytes:
        raise StateMismatch(
            f"{name} belongs to state {UUID(bytes=owner)}, not to {state}: restore the one that "
            "belongs here"
        )
    shard = Shard(state, found, count, revision)
    at = _HEAD.size
    for _ in range(words):
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        shard.words.append(body[at + 2 : end].decode())
        at = end
    middle = at + accepted * shard.accepted.width
    shard.accepted = Rows(shard.accepted.width, body[at:middle])
    shard.refused = Rows(shard.refused.width, body[middle:])
    fits = found == index < count <= MAX_SHARDS and count.bit_count() == 1
    if not fits or len(body) != middle + refused * shard.refused.width:
        raise damaged
    return shard


def _place(key: bytes, count: int) -> int:
    return zlib.crc32(key) & (count - 1)


def _refusal(refused: Refused) -> str:
    return f"{refused.reason} {refused.settings.hex()}" if refused.settings else refused.reason
