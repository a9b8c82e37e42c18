"""The binary form of what is known of each person: rows, shards and their one codec.

Rows stay packed in memory just as they are stored: 41 bytes for a picture in HighQ, 34 for a refused one, 18
for somebody who waits. Pure: bytes in, bytes out. It does not know where shards are kept, nor when they are
written (ledger, state_store).
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

SCHEMA = 2  # 1: the first delivery, without flags and waiting people; read and carried over

_MAGIC = b"PISh"
_HEAD = struct.Struct(">4sH16sHHIHIII")  # magic, schema, state, index, count, revision, 4 lengths
_HEAD_1 = struct.Struct(">4sH16sHHIHII")
_CRC = struct.Struct(">I")
_KEY = 16  # a row begins with the person's objectGUID
_MD5 = slice(_KEY, _KEY + 16)
_TEXT = slice(_MD5.stop, _MD5.stop + 2)  # index into the shard's texts
_ACCOUNT = slice(_TEXT.stop, _TEXT.stop + 6)
_FLAGS = slice(_ACCOUNT.stop, _ACCOUNT.stop + 1)
_WAITING_TEXT = slice(_KEY, _KEY + 2)

_NO_ACCOUNT = bytes(6)

_GONE, _UNCONFIRMED, _RESEND = 1, 2, 4
UNKNOWN_SETTINGS = bytes(4)  # of HighQ's refusals in schema 1: they are tried again, once


@dataclass(frozen=True, slots=True)
class Accepted:
    """HighQ said yes to this image, or it was adopted; `unconfirmed`: it may have said yes."""

    md5: bytes  # 16 bytes, of the raw source
    attribute: str  # that held it
    account_id: int  # of the HighQ user, up to MAX_ACCOUNT_ID; 0: none is known, or it was released
    attributes_version: int  # of the `imageAttributes` that it was recorded under; 0: unknown
    unconfirmed: bool = False  # the answer to the upload was lost: not sent again by itself
    resend: bool = False  # the next run sends it once more, to whichever account is theirs then
    gone: bool = False  # the last full sweep did not show the person: their account is free


@dataclass(frozen=True, slots=True)
class Refused:
    """This image is not sent again under these settings."""

    md5: bytes  # 16 bytes, of the raw source
    reason: str  # a CamelCase word
    settings: bytes  # 4 bytes: the fingerprint of the settings that led to it


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """All that is remembered of one person; an empty record means: nothing."""

    accepted: Accepted | None = None
    refused: Refused | None = None
    waiting: str = (
        ""  # what the last run said of them, if not that they are served: a CamelCase word
    )


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
    texts: list[str] = field(default_factory=list)  # attributes and reasons, each stored once
    accepted: Rows = field(default_factory=lambda: Rows(_FLAGS.stop))
    refused: Rows = field(default_factory=lambda: Rows(_TEXT.stop))
    waiting: Rows = field(default_factory=lambda: Rows(_WAITING_TEXT.stop))

    @property
    def tables(self) -> tuple[Rows, Rows, Rows]:
        """The rows, in the order in which they are stored."""
        return self.accepted, self.refused, self.waiting

    def get(self, guid: UUID) -> PersonRecord:
        """Return what is remembered of this person."""
        return self._record(*(table.get(guid.bytes) for table in self.tables))

    def put(self, guid: UUID, record: PersonRecord) -> None:
        """Replace what is remembered of this person."""
        key, accepted, refused = guid.bytes, record.accepted, record.refused
        new = (
            key + self._accepted_bytes(accepted) if accepted else b"",
            key + refused.md5 + self.text_index(f"{refused.reason} {refused.settings.hex()}")
            if refused
            else b"",
            key + self.text_index(record.waiting) if record.waiting else b"",
        )
        for table, row in zip(self.tables, new, strict=True):
            if row:
                table.put(row)
            else:
                table.drop(key)

    def items(self) -> Iterator[tuple[UUID, PersonRecord]]:
        """Yield everyone with a record, once; record nothing meanwhile."""
        refused = {row[:_KEY]: row for row in self.refused}
        waiting = {row[:_KEY]: row for row in self.waiting}
        for row in self.accepted:
            key = row[:_KEY]
            yield UUID(bytes=key), self._record(row, refused.pop(key, None), waiting.pop(key, None))
        for key, row in refused.items():
            yield UUID(bytes=key), self._record(None, row, waiting.pop(key, None))
        for key, row in waiting.items():
            yield UUID(bytes=key), self._record(None, None, row)

    @property
    def people(self) -> int:
        """Number of people with a row."""
        return len({row[:_KEY] for table in self.tables for row in table})

    @property
    def size(self) -> int:
        """Number of bytes as it is stored."""
        texts = sum(2 + len(text.encode()) for text in self.texts)
        return _HEAD.size + texts + sum(len(table.data) for table in self.tables) + _CRC.size

    def holdings(self) -> Iterator[bytes]:
        """Yield the account id (6 bytes) and the objectGUID (16) of everyone recorded on an account."""
        return (row[_ACCOUNT] + row[:_KEY] for row in self.accepted if row[_ACCOUNT] != _NO_ACCOUNT)

    def waiting_people(self) -> Iterator[tuple[UUID, str]]:
        """Yield everyone of whom something else was said than that they are served, with the word."""
        return ((UUID(bytes=row[:_KEY]), self.text_at(row[_WAITING_TEXT])) for row in self.waiting)

    def split(self, count: int) -> list[Shard]:
        """Return this shard's people shared out among `count` shards in all.

        The first part keeps this shard's index and revision; the others follow in steps of the
        former count. `count` is a multiple of the former one.
        """
        indexes = range(self.index, count, self.count)
        parts = {
            index: Shard(self.state, index, count, texts=list(self.texts)) for index in indexes
        }
        parts[self.index].revision = self.revision
        for number, table in enumerate(self.tables):
            for row in table:
                parts[_place(row[:_KEY], count)].tables[number].data += row
        return list(parts.values())

    def text_index(self, text: str) -> bytes:
        """Return the two bytes that stand for a text in a row."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text).to_bytes(2, "big")

    def text_at(self, index: bytes) -> str:
        """Return the text that two bytes of a row stand for."""
        return self.texts[int.from_bytes(index, "big")]

    def _accepted_bytes(self, accepted: Accepted) -> bytes:
        flags = (
            _GONE * accepted.gone | _UNCONFIRMED * accepted.unconfirmed | _RESEND * accepted.resend
        )
        attribute = self.text_index(f"{accepted.attribute} {accepted.attributes_version}")
        return accepted.md5 + attribute + accepted.account_id.to_bytes(6, "big") + bytes([flags])

    def _record(
        self, accepted: bytes | None, refused: bytes | None, waiting: bytes | None
    ) -> PersonRecord:
        return PersonRecord(
            accepted=self._accepted(accepted) if accepted else None,
            refused=self._refused(refused) if refused else None,
            waiting=self.text_at(waiting[_WAITING_TEXT]) if waiting else "",
        )

    def _accepted(self, row: bytes) -> Accepted:
        attribute, _, version = self.text_at(row[_TEXT]).partition(" ")
        (flags,) = row[_FLAGS]
        return Accepted(
            md5=row[_MD5],
            attribute=attribute,
            account_id=int.from_bytes(row[_ACCOUNT], "big"),
            attributes_version=int(version),
            unconfirmed=bool(flags & _UNCONFIRMED),
            resend=bool(flags & _RESEND),
            gone=bool(flags & _GONE),
        )

    def _refused(self, row: bytes) -> Refused:
        reason, _, settings = self.text_at(row[_TEXT]).partition(" ")
        return Refused(row[_MD5], reason, bytes.fromhex(settings))


