"""The file of `state export`: a whole state as JSON lines, without names and without tokens. Pure.

Apart from the shards, whose binary form may change with any version: an archive is kept for years, so it
has a version of its own, spells everything out, and tells when a part of it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.state_header import StateHeader, decode_header
from profile_image_sync.errors import StateDamaged, StateMismatch
from profile_image_sync.worker.ledger import PersonRecord

VERSION = 1
_MD5_BYTES = 16
_SETTINGS_BYTES = 4


class _Head(ApiModel):
    """The first line."""

    format: Literal["profile-image-sync-state"] = "profile-image-sync-state"
    version: int = VERSION
    exported_at: AwareDatetime
    header: dict[str, Any]


class _Person(BaseModel):
    """One line per person with a record; bytes are hexadecimal."""

    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")

    guid: UUID
    record: PersonRecord


class _End(ApiModel):
    """The last line: shows that no line is missing."""

    people: int


@dataclass(frozen=True, slots=True)
class StateArchive:
    """A state as it was exported."""

    exported_at: AwareDatetime
    header: StateHeader
    records: dict[UUID, PersonRecord]


def write_archive(
    header: StateHeader, records: Iterable[tuple[UUID, PersonRecord]], exported_at: AwareDatetime
) -> Iterator[str]:
    """Yield the lines of an archive."""
    document = json.loads(header.model_dump_json(by_alias=True))
    yield _Head(exported_at=exported_at, header=document).model_dump_json(by_alias=True)
    people = 0
    for people, (guid, record) in enumerate(records, start=1):  # noqa: B007  # the number of lines
        yield _Person(guid=guid, record=record).model_dump_json(exclude_defaults=True)
    yield _End(people=people).model_dump_json(by_alias=True)


def read_archive(lines: Iterable[str], where: str) -> StateArchive:
    """Read an archive; `where` names the file in messages.

    Raises StateMismatch when a newer version wrote it, StateDamaged when it is incomplete or not an archive.
    """
    try:
        first, *people, last = lines
        version = json.loads(first)["version"]
        if version > VERSION:
            raise StateMismatch(
                f"{where} was written by a newer version (format {version}, this one reads up to "
                f"{VERSION}): use that version, or a newer one"
            )
        head = _Head.model_validate_json(first)
        header = decode_header(json.dumps(head.header).encode(), where)
        persons = [_Person.model_validate_json(line) for line in people]
        expected = _End.model_validate_json(last).people
    except (ValueError, TypeError, LookupError):  # pydantic's and json's errors are ValueErrors
        raise _damaged(where) from None
    records = {person.guid: person.record for person in persons}
    if not expected == len(records) == len(persons) or not all(map(_is_whole, records.values())):
        raise _damaged(where)
    return StateArchive(head.exported_at, header, records)


def _is_whole(record: PersonRecord) -> bool:
    accepted, refused = record.accepted, record.refused
    return (not accepted or len(accepted.md5) == _MD5_BYTES) and (
        not refused or (len(refused.md5), len(refused.settings)) == (_MD5_BYTES, _SETTINGS_BYTES)
    )


def _damaged(where: str) -> StateDamaged:
    return StateDamaged(
        f"{where} is not a complete export of a state: use another copy of the file"
    )
