"""What one HighQ instance answers, without a word of its content: what nobody knows of it gets known so.

Names of headers and fields, statuses, refs and the numbers of the rate limit are kept; no other value is.
What the simulator of the tests assumes is written down here, so that a difference shows. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from profile_image_sync.worker.highq.refs import Route
from profile_image_sync.worker.highq.responses import Body, Response

MAX_NAMES = 300  # of one answer
_DEEPEST = 6
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")  # neither an address, nor a file, nor a token
_LIMIT_HEADER = re.compile(r"(x-)?ratelimit-[a-z-]{1,30}|retry-after")
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call was answered; as many calls as were answered alike count as one."""

    path: str  # below the instance, without ids
    authorised: bool  # whether an access token went along
    status: int
    ref: int | None
    body: str  # json, xml, html, image, empty, unreadable
    headers: tuple[str, ...]  # names
    limits: Mapping[str, int]  # of the rate limit
    fields: tuple[str, ...]  # of JSON: "user[].userid"


@dataclass(frozen=True, slots=True)
class _Assumption:
    """What the simulator answers."""

    statuses: tuple[int, ...]
    body: Body
    fields: tuple[str, ...] = ()


_ACCOUNT_FIELDS = ("userid", "email", "externalid", "status", "avatar", "createddate")
_ERROR = _Assumption((401,), Body.JSON, ("error.ref", "error.summary"))
_ASSUMED: dict[tuple[Route, bool], _Assumption] = {
    (Route.COLLABORATE_USERS, False): _ERROR,
    (Route.PUBLISHER_USERS, False): _ERROR,
    (Route.COLLABORATE_USERS, True): _Assumption(
        (200,), Body.JSON, ("totalcount", *(f"user[].{name}" for name in _ACCOUNT_FIELDS))
    ),
    (Route.PUBLISHER_USERS, True): _Assumption(
        (200,), Body.JSON, ("totalcount", "user[].id", "user[].email", "user[].status")
    ),
    (Route.SHOWN_AVATAR, True): _Assumption((200,), Body.IMAGE),
    (Route.TOKEN, False): _Assumption(
        (200,),
        Body.JSON,
        ("access_token", "expires_in", "refresh_token", "refresh_token_expires_in", "token_type"),
    ),
}


@dataclass
class Survey:
    """What was seen so far."""

    answers: list[Answer] = field(default_factory=list)
    _differences: dict[str, None] = field(default_factory=dict)

    @property
    def differences(self) -> tuple[str, ...]:
        """Where the instance differs from what the simulator assumes."""
        return tuple(self._differences)

    @property
    def limits(self) -> dict[str, int]:
        """What was last told of the rate limit, by header."""
        told = (answer.limits for answer in self.answers)
        return {name: number for limits in told for name, number in limits.items()}

    def saw(
        self, route: Route, response: Response, headers: Mapping[str, str], *, authorised: bool
    ) -> None:
        """Take note of a response. Called by one thread at a time, or by several."""
        fields = tuple(sorted(set(islice(_fields(response.document), MAX_NAMES))))
        answer = Answer(
            path=route.value,
            authorised=authorised,
            status=response.status,
            ref=response.ref,
            body=response.body.name.lower(),
            headers=tuple(sorted({name.lower() for name in headers if _NAME.fullmatch(name)})),
            limits=_limits(headers),
            fields=fields,
        )
        if answer not in self.answers:
            self.answers.append(answer)
        for difference in _differences(route, response, answer):
            self._differences[difference] = None


def _differences(route: Route, response: Response, answer: Answer) -> Iterator[str]:
    assumed = _ASSUMED.get((route, answer.authorised))
    if assumed is None:
        return
    call = f"{route.value} {'with' if answer.authorised else 'without'} a token"
    if answer.status not in assumed.statuses:
        expected = " or ".join(map(str, assumed.statuses))
        yield f"{call}: HTTP {answer.status} instead of {expected}"
    if response.body is not assumed.body:
        yield f"{call}: {answer.body} instead of {assumed.body.name.lower()}"
        return
    found = {name.lower() for name in answer.fields}
    for name in assumed.fields:
        if name not in found:
            yield f"{call}: no field {name}"


def _limits(headers: Mapping[str, str]) -> dict[str, int]:
    return {
        name.lower(): int(value)
        for name, value in headers.items()
        if _LIMIT_HEADER.fullmatch(name.lower()) and _NUMBER.fullmatch(value)
    }


def _fields(document: object, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the names of fields; a name that may be content is told as "?"."""
    if depth == _DEEPEST:
        return
    if isinstance(document, list):
        for each in document[:20]:
            yield from _fields(each, f"{prefix}[]", depth + 1)
    elif isinstance(document, dict):
        for name, value in document.items():
            path = f"{prefix}.{name if _NAME.fullmatch(str(name)) else '?'}".removeprefix(".")
            yield path
            yield from _fields(value, path, depth + 1)