def shard_of(guid: UUID, count: int) -> int:
    """Return the index of the shard, among `count` (a power of two), that holds this person."""
    return _place(guid.bytes, count)


def encode_shard(shard: Shard) -> bytes:
    """Return the shard as it is stored; equal rows and texts give equal bytes."""
    texts = [text.encode() for text in shard.texts]
    lengths = [len(texts), *map(len, shard.tables)]
    head = (_MAGIC, SCHEMA, shard.state.bytes, shard.index, shard.count, shard.revision, *lengths)
    body = b"".join(
        [
            _HEAD.pack(*head),
            *(len(text).to_bytes(2, "big") + text for text in texts),
            *(table.data for table in shard.tables),
        ]
    )
    return body + _CRC.pack(zlib.crc32(body))


def decode_shard(data: bytes, *, state: UUID, index: int, where: str) -> Shard:
    """Read shard `index` of `state` back; `where` names its store in messages.

    Raises StateDamaged when the bytes are not just as they were written, StateMismatch when they
    belong to another state or a newer version wrote them.
    """
    name = f"shard {index:03d} of the state in {where}"
    damaged = StateDamaged(
        f"{name} cannot be read back: restore it from a backup or with `profile-image-sync state import`"
    )
    if len(data) < _HEAD_1.size + _CRC.size or not data.startswith(_MAGIC):
        raise damaged
    body = data[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise damaged
    schema = int.from_bytes(body[4:6], "big")
    if schema > SCHEMA:
        raise StateMismatch(
            f"{name} has schema {schema}, this version reads up to {SCHEMA}: "
            "run the version that wrote it, or a newer one"
        )
    head = _HEAD_1 if schema == 1 else _HEAD
    _, _, owner, found, count, revision, texts, *lengths = head.unpack_from(body)
    if owner != state.bytes:
        raise StateMismatch(
            f"{name} belongs to state {UUID(bytes=owner)}, not to {state}: restore the one that "
            "belongs here"
        )
    shard = Shard(state, found, count, revision)
    at = head.size
    for _ in range(texts):
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        shard.texts.append(body[at + 2 : end].decode())
        at = end
    if schema == 1:
        shard.accepted.width = _ACCOUNT.stop
    for table, length in zip(shard.tables, lengths, strict=False):
        end = at + length * table.width
        table.data = bytearray(body[at:end])
        at = end
    fits = found == index < count <= MAX_SHARDS and count.bit_count() == 1
    if not fits or len(body) != at:
        raise damaged
    return _carried_over(shard) if schema == 1 else shard


def _carried_over(old: Shard) -> Shard:
    """Return a shard of schema 1 in the present form."""
    shard = Shard(old.state, old.index, old.count, old.revision)
    for row in old.accepted:
        attribute = shard.text_index(f"{old.text_at(row[_TEXT])} 0")
        shard.accepted.data += row[: _TEXT.start] + attribute + row[_ACCOUNT] + b"\0"
    for row in old.refused:
        reason, _, settings = old.text_at(row[_TEXT]).partition(" ")
        text = shard.text_index(f"{reason} {settings or UNKNOWN_SETTINGS.hex()}")
        shard.refused.data += row[: _TEXT.start] + text
    return shard


def _place(key: bytes, count: int) -> int:
    return zlib.crc32(key) & (count - 1)
