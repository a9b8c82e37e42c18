"""The people whom a run looks at, packed: some forty bytes each. Pure.

Apart from `planner`, which reads them back one by one: what planning needs of a person is kept, and nothing
else. A picture takes a byte where the person's record holds the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from profile_image_sync.worker.accounts import DIGEST, digests_of
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.packed import PackedRows
from profile_image_sync.worker.people import Person, Source

_GUID = 16
_DOMAIN = slice(_GUID, _GUID + 2)
_IMAGE = _DOMAIN.stop
_NONE, _AS_RECORDED, _ATTRIBUTE = 0, 1, 2  # or 2 + its position in `imageAttributes`
_MAX_DOMAINS = 2**16 - 1
_LABELS = 1000  # people: no more have changed between two runs, as a rule


@dataclass(frozen=True, slots=True)
class PackedPerson:
    """What is kept of a person."""

    guid: UUID
    source: Source | None
    digests: tuple[bytes, ...]  # of what they bear for each rule of `spec.highq.match`
    domain: str  # of their mail address; "none": they have none
    label: str  # for lists that people read; "": not kept


class PeopleRows:
    """People, each once. The records must not change while they are read back, but of who was read last."""

    def __init__(
        self,
        image_attributes: Sequence[str],
        rules: int,
        record_of: Callable[[UUID], PersonRecord],
    ) -> None:
        """Take the spec's attributes and its number of match rules."""
        self._attributes = list(image_attributes)
        self._record_of = record_of
        width = _IMAGE + 1 + DIGEST * rules
        self._digests = [
            slice(end - DIGEST, end) for end in range(_IMAGE + 1 + DIGEST, width + 1, DIGEST)
        ]
        self._md5 = slice(width, width + 16)
        self._known, self._new = PackedRows(_GUID, width), PackedRows(_GUID, width + 16)
        self._labels: dict[UUID, str] = {}
        self._domains: dict[str, int] = {}
        self._domain_names: list[str] = []

    def add(self, person: Person) -> None:
        """Add somebody who is not among them yet."""
        if len(self._labels) < _LABELS:
            self._labels[person.guid] = person.label
        head = person.guid.bytes + self._domain(person)
        digests = b"".join(digests_of(person.keys))
        source, accepted = person.source, self._record_of(person.guid).accepted
        if source is None:
            self._known.add(head + bytes([_NONE]) + digests)
        elif accepted and (accepted.md5, accepted.attribute) == (source.md5, source.attribute):
            self._known.add(head + bytes([_AS_RECORDED]) + digests)
        else:
            attribute = bytes([_ATTRIBUTE + self._attributes.index(source.attribute)])
            self._new.add(head + attribute + digests + source.md5)

    def get(self, guid: UUID) -> PackedPerson | None:
        """Return somebody; None: they are not among these people."""
        rows = chain(self._known.of(guid.bytes), self._new.of(guid.bytes))
        return next(map(self._person, rows), None)

    def __contains__(self, guid: object) -> bool:
        """Tell whether somebody is among them."""
        return isinstance(guid, UUID) and (guid.bytes in self._known or guid.bytes in self._new)

    def __iter__(self) -> Iterator[PackedPerson]:
        """Yield everyone, in no order."""
        return map(self._person, chain(self._known.by_shard(), self._new.by_shard()))

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._known) + len(self._new)

    def _person(self, row: bytes) -> PackedPerson:
        guid = UUID(bytes=row[:_GUID])
        return PackedPerson(
            guid=guid,
            source=self._source(guid, row),
            digests=tuple(row[each] for each in self._digests),
            domain=self._domain_names[int.from_bytes(row[_DOMAIN], "big")],
            label=self._labels.get(guid, ""),
        )

    def _source(self, guid: UUID, row: bytes) -> Source | None:
        image = row[_IMAGE]
        if image == _NONE:
            return None
        if image == _AS_RECORDED:
            accepted = self._record_of(guid).accepted
            assert accepted is not None  # noqa: S101  # records do not change meanwhile
            return Source(accepted.attribute, accepted.md5)
        return Source(self._attributes[image - _ATTRIBUTE], row[self._md5])

    def _domain(self, person: Person) -> bytes:
        values = (value for value in (*person.keys, person.label) if value and "@" in value)
        name = next(values, "@none").rpartition("@")[2].lower()
        if name not in self._domains and len(self._domains) >= _MAX_DOMAINS:
            name = "other"
        number = self._domains.setdefault(name, len(self._domains))
        if number == len(self._domain_names):
            self._domain_names.append(name)
        return number.to_bytes(2, "big")
