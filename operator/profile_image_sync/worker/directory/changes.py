"""Where a domain controller's sequence of changes stands, and which part of it is to be read. Pure.

Apart, because a wrong conclusion here would hide changed people: update sequence numbers (USN) belong to one
database of one server. After a restore, or on another server, the same number means something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

# Changes may become visible a little out of order: the end of the last window is read once more.
OVERLAP = 1_000


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the changes of one domain controller's database."""

    server: str  # dnsHostName
    invocation: UUID  # of the database: a restored one gets another
    usn: int  # all changes up to this one had been made


@dataclass(frozen=True, slots=True)
class Window:
    """Everything that changed from `first` on."""

    first: int


def window_since(cursors: Iterable[Position], now: Position) -> Window | None:
    """Return what has changed since the cursor of this server; None: everyone must be read.

    That is so for a server without a cursor, for one that was restored, and for one whose numbers went back.
    """
    for cursor in cursors:
        same = (cursor.server, cursor.invocation) == (now.server, now.invocation)
        if same and cursor.usn <= now.usn:
            return Window(max(0, cursor.usn + 1 - OVERLAP))
    return None


def with_cursor(cursors: Iterable[Position], new: Position, most: int) -> tuple[Position, ...]:
    """Return the cursors with that of this server replaced; of more than `most`, the oldest fall out."""
    others = [cursor for cursor in cursors if cursor.server != new.server]
    return (*others, new)[-most:]
