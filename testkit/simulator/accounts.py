"""Users, as both API families describe and list them. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .avatar_files import Box
from .rendering import ApiError
from .schema import Knobs, SetBy

Page = tuple[Sequence["User"], int]  # the users of one answer, and how many match in all

COLLABORATE_LIMIT = 100
PUBLISHER_LIMIT = 200

# HighQ's own pages name the states twice: Active/Archived/Inactive and active/archive/disable/…
_PUBLISHER_STATUS = {
    "active": "active",
    "archived": "archive",
    "disabled": "disable",
    "inactive": "suspended",
    "pending": "pending",
}
_STATUS_NUMBERS = {"0": "active", "1": "archive", "2": "disable", "3": "suspended"}
_ORDERS: Mapping[str, Callable[[User], Any]] = {
    "firstname": lambda user: user.firstname.lower(),
    "lastname": lambda user: user.lastname.lower(),
    "email": lambda user: user.email.lower(),
    "status": lambda user: user.status.lower(),
    "organisation": lambda user: user.organisation.lower(),
    "invited": lambda user: user.created,
    "lastlogin": lambda user: user.created,
    "created": lambda user: user.created,
    "updated": lambda user: user.modified,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it was uploaded; `crop` is the square of it that is shown."""

    content: bytes
    content_type: str
    md5: str
    crop: Box | None
    set_by: SetBy
    set_at: float


@dataclass(slots=True)
class User:
    """A HighQ user; times are on the instance's clock."""

    id: int
    firstname: str
    lastname: str
    email: str
    externalid: str
    status: str
    organisation: str
    jobtitle: str
    department: str
    sysadmin: bool
    created: float
    modified: float
    picture: Picture | None = None

    @property
    def archived(self) -> bool:
        """Whether the user has left."""
        return self.status.lower() == "archived"


def collaborate_page(users: Iterable[User], query: Mapping[str, str]) -> Page:
    """Select as Collaborate's list does: odd numbers become defaults, and the offset wraps."""
    found = _collaborate_matches(users, query)
    limit = _number(query.get("limit"), COLLABORATE_LIMIT)
    if limit == -1:
        limit = len(found)
    elif limit <= 0:
        limit = COLLABORATE_LIMIT
    offset = _number(query.get("offset"), 0)
    if not 0 <= offset < len(found):
        offset = 0
    return found[offset : offset + limit], len(found)


def publisher_page(users: Iterable[User], query: Mapping[str, str]) -> Page:
    """Select as Publisher's list does: odd values are refused (106, 107, 79, 80)."""
    found = list(users)
    if status := query.get("status", "").lower():
        status = _STATUS_NUMBERS.get(status, status)
        if status not in _PUBLISHER_STATUS.values():
            raise ApiError(400, 80)
        found = [user for user in found if _publisher_status(user) == status]
    if text := query.get("search", "").partition("#")[0].lower():
        found = [user for user in found if _mentions(user, text)]
    if sort := query.get("sort", ""):
        order = _ORDERS.get(sort.lstrip("+- ").replace(" ", "").lower())
        if order is None:
            raise ApiError(400, 79)
        found.sort(key=order, reverse=sort.startswith("-"))
    offset = _whole(query.get("offset"), 0, 0, 106)
    limit = _whole(query.get("limit"), PUBLISHER_LIMIT, 1, 107)
    return found[offset : offset + limit], len(found)


