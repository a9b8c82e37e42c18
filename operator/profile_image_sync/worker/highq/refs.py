"""What an answer of HighQ means: (call, HTTP status, ref) -> outcome. Pure tables, no I/O.

HighQ's refs are codes in the body, not HTTP statuses, and they collide: 401 is "image too small" on
an avatar and "not authorised" on the user list. Sources: the API pages "Add user profile image
(avatar)" and "API error messages".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from http import HTTPStatus

from profile_image_sync.worker.highq.responses import Answer


class Call(StrEnum):
    """The calls we make; the value is the path below the instance's URL, and what logs show."""

    COLLABORATE_USERS = "api/3/users"
    PUBLISHER_USERS = "api/2/users"
    AVATAR = "api/5/users/{id}/avatar"
    PROFILE_IMAGE = "api/2/users/{id}/profileimage"
    TOKEN = "api/oauth2/token"  # noqa: S105  a path


class Kind(Enum):
    """What to do about an answer."""

    ACCEPTED = auto()
    REFUSED = auto()  # this picture, for good
    FAILED = auto()  # this call; repeating it at once would not help
    TROUBLED = auto()  # HighQ's own trouble: the same call may work in a moment
    LIMITED = auto()  # too many calls
    MOVED = auto()  # a redirect; never followed
    DENIED = auto()  # the token, or what its user may do
    SHUT = auto()  # the API is off, or closed to our address


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer means; `reason` is the CamelCase word for reports, `text` the same for people."""

    kind: Kind
    reason: str = ""
    text: str = ""


_ACCEPTED = Outcome(Kind.ACCEPTED)
_LIMITED = Outcome(Kind.LIMITED, "RateLimited", "too many calls")
_MOVED = Outcome(Kind.MOVED, "Redirected", "a redirect")
_DENIED = Outcome(Kind.DENIED, "AccessDenied", "access denied")
_TROUBLED = Outcome(Kind.TROUBLED, "HighQTrouble", "HighQ is in trouble")
_UNKNOWN = Outcome(Kind.FAILED, "HighQError", "HighQ does not say why")
_GONE = Outcome(Kind.FAILED, "AccountGone", "the HighQ user does not exist any more")
_TOO_LARGE = Outcome(Kind.REFUSED, "ImageTooLarge", "it is larger than HighQ takes")

_AVATAR_REFUSALS = {
    396: Outcome(Kind.REFUSED, "CropNotNumbers", "position or size are not valid numbers"),
    397: Outcome(Kind.REFUSED, "FileMissing", "no file was found in the request"),
    398: Outcome(Kind.REFUSED, "ImageTypeNotSupported", "its type is not supported"),
    400: Outcome(Kind.REFUSED, "FileNotSupported", "the file is not supported"),
    401: Outcome(Kind.REFUSED, "ImageTooSmall", "its shortest side is under 256 pixels"),
    402: Outcome(Kind.REFUSED, "CropTooWide", "position and width lie beyond it"),
    403: Outcome(Kind.REFUSED, "CropTooHigh", "position and height lie beyond it"),
    404: Outcome(Kind.REFUSED, "NotSquare", "it is not square"),
    406: Outcome(Kind.REFUSED, "ImageEmpty", "its size is zero"),
}
_AVATAR_TROUBLES = {
    399: Outcome(Kind.TROUBLED, "HighQSystemError", "HighQ reports a system error"),
    405: Outcome(Kind.TROUBLED, "HighQStorageError", "HighQ could not store it"),
}
_GONE_REFS = {110, 113}
_SHUT = {
    (403, 51): Outcome(
        Kind.SHUT,
        "ApiDisabled",
        "its API is switched off: ask HighQ to enable it for this instance",
    ),
    (401, 53): Outcome(
        Kind.SHUT,
        "AddressNotRegistered",
        "it does not know the IP address we call from: add it to the API application registration",
    ),
}
# A 403 with any other ref says that this one request is not valid (older Collaborate pages).
_DENIED_REFS = {None, 123, 130, 401}


def classify(call: Call, answer: Answer) -> Outcome:
    """Return what the answer to this call means."""
    status, ref = answer.status, answer.ref
    if shut := _SHUT.get((status, ref or 0)):
        return shut
    if status == HTTPStatus.UNAUTHORIZED:  # an avatar's ref 401 comes with another status
        return _DENIED
    if found := _by_ref(call, ref):
        return found
    match status:
        case HTTPStatus.FORBIDDEN if ref in _DENIED_REFS:
            return _DENIED
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE if call in {Call.AVATAR, Call.PROFILE_IMAGE}:
            return _TOO_LARGE
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _LIMITED
    return _by_class(answer)


def _by_ref(call: Call, ref: int | None) -> Outcome | None:
    if ref is None or call not in {Call.AVATAR, Call.PROFILE_IMAGE}:
        return None
    if ref in _GONE_REFS:
        return _GONE
    if call is Call.AVATAR:
        return _AVATAR_REFUSALS.get(ref) or _AVATAR_TROUBLES.get(ref)
    return None


def _by_class(answer: Answer) -> Outcome:
    match answer.status // 100:
        case 2 if not answer.is_page:
            return _ACCEPTED
        case 2 | 5:  # a page instead of an answer comes from a gateway: no word of HighQ's
            return _TROUBLED
        case 3:
            return _MOVED
        case _:
            return _UNKNOWN
