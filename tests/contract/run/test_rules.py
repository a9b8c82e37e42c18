"""The promises that customers rely on, kept by the real command on a real directory."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from testkit.people import HighQUser, sample_people
from testkit.sync_command import LocalTenant, ordinary, picture, user

OWN_CHOICE = picture("ME", 99, 300)  # what somebody sets in HighQ themselves


def md5(data: bytes) -> str:
    """Digest as the ledger does, in hex."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_a_whole_firm_is_served_and_a_second_run_makes_no_avatar_call(tenant: LocalTenant) -> None:
    """Everyone who can be served is; those who cannot are listed with the reason; then all is quiet."""
    tenant.add_people(sample_people())

    first = tenant.sync()

    assert (first.exit_code, first.report["run"]["outcome"]) == (0, "Succeeded")
    assert first.numbers == {
        "people": 41, "uploaded": 30, "noImage": 4, "refused": 3, "unmatched": 2, "ambiguous": 2,
    }  # fmt: skip
    assert first.listed("refused") == {
        "edda.fir@firm.example": "Corrupt",
        "bert.cedar@firm.example": "TooSmall",
        "dirk.elm@firm.example": "NotAnImage",
    }
    assert first.listed("unmatched") == {
        "nils.poplar@firm.example": "AccountInactive",
        "jon.larch@firm.example": "NoAccount",
    }
    assert set(first.listed("ambiguous")) == {"reception@firm.example"}

    tenant.highq.reset_audit()
    second = tenant.sync()

    assert second.numbers == {
        "people": 41, "unchanged": 30, "noImage": 4, "refused": 3, "unmatched": 2, "ambiguous": 2,
    }  # fmt: skip
    assert tenant.avatar_calls() == []


def test_what_arrives_is_square_large_enough_and_without_metadata(tenant: LocalTenant) -> None:
    """HighQ gets JPEG squares of 256 to 512 pixels, upright, with no EXIF: GPS stays at home."""
    tenant.add_people(sample_people())
    tenant.sync()

    for account in (
        "ada.brook",
        "tom.umber",
        "una.vale",
        "vic.wood",
        "wyn.xavier",
        "xena.york",
        "zoe.ash",
    ):
        image = Image.open(io.BytesIO(tenant.highq.picture(tenant.ids[account]) or b""))
        assert image.format == "JPEG", account
        assert image.width == image.height, account
        assert 256 <= image.width <= 512, account
        assert not image.getexif(), account


def test_one_changed_byte_in_the_directory_is_exactly_one_upload(tenant: LocalTenant) -> None:
    """The hash is that of the raw bytes: a byte behind the picture's end is a change as well."""
    people = [
        ordinary(name, seed) for seed, name in enumerate(("Ann Ash", "Bob Birch", "Cy Cedar"))
    ]
    tenant.add_people(people)
    tenant.sync()
    tenant.highq.reset_audit()
    (photo,) = people[1].photos["thumbnailPhoto"]

    tenant.administrator.set_photo(tenant.guids["bob.birch"], "thumbnailPhoto", photo + b"\0")
    ran = tenant.sync()

    assert [call.user_id for call in tenant.avatar_calls()] == [tenant.ids["bob.birch"]]
    assert ran.numbers == {"people": 3, "uploaded": 1, "unchanged": 2}


def test_a_renamed_and_moved_person_is_the_same_person(tenant: LocalTenant) -> None:
    """People are known by objectGUID: a new name, unit or mail address uploads nothing."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    tenant.sync()
    tenant.highq.reset_audit()
    guid, elsewhere = (
        tenant.guids["ann.ash"],
        tenant.administrator.add_organizational_unit("Elsewhere", tenant.organizational_unit),
    )

    tenant.administrator.rename(guid, "Ann Oak")
    tenant.administrator.move(guid, elsewhere)
    tenant.administrator.set_mail(guid, "ann.oak@firm.example")
    tenant.highq.change_user(tenant.ids["ann.ash"], email="ann.oak@firm.example")

    assert tenant.sync().numbers == {"people": 1, "unchanged": 1}
    assert tenant.avatar_calls() == []


@pytest.mark.parametrize(("mode", "arrives"), [("Continuous", True), ("OneOff", False)])
def test_a_users_own_picture_survives_until_the_directorys_changes_or_for_ever(
    tenant: LocalTenant, mode: str, arrives: bool
) -> None:
    """Further runs leave her own choice alone; then Continuous carries a change over, OneOff never."""
    tenant.spec["mode"] = mode
    tenant.add_people([ordinary("Ann Ash", 1)])
    tenant.sync()
    ann = tenant.ids["ann.ash"]
    tenant.highq.set_picture_as_user(ann, OWN_CHOICE)

    for _ in range(3):
        assert tenant.sync().numbers == {"people": 1, "unchanged": 1}
    assert tenant.highq.picture(ann) == OWN_CHOICE

    tenant.administrator.set_photo(tenant.guids["ann.ash"], "thumbnailPhoto", picture("AA", 2))
    tenant.sync()
    assert (tenant.highq.picture(ann) != OWN_CHOICE) is arrives

    tenant.add_people([ordinary("Jo Joiner", 3)], first_id=50)
    assert tenant.sync().numbers["uploaded"] == 1
    assert tenant.highq.picture(50) is not None
    assert "uploaded" not in tenant.sync().numbers


def test_the_first_sync_overrides_a_picture_that_is_in_highq_already(tenant: LocalTenant) -> None:
    """`firstSync: Override`, the default: the firm's picture replaces what was there before."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    tenant.highq.set_picture_as_user(1, OWN_CHOICE)

    tenant.sync()

    assert tenant.highq.picture(1) not in (None, OWN_CHOICE)


