"""What one run knows of a person on either side. Plain data, shared by all parts of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

MAX_ACCOUNT_ID = 2**48 - 1  # what a row of the ledger holds; 0 stands for "unknown" there


@dataclass(frozen=True, slots=True)
class Source:
    """The image a person has in the directory: where it stands and the MD5 of its raw bytes."""

    attribute: str  # as the spec spells it, e.g. "thumbnailPhoto"
    md5: bytes  # 16 bytes, of the raw value


class Individual(Protocol):
    """Somebody of whom a plan speaks, however much else is known of them."""

    @property
    def guid(self) -> UUID:
        """Their objectGUID."""

    @property
    def source(self) -> Source | None:
        """Their image in the directory."""

    @property
    def label(self) -> str:
        """What lists call them; "": not known here."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An individual of whom nothing else is known."""

    guid: UUID
    source: Source | None
    label: str


@dataclass(frozen=True, slots=True)
class Person:
    """One AD user object in scope, known by its objectGUID for ever."""

    guid: UUID
    keys: tuple[
        str | None, ...
    ]  # one a rule of `spec.highq.match`, in its order; None: no such value
    source: Source | None  # of the first attribute of `imageAttributes` that has a value
    images: tuple[str, ...]  # every attribute of `imageAttributes` that has a value, in that order
    label: str  # for lists that people read: mail, else userPrincipalName, else the account name
    usn: int = 0  # uSNChanged on the server that was read; 0: not asked for


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """What helps people to find a person, and who can mend their picture."""

    name: str
    department: str
    manager: str  # mail address; "": none


@dataclass(frozen=True, slots=True)
class Account:
    """One HighQ user, as far as the sync cares."""

    id: int  # 1 to MAX_ACCOUNT_ID
    active: bool  # only active accounts are served
    email: str | None
    externalid: str | None
    has_picture: bool | None = None  # None: HighQ's list does not say
    created: datetime | None = None  # aware; None: HighQ's list does not say


@dataclass(frozen=True, slots=True)
class Domain:
    """The AD domain a run reads: state is bound to its GUID."""

    guid: UUID  # objectGUID of the domain's naming context
    name: str  # as DNS spells it, e.g. "corp.example"
    naming_context: str  # e.g. "DC=corp,DC=example"


@dataclass(frozen=True, slots=True)
class Avatar:
    """A picture ready for HighQ: square, at least 256 pixels a side, no metadata."""

    data: bytes
    media_type: str  # "image/jpeg" or "image/png"
    side: int  # pixels
