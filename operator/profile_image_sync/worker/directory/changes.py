"""Where a domain controller's sequence of changes stands, and which part of it is to be read. Pure.

Apart, because a wrong conclusion here would hide changed people: update sequence numbers (USN) belong to one
database of one server. After a restore, or on another server, the same number means something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from profile_image_sync.worker.people import Person

# Changes may become visible a little out of order: the end of the last window is read once more.
OVERLAP = 1_000


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the changes of one domain controller's database."""

    server: str  # dnsHostName
    invocation: UUID  # of the database: a restored one gets another
    usn: int  # all changes up to this one had been made
    layout: str = ""  # digest of the groups and units that decide who is in scope
    seen: str = ""  # digest of the last changes of people in scope before it


@dataclass(frozen=True, slots=True)
class Window:
    """Everything that changed after `known`, and a little of what came before."""

    known: int  # all changes up to this one have been read

    @property
    def first(self) -> int:
        """The first update sequence number that is read."""
        return max(0, self.known + 1 - OVERLAP)


def digest_of(people: Iterable[Person], usn: int) -> str:
    """Return what alters when a change becomes visible late: of the last ones up to this number."""
    first = Window(usn).first
    lines = sorted(f"{each.guid} {each.usn}" for each in people if first <= each.usn <= usn)
    return sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""
