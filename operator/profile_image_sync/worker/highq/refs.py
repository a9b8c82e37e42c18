"""What a response means: (route, HTTP status, ref) -> classification. Tables, no I/O.

HighQ's refs are codes in the body, not HTTP statuses, and they collide: 401 is "image too small" for an
avatar and "not authorised" for the user list. Nothing else in the tree interprets a status or a ref.
Sources: the API pages "Add user profile image (avatar)" and "API error messages".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from http import HTTPStatus

from profile_image_sync.worker.highq.responses import Body, Response


class Route(StrEnum):
    """The requests we make; the value is the path below the instance's URL, and what logs show."""

    COLLABORATE_USERS = "api/3/users"
    PUBLISHER_USERS = "api/2/users"
    AVATAR = "api/5/users/{id}/avatar"
    PROFILE_IMAGE = "api/2/users/{id}/profileimage"
    SHOWN_AVATAR = "api/3/users/{id}/avatar"  # what HighQ shows: resized, or a placeholder
    TOKEN = "api/oauth2/token"  # noqa: S105  a path


LISTS = frozenset({Route.COLLABORATE_USERS, Route.PUBLISHER_USERS})


class Category(Enum):
    """What to do about a response."""

    ACCEPTED = auto()
    REFUSED = auto()  # this picture, for good
    REJECTED = auto()  # our request is wrong, whatever the picture
    FAILED = auto()  # this person's; repeating it at once would not help
    TRANSIENT = auto()  # HighQ's own trouble: the same call may work in a moment
    UNREADABLE = auto()  # a 2xx that may be a yes
    RATE_LIMITED = auto()  # too many requests
    REDIRECTED = auto()  # never followed
    DENIED = auto()  # the token, or what its user may do
    BLOCKED = auto()  # the API is off, or closed to our address


@dataclass(frozen=True, slots=True)
class Classification:
    """What a response means; `reason` is the CamelCase word for reports, `text` the same for people."""

    category: Category
    reason: str = ""
    text: str = ""


_ACCEPTED = Classification(Category.ACCEPTED)
_UNREADABLE = Classification(Category.UNREADABLE, "ResponseUnreadable", "it cannot be read")
_RATE_LIMITED = Classification(Category.RATE_LIMITED, "RateLimited", "too many requests")
_REDIRECTED = Classification(Category.REDIRECTED, "Redirected", "a redirect")
_DENIED = Classification(Category.DENIED, "AccessDenied", "access denied")
_TRANSIENT = Classification(Category.TRANSIENT, "HighQTrouble", "HighQ is in trouble")
_UNKNOWN = Classification(Category.FAILED, "HighQError", "HighQ does not say why")
_ACCOUNT_GONE = Classification(
    Category.FAILED, "AccountGone", "the HighQ user does not exist any more"
)
_TOO_LARGE = Classification(
    Category.FAILED,
    "TooLargeForGateway",
    "it is larger than a gateway on the way takes; set a smaller spec.image.maxSize",
)

_UPLOADS = {Route.AVATAR, Route.PROFILE_IMAGE}
_AVATAR_REFS = {
    ref: Classification(category, reason, text)
    for ref, category, reason, text in (
        (396, Category.REJECTED, "CropNotNumbers", "position or size are not valid numbers"),
        (397, Category.REJECTED, "FileMissing", "no file was found in the request"),
        (398, Category.REFUSED, "ImageTypeNotSupported", "its type is not supported"),
        (399, Category.TRANSIENT, "HighQSystemError", "HighQ reports a system error"),
        (400, Category.REFUSED, "FileNotSupported", "the file is not supported"),
        (401, Category.REFUSED, "ImageTooSmall", "its shortest side is under 256 pixels"),
        (402, Category.REJECTED, "CropTooWide", "position and width lie beyond it"),
        (403, Category.REJECTED, "CropTooHigh", "position and height lie beyond it"),
        (404, Category.REFUSED, "NotSquare", "it is not square"),
        (405, Category.TRANSIENT, "HighQStorageError", "HighQ could not store it"),
        (406, Category.REFUSED, "ImageEmpty", "its size is zero"),
    )
}
_ACCOUNT_REFS = {110, 113}
_BLOCKED = {
    51: Classification(
        Category.BLOCKED,
        "ApiDisabled",
        "its API is switched off: ask HighQ to enable it for this instance",
    ),
    53: Classification(
        Category.BLOCKED,
        "AddressNotRegistered",
        "it does not know the IP address we call from: add it to the API application registration",
    ),
}
_BLOCKED_STATUS = {51: 403, 53: 401}
# A 403 with any other ref says that this one request is not valid (older Collaborate pages).
_DENIED_REFS = {None, 123, 130, 401}


def classify(route: Route, response: Response) -> Classification:
    """Return what the response to this route means."""
    status, ref = response.status, response.ref
    is_error_in_2xx = response.is_error and status // 100 == 2  # noqa: PLR2004
    if ref in _BLOCKED and (is_error_in_2xx or status == _BLOCKED_STATUS[ref]):
        return _BLOCKED[ref]
    if status == HTTPStatus.UNAUTHORIZED:  # an avatar's ref 401 comes with another status
        return _DENIED
    if route in _UPLOADS and ref in _ACCOUNT_REFS:
        return _ACCOUNT_GONE
    if route is Route.AVATAR and ref in _AVATAR_REFS:
        return _AVATAR_REFS[ref]
    if is_error_in_2xx:
        return _DENIED if ref is not None and ref in _DENIED_REFS else _UNKNOWN
    match status:
        case HTTPStatus.FORBIDDEN if ref in _DENIED_REFS:
            return _DENIED
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE if route in _UPLOADS:
            return _TOO_LARGE
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _RATE_LIMITED
    return _by_class(response)


def _by_class(response: Response) -> Classification:
    match response.status // 100:
        case 2 if response.body is Body.UNREADABLE:
            return _UNREADABLE
        case 2 if response.body is not Body.HTML:
            return _ACCEPTED
        case 2 | 5:  # a page in place of a response comes from a gateway, not from HighQ
            return _TRANSIENT
        case 3:
            return _REDIRECTED
        case _:
            return _UNKNOWN
