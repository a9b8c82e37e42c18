"""From a directory entry to a person."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5
from uuid import UUID

import pytest

from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker.directory.entries import PersonReader
from profile_image_sync.worker.people import Source

GUID = UUID("c0ffee00-1234-5678-9abc-def012345678")
RAW_GUID = GUID.bytes_le


def first(values: Sequence[bytes]) -> bytes:
    """Choose the first in the alphabet."""
    return min(values)


def reader(*match: str, images: Sequence[str] = ("thumbnailPhoto",)) -> PersonReader:
    """Return a reader for these match and image attributes."""
    return PersonReader(match, images, first)


def test_a_guid_is_read_as_microsoft_writes_it() -> None:
    """The first three groups of objectGUID stand little-endian in its 16 bytes."""
    raw = bytes.fromhex("00eeffc0 3412 7856 9abc def012345678")
    assert reader().person({"objectguid": [raw]}).guid == GUID


@pytest.mark.parametrize("value", [None, [], [b""], [b"short"], [RAW_GUID + b"x"]])
def test_an_entry_without_a_guid_is_an_error(value: list[bytes] | None) -> None:
    """Somebody who cannot be known by their GUID cannot be remembered."""
    with pytest.raises(DirectoryMisconfigured, match="objectGUID"):
        reader().person({} if value is None else {"objectguid": value})


@pytest.mark.parametrize(
    ("attribute", "values", "key"),
    [
        ("mail", [b"a@b"], "a@b"),
        ("mail", [b" a@b\t"], "a@b"),
        ("mail", [], None),
        ("mail", [b"  "], None),
        ("mail", [b"\xff\xfe"], None),
        ("mail", ["ü@b".encode()], "ü@b"),
        ("otherMailbox", [b"a@b", b"c@d"], None),
        ("proxyAddresses", [b"SMTP:a@b"], "a@b"),
        ("proxyAddresses", [b"smtp:x@y", b"SMTP: a@b", b"X400:c=DE"], "a@b"),
        ("proxyAddresses", [b"smtp:x@y"], None),
        ("proxyAddresses", [b"SMTP:a@b", b"SMTP:c@d"], None),
        ("PROXYADDRESSES", [b"SMTP:a@b"], "a@b"),
    ],
)
def test_a_key_is_the_one_value_of_its_attribute(
    attribute: str, values: list[bytes], key: str | None
) -> None:
    """None when it is absent, no text, or not one: a guess could give a picture to somebody else."""
    entry = {"objectguid": [RAW_GUID], attribute.lower(): values}
    assert reader(attribute).person(entry).keys == (key,)


def test_the_guid_can_be_a_key() -> None:
    """In the usual spelling, as external systems hold it."""
    assert reader("mail", "objectguid").person({"objectguid": [RAW_GUID]}).keys == (None, str(GUID))


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ({"mail": [b"m"], "userprincipalname": [b"u"], "samaccountname": [b"s"]}, "m"),
        ({"userprincipalname": [b"u"], "samaccountname": [b"s"]}, "u"),
        ({"mail": [b" "], "samaccountname": [b"s"]}, "s"),
        ({}, str(GUID)),
    ],
)
def test_the_label_is_the_best_name_there_is(entry: dict[str, list[bytes]], label: str) -> None:
    """For lists that people read."""
    assert reader().person({"objectguid": [RAW_GUID], **entry}).label == label


def test_the_source_is_the_first_attribute_with_a_value() -> None:
    """As the spec spells it; all attributes with a value are told beside it."""
    photos = reader(images=["jpegPhoto", "photo", "thumbnailPhoto"])
    entry = {"objectguid": [RAW_GUID], "photo": [b"b", b"a"], "thumbnailphoto": [b"c"]}
    person = photos.person(entry)
    assert person.source == Source("photo", md5(b"a", usedforsecurity=False).digest())
    assert person.images == ("photo", "thumbnailPhoto")


def test_the_attributes_asked_for_are_those_that_are_used() -> None:
    """Each once, whatever its spelling: a directory has dozens, and pictures are heavy."""
    asked = reader("MAIL", "employeeID", images=["thumbnailPhoto"]).attributes
    assert sorted(map(str.lower, asked)) == [
        "employeeid",
        "mail",
        "objectguid",
        "samaccountname",
        "thumbnailphoto",
        "userprincipalname",
    ]
