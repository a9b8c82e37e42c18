"""What `spec.safety.acknowledge` says to this state: ids that let the run through, ids unknown. Pure.

An id belongs to a brake, or to an edit of `imageAttributes` or `match`. It is good once: apart from `brakes`,
because all three are acknowledged in the same field, and spent in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5

from profile_image_sync.api.state_header import PendingBrake, StateHeader


@dataclass(frozen=True, slots=True)
class Acknowledgements:
    """The ids in `spec.safety.acknowledge`, held against the header of this run."""

    header: StateHeader  # with the versions of `imageAttributes` and `match` that this run has
    given: tuple[str, ...]

    @classmethod
    def parse(cls, header: StateHeader, text: str) -> Acknowledgements:
        """Read ids that are separated by blanks."""
        return cls(header, tuple(dict.fromkeys(text.split())))

    @property
    def attributes_change(self) -> str:
        """The id of the last edit of `imageAttributes`; "": there was none."""
        return _change_id(self.header, "attributes", self.header.image_attributes_version)

    @property
    def match_change(self) -> str:
        """The id of the last edit of `match`; "": there was none."""
        return _change_id(self.header, "match", self.header.match_version)

    def allows(self, id: str) -> bool:  # noqa: A002 - what it is
        """Tell whether this id was given, and is not spent."""
        return bool(id) and id in self.given and id not in self.header.spent_acknowledgements

    def used(self, brake: PendingBrake | None) -> list[str]:
        """Return the ids that let a run through: they are spent when it ends without a stop."""
        known = (brake.id if brake else "", self.attributes_change, self.match_change)
        return [id for id in known if self.allows(id)]  # noqa: A001 - what it is

    def unknown(self, brakes: Iterable[PendingBrake | None]) -> list[str]:
        """Return the ids that belong to no brake, no edit, and were never spent."""
        known = {self.attributes_change, self.match_change, *self.header.spent_acknowledgements}
        known |= {brake.id for brake in brakes if brake}
        return [id for id in self.given if id not in known]  # noqa: A001 - what it is


def _change_id(header: StateHeader, field: str, version: int) -> str:
    if version == 1:
        return ""
    change = f"{header.id} {field} {version}"
    return f"{field}-{md5(change.encode(), usedforsecurity=False).hexdigest()[:8]}"