def collaborate_user(user: User, base: str, version: int, knobs: Knobs) -> dict[str, object]:
    """Build Collaborate's user object; `base` is the instance's address with its slash."""

    def number(value: int) -> int | str:
        return str(value) if knobs.numbers_as_text else value

    has_picture = user.picture is not None
    flag = {"1": "1" if has_picture else "0", "true": has_picture}
    created = {
        "documented": _date(user.created),
        "iso": _iso(user.created),
        "epoch": round(user.created * 1000),
    }
    fields = {
        "userid": number(user.id),
        "firstname": user.firstname,
        "lastname": user.lastname,
        "email": user.email,
        "emaildomain": user.email.rpartition("@")[2],
        "org": user.organisation,
        "img": f"{base}api/{version}/users/{user.id}/avatar?size=256",
        "title": "",
        "goesby": "",
        "invitationsent": "true",
        "createdby": number(1),
        "createddate": created.get(knobs.created_date),
        "modifiedby": number(1),
        "modifieddate": _date(user.modified),
        "ifpartner": "false",
        "status": user.status.upper(),
        "lastlogindate": _date(user.created),
        "invalidlogins": number(0),
        "externalid": user.externalid,
        "publicwebsiteprofileid": "",
        "systemuser": "true" if user.sysadmin else "false",
        "phone": "",
        "secretaryname": "",
        "secretarymail": "",
        "mobile": "",
        "department": user.department,
        "resetpassworddate": "",
        "sourcetype": "System",
        "bio": "",
        "usertypeid": number(1),
        "avatar": flag.get(knobs.avatar_flag),
        "practicegroup": "",
        "langcode": "en_GB",
        "publicprofile": "",
        "jobtitle": user.jobtitle,
        "specialities": "",
        "dateOfBirth": "",
        "address": {
            "addressid": number(1),
            "addressline1": "",
            "addressline2": "",
            "city": "",
            "state": "",
            "country": "",
            "postCode": "",
        },
        "sociallinks": {},
        "messaginglink": {},
    }
    return {name: value for name, value in fields.items() if value is not None}


def publisher_user(user: User, base: str, knobs: Knobs) -> dict[str, object]:
    """Build Publisher's full user object."""
    return {
        "id": str(user.id) if knobs.numbers_as_text else user.id,
        "name": {"firstname": user.firstname, "lastname": user.lastname, "title": ""},
        "externalid": user.externalid,
        "email": user.email,
        "phone": "",
        "jobtitle": user.jobtitle,
        "mobile": "",
        "department": user.department,
        "status": _publisher_status(user),
        "organisation": {"orgname": user.organisation, "orgid": 1, "orgaddressid": 1},
        "location": {},
        "img": f"{base}api/2/users/{user.id}/avatar?size=256",
        "sociallinks": {},
    }


def publisher_summary(user: User, base: str, knobs: Knobs) -> dict[str, object]:
    """Build Publisher's summary of a user."""
    return {
        "id": str(user.id) if knobs.numbers_as_text else user.id,
        "email": user.email,
        "link": f"{base}api/2/users/{user.id}",
    }


def publisher_fields(user: User, base: str, knobs: Knobs, fields: str) -> dict[str, object]:
    """Build what `fields` asks for: nothing = summary, "all", or names parted by commas."""
    if not fields:
        return publisher_summary(user, base, knobs)
    full = publisher_user(user, base, knobs)
    if fields == "all":
        return full
    flat = full | {"firstname": user.firstname, "lastname": user.lastname}
    return {name: flat[name] for name in fields.split(",") if name in flat}


def _collaborate_matches(users: Iterable[User], query: Mapping[str, str]) -> list[User]:
    found = list(users)
    for field in ("status", "email", "externalid", "firstname", "lastname", "jobtitle"):
        if wanted := query.get(field, "").partition("#")[0].lower():
            found = [user for user in found if getattr(user, field).lower() == wanted]
    if letter := query.get("alphabets", "").lower():
        found = [user for user in found if user.lastname.lower().startswith(letter)]
    if text := query.get("search", "").partition("#")[0].lower():
        found = [user for user in found if _mentions(user, text)]
    order = _ORDERS.get(query.get("orderby", "").lower())
    if order is not None:
        found.sort(key=order, reverse=query.get("ordertype", "").lower() == "desc")
    return found


def _mentions(user: User, text: str) -> bool:
    fields = (user.firstname, user.lastname, user.email, user.externalid)
    return any(text in field.lower() for field in fields)


def _publisher_status(user: User) -> str:
    return _PUBLISHER_STATUS.get(user.status.lower(), user.status.lower())


def _number(text: str | None, default: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return default


def _whole(text: str | None, default: int, least: int, ref: int) -> int:
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise ApiError(400, ref) from None
    if number < least:
        raise ApiError(400, ref)
    return number


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime(seconds))


def _date(seconds: float) -> str:
    return time.strftime("%d %b %Y %H:%M", time.gmtime(seconds))
