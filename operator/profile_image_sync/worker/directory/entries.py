"""Turns an LDAP entry into a Person; the picture is hashed and dropped. Pure.

Apart, because it decides which value counts when an attribute has none, several, or no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import md5
from typing import NamedTuple
from uuid import UUID

from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker.people import Person, Source

LdapEntry = dict[str, list[bytes]]  # values by lower-case attribute name
SelectImage = Callable[[Sequence[bytes]], bytes]  # LDAP values have no order

_GUID_BYTES = 16
_LABELS = ("mail", "userPrincipalName", "sAMAccountName")
_PRIMARY = b"SMTP:"  # of proxyAddresses; other addresses are written smtp:


class Picture(NamedTuple):
    """What an upload asks of a person, as they are now."""

    keys: tuple[str | None, ...]  # as Person.keys; empty: the person is no longer there
    raw: bytes | None  # None: there is no picture
    label: str


class PersonReader:
    """Maps attributes to the fields of a Person."""

    def __init__(
        self,
        match_attributes: Sequence[str],
        image_attributes: Sequence[str],
        select_image: SelectImage,
    ) -> None:
        """Both lists are in the order of the spec."""
        known = ["objectGUID", *_LABELS, *match_attributes]
        self.attributes = _distinct([*known, *image_attributes])
        self.attributes_without_images = _distinct(known)
        self.match_attributes = tuple(match_attributes)
        self._images = [(name, name.lower()) for name in image_attributes]
        self._select_image = select_image

    def attributes_of_picture(self, attribute: str) -> tuple[str, ...]:
        """Return what is read for a Picture from this attribute."""
        return _distinct([*self.attributes_without_images, attribute])

    def person(self, entry: LdapEntry) -> Person:
        """Return the person. Raises DirectoryMisconfigured when the entry has no objectGUID."""
        raw = entry.get("objectguid")
        if not raw or len(raw[0]) != _GUID_BYTES:
            raise DirectoryMisconfigured(
                "the directory shows a person without objectGUID; let the account that "
                "spec.activeDirectory.credentialsSecretRef names read that attribute"
            )
        guid = UUID(bytes_le=raw[0])
        return Person(
            guid=guid,
            keys=self.keys(entry, guid),
            source=self._source(entry),
            images=tuple(spelled for spelled, name in self._images if entry.get(name)),
            label=self.label(entry, guid),
            usn=int(only_text(entry.get("usnchanged")) or 0),
        )

    def label(self, entry: LdapEntry, guid: UUID) -> str:
        """Return what lists call a person."""
        names = (only_text(entry.get(name.lower())) for name in _LABELS)
        return next(filter(None, names), str(guid))

    def keys(self, entry: LdapEntry, guid: UUID) -> tuple[str | None, ...]:
        """Return the values of the match attributes, in their order."""
        return tuple(self._key(entry, name.lower(), guid) for name in self.match_attributes)

    def picture(self, values: Sequence[bytes]) -> bytes:
        """Return the picture among the values of one attribute (at least one)."""
        return values[0] if len(values) == 1 else self._select_image(values)

    def _source(self, entry: LdapEntry) -> Source | None:
        for spelled, name in self._images:
            if values := entry.get(name):
                digest = md5(self.picture(values), usedforsecurity=False).digest()
                return Source(spelled, digest)
        return None

    def _key(self, entry: LdapEntry, name: str, guid: UUID) -> str | None:
        if name == "objectguid":
            return str(guid)
        values = entry.get(name)
        if name == "proxyaddresses" and values:
            return only_text([v[len(_PRIMARY) :] for v in values if v.startswith(_PRIMARY)])
        return only_text(values)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple({name.lower(): name for name in names}.values())


def only_text(values: Sequence[bytes] | None) -> str | None:
    """Return the one value as text; None when there is none, more than one, or no text."""
    if not values or len(values) != 1:
        return None
    try:
        return values[0].decode().strip() or None
    except UnicodeDecodeError:
        return None
