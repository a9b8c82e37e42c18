"""What the reference model remembers: a dictionary a person, and a few facts of everyone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from profile_image_sync.api.spec import FirstSync


@dataclass(frozen=True)
class Row:
    """What is remembered of a picture in HighQ."""

    picture: int
    attribute: str  # lower case
    account: int  # 0: none
    version: int  # "a row carries the version of the list that it was recorded under"
    unconfirmed: bool = False
    resend: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Done:
    """What a run did for one person."""

    action: str
    account: int = 0


@dataclass
class Memory:
    """All that outlives a run."""

    rows: dict[int, Row] = field(default_factory=dict)
    refused: dict[int, tuple[int, tuple[object, ...]]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    attributes: tuple[str, ...] = ()
    version: int = 1
    match: tuple[str, ...] = ()
    match_version: int = 1
    first_sync: tuple[FirstSync, datetime, int] | None = None
    sweeps: list[Counter[str]] = field(default_factory=list)
    brake: dict[str, int] | None = None  # cause -> figure, when the id was given
    spent: set[str] = field(default_factory=set)
    highq: str = ""  # that the state is bound to

    def copy(self) -> Memory:
        """Return a memory that goes its own way from now on."""
        return replace(
            self,
            rows=dict(self.rows),
            refused=dict(self.refused),
            waiting=set(self.waiting),
            spent=set(self.spent),
        )
