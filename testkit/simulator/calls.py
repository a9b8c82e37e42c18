"""One API call: its target, its token, and its audit entry. Authentication and rate limit happen here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from starlette.requests import Request

from .accounts import User
from .instances import Instance
from .rendering import ApiError, Format, negotiate
from .schema import AuditEntry, Operation

_USER = r"api/(?P<version>\d+)/users/(?P<who>[^/]+)"
_PATHS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", r"authorize\.action", "authorise"),
    ("POST", r"api/oauth2/token", "token"),
    ("GET", r"api/(?P<version>\d+)/users/?", "list"),
    ("GET", _USER, "user"),
    ("GET", rf"{_USER}/avatar", "get_avatar"),
    ("POST", rf"{_USER}/avatar", "avatar"),
    ("POST", rf"{_USER}/profileimage", "profileimage"),
)
PUBLISHER_VERSION = 2
FIRST_VERSION: dict[Operation, int] = {"avatar": 5, "profileimage": 2}


class Target(NamedTuple):
    """What a path asks for; `who` is the user id or mail address in it."""

    operation: Operation
    version: int = 0
    who: str = ""


@dataclass(slots=True)
class Call:
    """A call on its way; what becomes of it is gathered in `entry`."""

    request: Request
    instance: Instance
    target: Target
    entry: AuditEntry
    headers: dict[str, str] = field(default_factory=dict)  # of the answer: the rate limit

    @property
    def base(self) -> str:
        """The instance's address as the caller knows it, with its slash."""
        return f"{self.request.base_url}{self.instance.name}/"

    @property
    def publisher(self) -> bool:
        """Whether the call belongs to Publisher's family rather than to Collaborate's."""
        return self.target.version == PUBLISHER_VERSION

    @property
    def form(self) -> Format:
        """JSON or XML: as asked, else the family's default."""
        default = self.instance.knobs.default_format
        if default == "documented":
            collaborate = self.target.version and not self.publisher
            default = "xml" if collaborate else "json"
        return negotiate(self.request.headers.get("accept", ""), default)


def recognise(method: str, path: str) -> Target:
    """Read what is asked from a path below the instance, still percent-encoded."""
    for wanted, pattern, operation in _PATHS:
        found = re.fullmatch(pattern, path)
        if found and method == wanted:
            parts = found.groupdict()
            version = int(parts.get("version") or 0)
            if version and version < FIRST_VERSION.get(operation, 1):
                break
            return Target(operation, version, unquote(parts.get("who") or ""))
    return Target("unknown")


def begin(request: Request, instance: Instance) -> Call:
    """Start the account of a call."""
    raw_path = request.scope["raw_path"].decode("ascii").partition("?")[0]
    below = raw_path.removeprefix(f"/{instance.name}/")
    target = recognise(request.method, below)
    secret = target.operation in {"authorise", "token", "unknown"}  # codes, client secrets
    user = find_user(instance, target)
    entry = AuditEntry(
        sequence=0,
        at=instance.now(),
        instance=instance.name,
        operation=target.operation,
        method=request.method,
        path=request.url.path,
        query="" if secret else request.url.query,
        authorization="authorization" in request.headers,
        user_id=user.id if user else None,
    )
    return Call(request, instance, target, entry)


def find_user(instance: Instance, target: Target) -> User | None:
    """Find the user a path names, by number or by mail address."""
    if target.who.isdecimal():
        return instance.users.get(int(target.who))
    return instance.find_by_email(target.who) if "@" in target.who else None


def admit(call: Call) -> User:
    """Pass a call through all gates: API on, token known, address listed, not expired, rate.

    Returns the user the token acts as; else refuses.
    """
    instance, knobs = call.instance, call.instance.knobs
    if not knobs.api_enabled:
        raise ApiError(403, 51)
    not_authorised = ApiError(401, 401, "Not authorised")
    secret = bearer(call.request)
    token = instance.authorisations.access(secret)
    if token is None:
        raise not_authorised
    call.entry.token = token.name
    address = call.request.client.host if call.request.client else ""
    if not instance.authorisations.admits(token.client_id, address):
        raise ApiError(401, 53)
    if token.expires <= call.entry.at:
        raise ApiError(403, 123) if knobs.expired_status == 403 else not_authorised
    call.headers |= instance.admit(secret, address)
    user = instance.users.get(token.user_id)
    if user is None:
        raise not_authorised
    return user


def bearer(request: Request) -> str:
    """Read the token of the Authorization header; empty if there is none."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
