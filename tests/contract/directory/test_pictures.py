"""Which picture a person has, read from a real Active Directory."""

from __future__ import annotations

from hashlib import md5

from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.people import Source
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from tests.contract.directory.conftest import Connect

BOTH = ["jpegPhoto", "thumbnailPhoto"]


def source(attribute: str, data: bytes) -> Source:
    """Return what is expected of a picture."""
    return Source(attribute, md5(data, usedforsecurity=False).digest())


def only_source(directory: Directory) -> Source | None:
    """Return the picture of the only person in scope."""
    (person,) = directory.people()
    return person.source


def test_the_source_is_the_md5_of_the_raw_bytes(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Whatever the bytes are: `directory` does not look into them."""
    data = bytes(range(256)) * 400  # 102,400 bytes, as much as thumbnailPhoto takes
    administrator.add_person("somebody", organizational_unit, thumbnailPhoto=data)
    (person,) = connect(searchBases=[organizational_unit]).people()
    assert person.source == source("thumbnailPhoto", data)
    assert person.images == ("thumbnailPhoto",)


def test_the_first_attribute_with_a_value_wins(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """In the order, and the spelling, of imageAttributes."""
    administrator.add_person(
        "somebody", organizational_unit, thumbnailPhoto=b"thumb", jpegPhoto=b"jpeg"
    )
    (person,) = connect(searchBases=[organizational_unit], imageAttributes=BOTH).people()
    assert person.source == source("jpegPhoto", b"jpeg")
    assert person.images == ("jpegPhoto", "thumbnailPhoto")
    other_way = connect(
        searchBases=[organizational_unit], imageAttributes=["THUMBNAILPHOTO", "jpegPhoto"]
    )
    assert only_source(other_way) == source("THUMBNAILPHOTO", b"thumb")


def test_a_person_without_a_picture_has_no_source(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """They are listed all the same: absence is told, not guessed."""
    guid = administrator.add_person("somebody", organizational_unit)
    directory = connect(searchBases=[organizational_unit])
    (person,) = directory.people()
    assert (person.source, person.images) == (None, ())
    assert directory.picture(guid, "thumbnailPhoto")[1] is None


def test_of_several_pictures_in_one_attribute_always_the_same_is_taken(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """LDAP values have no order: the choice must not flap when they are written in another one."""
    guid = administrator.add_person(
        "somebody", organizational_unit, jpegPhoto=[b"small", b"the biggest", b"mid"]
    )
    directory = connect(searchBases=[organizational_unit], imageAttributes=BOTH)
    assert only_source(directory) == source("jpegPhoto", b"the biggest")
    administrator.set_photo(guid, "jpegPhoto", [b"the biggest", b"mid", b"small"])
    assert only_source(directory) == source("jpegPhoto", b"the biggest")
    assert directory.picture(guid, "jpegPhoto")[1] == b"the biggest"


def test_a_changed_and_a_cleared_picture_are_seen_at_once(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """On the same connection: nothing is remembered from the last reading."""
    guid = administrator.add_person("somebody", organizational_unit, thumbnailPhoto=b"before")
    directory = connect(searchBases=[organizational_unit])
    assert only_source(directory) == source("thumbnailPhoto", b"before")
    administrator.set_photo(guid, "thumbnailPhoto", b"after")
    assert only_source(directory) == source("thumbnailPhoto", b"after")
    assert directory.picture(guid, "thumbnailPhoto")[1] == b"after"
    administrator.set_photo(guid, "thumbnailPhoto", None)
    assert only_source(directory) is None
    assert directory.picture(guid, "thumbnailPhoto")[1] is None


def test_a_picture_is_found_by_guid_after_a_rename_and_a_move(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A new name, mail or place is the same person, between the plan and the upload, too."""
    elsewhere = administrator.add_organizational_unit("Elsewhere", organizational_unit)
    guid = administrator.add_person(
        "Before, Marriage", organizational_unit, thumbnailPhoto=b"photo"
    )
    directory = connect(searchBases=[organizational_unit])
    (before,) = directory.people()
    administrator.rename(guid, 'After "Marriage"')
    administrator.move(guid, elsewhere)
    administrator.set_mail(guid, "after@firm.example")
    (after,) = directory.people()
    assert before.guid == after.guid == guid
    assert after.label == "after@firm.example"
    assert directory.picture(guid, "thumbnailPhoto")[1] == b"photo"


def test_a_deleted_person_has_no_picture(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Somebody who is deleted between the plan and the upload is no error."""
    guid = administrator.add_person("somebody", organizational_unit, thumbnailPhoto=b"photo")
    directory = connect(searchBases=[organizational_unit])
    administrator.delete(guid)
    assert directory.picture(guid, "thumbnailPhoto")[1] is None


def test_an_attribute_that_may_not_be_read_looks_absent(
    connect: Connect,
    administrator: Administrator,
    organizational_unit: str,
    domain_controller: DomainController,
) -> None:
    """Active Directory says nothing of it: why absence is never evidence (the brakes' work)."""
    administrator.add_person(
        "somebody", organizational_unit, jpegPhoto=b"hidden", thumbnailPhoto=b"shown"
    )
    directory = connect(searchBases=[organizational_unit], imageAttributes=BOTH)
    assert only_source(directory) == source("jpegPhoto", b"hidden")
    reader = administrator.find(domain_controller.bind_user.split("@")[0])
    administrator.deny_read(reader, "jpegPhoto", organizational_unit)
    assert only_source(directory) == source("thumbnailPhoto", b"shown")