def test_adopting_uploads_nothing_and_later_changes_and_joiners_only(tenant: LocalTenant) -> None:
    """`firstSync: Adopt` on a HighQ full of pictures: zero uploads, then one for one change."""
    tenant.spec["firstSync"] = "Adopt"
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCDEF")]
    tenant.add_people(people)
    for number in tenant.ids.values():
        tenant.highq.set_picture_as_user(number, OWN_CHOICE)

    first = tenant.sync()
    assert first.numbers == {"people": 6, "adopted": 6}
    assert tenant.avatar_calls() == []

    tenant.administrator.set_photo(tenant.guids["person.c"], "thumbnailPhoto", picture("PC", 40))
    second = tenant.sync()
    assert second.numbers == {"people": 6, "uploaded": 1, "unchanged": 5}
    assert tenant.uploads() == [tenant.ids["person.c"]]

    tenant.add_people([ordinary("Jo Joiner", 3)], first_id=900_050)  # ids grow
    assert tenant.sync().numbers == {"people": 7, "uploaded": 1, "unchanged": 6}


def test_an_image_that_disappears_and_comes_back_is_no_change(tenant: LocalTenant) -> None:
    """Nothing is deleted in HighQ, and the hash is kept."""
    people = [ordinary("Ann Ash", 1), ordinary("Bob Birch", 2)]
    tenant.add_people(people)
    tenant.sync()
    there = tenant.highq.picture(tenant.ids["ann.ash"])
    tenant.highq.reset_audit()

    guid = tenant.guids["ann.ash"]
    tenant.administrator.set_photo(guid, "thumbnailPhoto", None)
    assert tenant.sync().numbers == {"people": 2, "noImage": 1, "unchanged": 1}
    tenant.administrator.set_photo(guid, "thumbnailPhoto", people[0].photos["thumbnailPhoto"])
    assert tenant.sync().numbers == {"people": 2, "unchanged": 2}

    assert tenant.avatar_calls() == []
    assert tenant.highq.picture(tenant.ids["ann.ash"]) == there


def test_a_refused_image_is_sent_once_and_the_accepted_one_needs_nothing(
    tenant: LocalTenant,
) -> None:
    """Accepted A, refused B, back to A: no avatar call after the refusal, and B is shown meanwhile."""
    person = ordinary("Ann Ash", 1)
    tenant.add_people([person])
    tenant.sync()
    guid = tenant.guids["ann.ash"]
    tenant.administrator.set_photo(guid, "thumbnailPhoto", picture("AA", 7))
    tenant.highq.fail_next("avatar", "status", status=400, ref=401)
    refused = tenant.sync()
    assert refused.numbers == {"people": 1, "refused": 1}
    tenant.highq.reset_audit()

    assert tenant.sync().listed("refused") == {"ann.ash@firm.example": "ImageTooSmall"}
    tenant.administrator.set_photo(guid, "thumbnailPhoto", person.photos["thumbnailPhoto"])
    assert tenant.sync().numbers == {"people": 1, "unchanged": 1}
    assert tenant.avatar_calls() == []


def test_our_own_refusal_is_judged_again_when_the_image_settings_change(
    tenant: LocalTenant,
) -> None:
    """A lower `minSourceSize` lets a picture through that was too small before."""
    tenant.add_people([ordinary("Ann Ash", 1, photos={"thumbnailPhoto": (picture("AA", 1, 40),)})])
    assert tenant.sync().listed("refused") == {"ann.ash@firm.example": "TooSmall"}

    assert tenant.sync(image={"minSourceSize": 32}).numbers == {"people": 1, "uploaded": 1}


def test_a_vanished_attribute_is_not_served_from_the_next_one(tenant: LocalTenant) -> None:
    """JpegPhoto gone or hidden: the person keeps that picture, thumbnailPhoto does not take over."""
    tenant.spec["activeDirectory"]["imageAttributes"] = ["jpegPhoto", "thumbnailPhoto"]
    both = {"jpegPhoto": (picture("AA", 1, 300),), "thumbnailPhoto": (picture("AA", 2),)}
    tenant.add_people([ordinary("Ann Ash", 1, photos=both)])
    tenant.sync()
    tenant.highq.reset_audit()

    tenant.administrator.set_photo(tenant.guids["ann.ash"], "jpegPhoto", None)

    assert tenant.sync().listed("noImage") == {"ann.ash@firm.example": "RemovedInSource"}
    assert tenant.avatar_calls() == []


