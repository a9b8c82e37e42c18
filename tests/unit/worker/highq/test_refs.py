"""What each response of HighQ means."""

from __future__ import annotations

import pytest

from profile_image_sync.worker.highq.refs import Category, Route, classify
from profile_image_sync.worker.highq.responses import Response

UPLOADS = [Route.AVATAR, Route.PROFILE_IMAGE]


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
    result = classify(Route.AVATAR, Response(status, ref=ref))
    assert (result.category, result.reason) == (Category.REFUSED, reason)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(("ref", "reason"), [(399, "HighQSystemError"), (405, "HighQStorageError")])
def test_highqs_own_trouble_with_an_avatar_is_no_refusal(
    status: int, ref: int, reason: str
) -> None:
    """Refs 399 and 405 say nothing against the picture: it is sent again."""
    result = classify(Route.AVATAR, Response(status, ref=ref))
    assert (result.category, result.reason) == (Category.TRANSIENT, reason)


@pytest.mark.parametrize("ref", [396, 397, 398, 400, 401, 402, 403, 404, 406])
def test_an_avatars_refs_mean_nothing_elsewhere(ref: int) -> None:
    """Refs collide between requests: on a profile image or a list these are not known."""
    assert classify(Route.PROFILE_IMAGE, Response(400, ref=ref)).category is Category.FAILED
    assert classify(Route.COLLABORATE_USERS, Response(400, ref=ref)).category is Category.FAILED


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize(
    ("status", "ref", "kind"),
    [
        (200, None, Category.ACCEPTED),
        (204, None, Category.ACCEPTED),
        (302, None, Category.REDIRECTED),
        (401, 401, Category.DENIED),
        (401, None, Category.DENIED),
        (403, 123, Category.DENIED),
        (403, 130, Category.DENIED),
        (403, None, Category.DENIED),
        (403, 51, Category.BLOCKED),
        (401, 53, Category.BLOCKED),
        (429, None, Category.RATE_LIMITED),
        (400, 74, Category.FAILED),
        (403, 188, Category.FAILED),
        (404, None, Category.FAILED),
        (415, None, Category.FAILED),
        (500, None, Category.TRANSIENT),
        (502, None, Category.TRANSIENT),
        (503, None, Category.TRANSIENT),
    ],
)
def test_what_holds_for_every_call(
    route: Route, status: int, ref: int | None, kind: Category
) -> None:
    """HTTP 401 is about the token, a 403 only with the refs for that; 5xx may pass in a moment."""
    assert classify(route, Response(status, ref=ref)).category is kind


@pytest.mark.parametrize("route", UPLOADS)
@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("ref", [110, 113])
def test_a_user_who_is_gone_fails_alone(route: Route, status: int, ref: int) -> None:
    """A user deleted since the list was read is no reason to doubt the token, nor the picture."""
    result = classify(route, Response(status, ref=ref))
    assert (result.category, result.reason) == (Category.FAILED, "AccountGone")


@pytest.mark.parametrize("route", UPLOADS)
def test_a_picture_too_large_for_a_gateway_is_refused(route: Route) -> None:
    """HTTP 413 will be said of the same bytes each time."""
    result = classify(route, Response(413, is_html=True))
    assert (result.category, result.reason) == (Category.REFUSED, "ImageTooLarge")


@pytest.mark.parametrize("route", list(Route))
def test_an_html_page_is_no_yes(route: Route) -> None:
    """HTTP 200 with a page (a gateway's, a login's) is not HighQ's word that it took a picture."""
    assert classify(route, Response(200, is_html=True)).category is Category.TRANSIENT
