"""What each response of HighQ means."""

from __future__ import annotations

import pytest

from profile_image_sync.worker.highq.refs import Category, Route, classify
from profile_image_sync.worker.highq.responses import Body, Response

UPLOADS = [Route.AVATAR, Route.PROFILE_IMAGE]


def failed(status: int, ref: int | None) -> Response:
    """Return a response with HighQ's error body."""
    return Response(status, body=Body.JSON, is_error=True, ref=ref)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (398, "ImageTypeNotSupported"),
        (400, "FileNotSupported"),
        (401, "ImageTooSmall"),
        (404, "NotSquare"),
        (406, "ImageEmpty"),
    ],
)
def test_an_avatars_ref_refuses_the_picture_for_good(status: int, ref: int, reason: str) -> None:
    """Whatever the HTTP status, which HighQ does not document, the ref tells what is wrong."""
    result = classify(Route.AVATAR, failed(status, ref))
    assert (result.category, result.reason) == (Category.REFUSED, reason)


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize(
    ("ref", "reason"),
    [(396, "CropNotNumbers"), (397, "FileMissing"), (402, "CropTooWide"), (403, "CropTooHigh")],
)
def test_a_ref_that_blames_the_request_is_not_held_against_the_picture(
    status: int, ref: int, reason: str
) -> None:
    """We send no crop and always a file: the next version of us may do better with the same picture."""
    result = classify(Route.AVATAR, failed(status, ref))
    assert (result.category, result.reason) == (Category.REJECTED, reason)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(("ref", "reason"), [(399, "HighQSystemError"), (405, "HighQStorageError")])
def test_highqs_own_trouble_with_an_avatar_is_no_refusal(
    status: int, ref: int, reason: str
) -> None:
    """Refs 399 and 405 say nothing against the picture: it is sent again."""
    result = classify(Route.AVATAR, failed(status, ref))
    assert (result.category, result.reason) == (Category.TRANSIENT, reason)


@pytest.mark.parametrize("ref", [396, 397, 398, 400, 401, 402, 403, 404, 406])
def test_an_avatars_refs_mean_nothing_elsewhere(ref: int) -> None:
    """Refs collide between requests: on a profile image or a list these are not known."""
    assert classify(Route.PROFILE_IMAGE, failed(400, ref)).category is Category.FAILED
    assert classify(Route.COLLABORATE_USERS, failed(400, ref)).category is Category.FAILED


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize(
    ("status", "ref", "kind"),
    [
        (200, None, Category.FAILED),
        (200, 51, Category.BLOCKED),
        (200, 53, Category.BLOCKED),
        (200, 123, Category.DENIED),
        (200, 74, Category.FAILED),
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
    """HTTP 401 is about the token, a 403 only with the refs for that; an error in a 200 is no yes."""
    assert classify(route, failed(status, ref)).category is kind


@pytest.mark.parametrize("route", [Route.COLLABORATE_USERS, Route.PUBLISHER_USERS, Route.TOKEN])
def test_ref_401_is_about_the_token_where_no_avatar_is_sent(route: Route) -> None:
    """For an avatar the same number says that the picture is too small."""
    assert classify(route, failed(403, 401)).category is Category.DENIED


@pytest.mark.parametrize("route", UPLOADS)
@pytest.mark.parametrize("status", [200, 400, 403, 404])
@pytest.mark.parametrize("ref", [110, 113])
def test_a_user_who_is_gone_fails_alone(route: Route, status: int, ref: int) -> None:
    """A user deleted since the list was read is no reason to doubt the token, nor the picture."""
    result = classify(route, failed(status, ref))
    assert (result.category, result.reason) == (Category.FAILED, "AccountGone")


@pytest.mark.parametrize("route", UPLOADS)
@pytest.mark.parametrize("body", [Body.HTML, Body.EMPTY])
def test_a_picture_too_large_for_a_gateway_is_not_held_against_it(route: Route, body: Body) -> None:
    """HTTP 413 is a proxy's word: another way to HighQ, or a smaller maxSize, and it passes."""
    result = classify(route, Response(413, body=body))
    assert (result.category, result.reason) == (Category.FAILED, "TooLargeForGateway")


@pytest.mark.parametrize("route", list(Route))
def test_an_html_page_is_no_yes(route: Route) -> None:
    """HTTP 200 with a page (a gateway's, a login's) is not HighQ's word that it took a picture."""
    assert classify(route, Response(200, body=Body.HTML)).category is Category.TRANSIENT


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [Body.EMPTY, Body.JSON, Body.XML])
def test_a_2xx_without_an_error_is_a_yes(route: Route, status: int, body: Body) -> None:
    """HighQ's page does not say what the body of a yes looks like."""
    assert classify(route, Response(status, body=body)).category is Category.ACCEPTED


@pytest.mark.parametrize("route", list(Route))
def test_a_2xx_that_cannot_be_read_may_be_a_yes(route: Route) -> None:
    """Neither a yes nor a no: it is asked again, and if it stays so, nobody knows."""
    unreadable = Response(200, body=Body.UNREADABLE)
    assert classify(route, unreadable).category is Category.UNREADABLE


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_an_error_in_any_2xx_is_no_yes(status: int) -> None:
    """HighQ's error body counts, not its status; below and above, the status counts."""
    assert classify(Route.AVATAR, failed(status, None)).reason == "HighQError"
    assert classify(Route.COLLABORATE_USERS, failed(status, 123)).category is Category.DENIED
    assert classify(Route.AVATAR, Response(status)).category is Category.ACCEPTED


@pytest.mark.parametrize(
    ("status", "category"), [(198, Category.FAILED), (300, Category.REDIRECTED)]
)
def test_what_is_no_2xx_is_not_taken_for_one(status: int, category: Category) -> None:
    """Neither an informational answer nor a redirect is a yes, whatever its body says."""
    assert classify(Route.COLLABORATE_USERS, failed(status, 123)).category is category
