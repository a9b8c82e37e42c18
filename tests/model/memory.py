"""What the reference model remembers: a dictionary a person, and a few facts of everyone."""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime

from profile_image_sync.api.spec import FirstSync


@dataclass(frozen=True)
class Row:
    """What is remembered of a picture in HighQ."""

    picture: int  # rule 2: "the raw AD bytes that were sent"
    attribute: str  # lower case
    account: int  # 0: released
    version: int  # "a row carries the version of the list that it was recorded under"
    unconfirmed: bool = False  # "if it stays unknown, it is recorded *unconfirmed* for that hash"
    resend: bool = False
    gone: bool = False  # "a gone row holds no account"


NEVER = Row(picture=-1, attribute="", account=0, version=10**9)  # of who was never served


@dataclass
class Memory:
    """All that outlives a run, a dictionary a person and a few facts of everyone."""

    rows: dict[int, Row] = field(default_factory=dict)
    refused: dict[int, tuple[int, tuple[object, ...]]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    attributes: tuple[str, ...] = ()
    version: int = 1
    match: tuple[str, ...] = ()
    match_version: int = 1
    first_sync: tuple[FirstSync, datetime, int] | None = None  # "with its time and the highest id"
    sweeps: list[Counter[str]] = field(default_factory=list)
    brake: dict[str, int] | None = None  # cause -> "those when the id was given"
    spent: set[str] = field(default_factory=set)
    highq: str = ""  # rule 9: "bound to one HighQ and one domain"

    def copy(self) -> Memory:
        """Return a memory that goes its own way from now on."""
        return Memory(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})