def test_a_changed_list_of_attributes_re_records_unless_acknowledged(tenant: LocalTenant) -> None:
    """Adding jpegPhoto to the list overrides nobody; the note tells how to have it uploaded."""
    both = {"jpegPhoto": (picture("AA", 1, 300),), "thumbnailPhoto": (picture("AA", 2),)}
    tenant.add_people([ordinary("Ann Ash", 1, photos=both)])
    tenant.sync()
    tenant.highq.reset_audit()
    attributes = {"imageAttributes": ["jpegPhoto", "thumbnailPhoto"]}

    shown = tenant.sync(activeDirectory=attributes, dryRun=True)
    acknowledge = shown.report["notes"][0].split('"')[1]
    uploaded = tenant.sync(
        activeDirectory=attributes, safety={"acknowledge": acknowledge}, dryRun=True
    )
    assert uploaded.numbers == {"people": 1, "toUpload": 1}

    assert tenant.sync(activeDirectory=attributes).numbers == {"people": 1, "unchanged": 1}
    assert tenant.sync(activeDirectory=attributes).report["notes"] == []
    assert tenant.avatar_calls() == []


def test_a_dry_run_plans_and_leaves_no_trace(tenant: LocalTenant) -> None:
    """`dryRun` judges pictures as a real run does, uploads nothing and never counts as the first run."""
    tenant.add_people(sample_people())

    dry = tenant.sync(dryRun=True)

    assert (dry.exit_code, dry.report["run"]["outcome"]) == (0, "DryRun")
    assert (dry.numbers["toUpload"], dry.numbers["refused"]) == (30, 3)
    assert len(dry.listed("toUpload")) == 30
    assert tenant.avatar_calls() == []
    planned = dict(dry.numbers)
    assert tenant.sync().numbers == {"uploaded": planned.pop("toUpload")} | planned


def test_a_re_created_account_gets_a_first_upload(tenant: LocalTenant) -> None:
    """HighQ's user was deleted and made anew: another id, so the picture goes up once more."""
    tenant.add_people([ordinary("Ann Ash", 1), ordinary("Bob Birch", 2)])
    tenant.sync()
    tenant.highq.remove_user(tenant.ids["ann.ash"])
    tenant.highq.add_users([user("ann.ash@firm.example", 77)])
    tenant.highq.reset_audit()

    assert tenant.sync().numbers == {"people": 2, "unchanged": 2}  # it looks at who changed
    assert tenant.highq.audit() == []
    tenant.sync("--full")

    assert sorted(tenant.uploads()) == [77]


def test_a_mail_address_that_moves_to_someone_else_moves_no_face(tenant: LocalTenant) -> None:
    """The account was served for Ann; while she is in scope, Bob is ambiguous, not served."""
    tenant.add_people([ordinary("Ann Ash", 1), ordinary("Bob Birch", 2, highq=None)])
    tenant.sync()
    face = tenant.highq.picture(1)
    tenant.highq.reset_audit()

    tenant.administrator.set_mail(tenant.guids["ann.ash"], None)
    tenant.administrator.set_mail(tenant.guids["bob.birch"], "ann.ash@firm.example")
    held = tenant.sync()
    assert held.listed("ambiguous") == {"ann.ash@firm.example": "AccountHeldByOther"}
    assert tenant.highq.picture(1) == face

    tenant.administrator.delete(tenant.guids["ann.ash"])
    assert tenant.sync().numbers == {"people": 2, "unchanged": 1, "ambiguous": 1}
    assert tenant.sync("--full").numbers == {"people": 1, "uploaded": 1}


def test_someone_who_gets_an_account_later_is_served_then(tenant: LocalTenant) -> None:
    """No account is no failure: the next run after it appears uploads the picture."""
    tenant.add_people([ordinary("Ann Ash", 1, highq=None)])
    assert tenant.sync().numbers == {"people": 1, "unmatched": 1}

    tenant.highq.add_users([user("ann.ash@firm.example", 9)])

    assert tenant.sync().numbers == {"people": 1, "uploaded": 1}


def test_publishers_endpoint_serves_as_well(tenant: LocalTenant) -> None:
    """`endpoint: ProfileImage` posts to the other family of the API."""
    tenant.spec["highq"]["endpoint"] = "ProfileImage"
    tenant.add_people([ordinary("Ann Ash", 1, highq=HighQUser("ann.ash@firm.example"))])

    assert tenant.sync().numbers == {"people": 1, "uploaded": 1}
    (call,) = tenant.avatar_calls()
    assert call.path.endswith("/api/2/users/1/profileimage")


def test_only_the_bytes_that_were_sent_are_recorded(tenant: LocalTenant) -> None:
    """The recorded hash is the MD5 of AD's bytes, not of what the crop made of them."""
    person = ordinary("Ann Ash", 1)
    tenant.add_people([person])
    tenant.sync()
    (raw,) = person.photos["thumbnailPhoto"]

    sent = tenant.highq.picture(1)

    assert sent is not None
    assert md5(sent) != md5(raw)
    assert bytes.fromhex(md5(raw)) in (tenant.state / "state-000").read_bytes()
