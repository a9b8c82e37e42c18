"""What each answer of HighQ means."""

from __future__ import annotations

import pytest

from profile_image_sync.worker.highq.refs import Call, Kind, classify
from profile_image_sync.worker.highq.responses import Answer

UPLOADS = [Call.AVATAR, Call.PROFILE_IMAGE]


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (396, "CropNotNumbers"),
        (397, "FileMissing"),
        (398, "ImageTypeNotSupported"),
        (400, "FileNotSupported"),
        (401, "ImageTooSmall"),
        (402, "CropTooWide"),
        (403, "CropTooHigh"),
        (404, "NotSquare"),
        (406, "ImageEmpty"),
    ],
)
def test_an_avatars_ref_refuses_the_picture_for_good(status: int, ref: int, reason: str) -> None:
    """Whatever the HTTP status, which HighQ does not document, the ref tells what is wrong."""
    outcome = classify(Call.AVATAR, Answer(status, ref=ref))
    assert (outcome.kind, outcome.reason) == (Kind.REFUSED, reason)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(("ref", "reason"), [(399, "HighQSystemError"), (405, "HighQStorageError")])
def test_highqs_own_trouble_with_an_avatar_is_no_refusal(
    status: int, ref: int, reason: str
) -> None:
    """Refs 399 and 405 say nothing against the picture: it is sent again."""
    outcome = classify(Call.AVATAR, Answer(status, ref=ref))
    assert (outcome.kind, outcome.reason) == (Kind.TROUBLED, reason)


@pytest.mark.parametrize("ref", [396, 397, 398, 400, 401, 402, 403, 404, 406])
def test_an_avatars_refs_mean_nothing_elsewhere(ref: int) -> None:
    """Refs collide between calls: on a profile image or a list these are not known."""
    assert classify(Call.PROFILE_IMAGE, Answer(400, ref=ref)).kind is Kind.FAILED
    assert classify(Call.COLLABORATE_USERS, Answer(400, ref=ref)).kind is Kind.FAILED


@pytest.mark.parametrize("call", list(Call))
@pytest.mark.parametrize(
    ("status", "ref", "kind"),
    [
        (200, None, Kind.ACCEPTED),
        (204, None, Kind.ACCEPTED),
        (302, None, Kind.MOVED),
        (401, 401, Kind.DENIED),
        (401, None, Kind.DENIED),
        (403, 123, Kind.DENIED),
        (403, 130, Kind.DENIED),
        (403, None, Kind.DENIED),
        (403, 51, Kind.SHUT),
        (401, 53, Kind.SHUT),
        (429, None, Kind.LIMITED),
        (400, 74, Kind.FAILED),
        (403, 188, Kind.FAILED),
        (404, None, Kind.FAILED),
        (415, None, Kind.FAILED),
        (500, None, Kind.TROUBLED),
        (502, None, Kind.TROUBLED),
        (503, None, Kind.TROUBLED),
    ],
)
def test_what_holds_for_every_call(call: Call, status: int, ref: int | None, kind: Kind) -> None:
    """HTTP 401 is about the token, a 403 only with the refs for that; 5xx may pass in a moment."""
    assert classify(call, Answer(status, ref=ref)).kind is kind


@pytest.mark.parametrize("call", UPLOADS)
@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("ref", [110, 113])
def test_a_user_who_is_gone_fails_alone(call: Call, status: int, ref: int) -> None:
    """A user deleted since the list was read is no reason to doubt the token, nor the picture."""
    outcome = classify(call, Answer(status, ref=ref))
    assert (outcome.kind, outcome.reason) == (Kind.FAILED, "AccountGone")


@pytest.mark.parametrize("call", UPLOADS)
def test_a_picture_too_large_for_a_gateway_is_refused(call: Call) -> None:
    """HTTP 413 will be said of the same bytes each time."""
    outcome = classify(call, Answer(413, is_page=True))
    assert (outcome.kind, outcome.reason) == (Kind.REFUSED, "ImageTooLarge")


@pytest.mark.parametrize("call", list(Call))
def test_an_html_page_is_no_yes(call: Call) -> None:
    """HTTP 200 with a page (a gateway's, a login's) is not HighQ's word that it took a picture."""
    assert classify(call, Answer(200, is_page=True)).kind is Kind.TROUBLED
