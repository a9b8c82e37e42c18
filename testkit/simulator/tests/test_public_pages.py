"""HighQ's public pages in one table, in their order: what is asked, and what the pages say to it.

The other modules here go into what the pages leave open. "?" marks what the pages do not say and we guess.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from testkit.pictures import gif, jpeg, png, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people, person
from testkit.simulator.schema import ClientSettings

Connect = Callable[..., httpx.Client]

SQUARE = jpeg(portrait("AB", 1, 300, 300))
LANDSCAPE = jpeg(portrait("AB", 2, 400, 300))
SMALL = png(portrait("AB", 3, 200, 200))
BACK = "https://tool.example/back"
CLIENT = ClientSettings(client_id="1012", client_secret="s" * 32, refresh_token="r" * 40)
REGISTERED = {"client_id": "1012", "client_secret": "s" * 32}
REFRESH = REGISTERED | {"grant_type": "refresh_token", "refresh_token": "r" * 40}
ASK = {"response_type": "code", "client_id": "1012", "redirect_uri": BACK}
XML = {"Accept": "application/xml"}
NO_ACCEPT = {"Accept": "*/*"}


@dataclass(frozen=True)
class Row:
    """One sentence of a page."""

    says: str
    method: str
    path: str
    status: int
    ref: int | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Instance], object] = lambda _: None
    token: bool = True
    times: int = 1  # the last answer counts
    also: Callable[[httpx.Response], object] = lambda _: True


def get(says: str, path: str, status: int = 200, ref: int | None = None, **more: Any) -> Row:
    """Write a row about a GET."""
    return Row(says, "GET", path, status, ref, **more)


def post(says: str, path: str, status: int = 200, ref: int | None = None, **more: Any) -> Row:
    """Write a row about a POST."""
    return Row(says, "POST", path, status, ref, **more)


def token(says: str, status: int, form: Mapping[str, str], **more: Any) -> Row:
    """Write a row about the token endpoint."""
    request = more.pop("request", {"data": form})
    return post(says, "api/oauth2/token", status, request=request, token=False, **more)


def avatar(
    says: str, status: int, ref: int | None, content: bytes, *crop: object, **more: Any
) -> Row:
    """Write a row about the avatar POST of user 1; `crop` is x, y, width, height."""
    names = ("avatarXPosition", "avatarYPosition", "avatarWidth", "avatarHeight")
    numbers = {
        name: str(value) for name, value in zip(names, crop, strict=False) if value is not None
    }
    request = {"files": {"file": ("a.jpg", content, "image/jpeg")}, "data": numbers}
    return post(says, "api/5/users/1/avatar", status, ref, request=request, **more)


def profile_image(says: str, status: int, who: str, body: bytes, kind: str, **more: Any) -> Row:
    """Write a row about Publisher's profile image."""
    request = {"content": body, "headers": {"Content-Type": kind}}
    return post(says, f"api/2/users/{who}/profileimage", status, request=request, **more)


def error(answer: httpx.Response) -> Mapping[str, Any]:
    """Return the inside of an error body."""
    found: Mapping[str, Any] = answer.json()["error"]
    return found


ROWS = (
    # API access mechanism using OAuth2
    get("the browser is sent back with a code, without state", "authorize.action", 302, token=False,
        request={"params": ASK | {"state": "x"}},
        also=lambda a: re.fullmatch(rf"{BACK}\?code=[^&]+", a.headers["location"])),
    get("?an unknown client gets a page", "authorize.action", 400, token=False,
        request={"params": ASK | {"client_id": "9"}}),
    token("a refresh answers with a pair and its lifetimes", 200, REFRESH,
          also=lambda a: {"access_token", "refresh_token", "useremail"} < set(a.json())
          and (a.json()["token_type"], a.json()["expires_in"]) == ("bearer", 18_000)
          and a.json()["refresh_token_expires_in"] == 31_536_000),
    token("as XML on request", 200, REFRESH, request={"data": REFRESH, "headers": XML},
          also=lambda a: "<TokenResponse>" in a.text),
    token("the refresh token is reset by each refresh", 400, REFRESH, times=2),
    token("?only forms are read", 400, {}, request={"json": REFRESH}),
    token("a wrong code", 400, REGISTERED | {"grant_type": "authorization_code", "code": "no"},
          also=lambda a: a.json() == {"error": "invalid_grant"}),
    token("a wrong client", 401, REFRESH | {"client_secret": "no"}),
    token("no grant for machines", 400, REGISTERED | {"grant_type": "client_credentials"}),
    # Error codes: what every call passes
    get("no token", "api/3/users", 401, 401, token=False),
    get("an expired access token", "api/3/users", 403, 123, before=lambda highq: highq.expire_tokens()),
    get("the API is off", "api/3/users", 403, 51, knobs={"api_enabled": False}),
    get("users are listed to administrators", "api/3/users", 403, 123, knobs={"browser_user": 1}),
    avatar("?own picture without being one", 200, None, SQUARE, knobs={"browser_user": 1}),
    get("errors have summary, ref and a running link", "api/3/users", 403, 123,
        before=lambda highq: highq.expire_tokens(),
        also=lambda a: set(error(a)) == {"summary", "ref", "link"}
        and "/api/2/error/" in error(a)["link"]),
    # User resource (Collaborate)
    get("XML without Accept", "api/3/users", request={"headers": NO_ACCEPT},
        also=lambda a: "<users>" in a.text),
    get("JSON on request", "api/3/users",
        also=lambda a: (a.json()["total"], a.json()["totalcount"]) == (6, 6)),
    get("limit -1 is all", "api/3/users?limit=-1", also=lambda a: len(a.json()["user"]) == 6),
    get("an offset beyond the end starts over", "api/3/users?limit=2&offset=6",
        also=lambda a: a.json()["user"][0]["userid"] == 1),
    get("by status", "api/3/users?status=Archived", also=lambda a: a.json()["totalcount"] == 1),
    get("one by id", "api/3/users/1", also=lambda a: a.json()["email"] == "p1@acme.example"),
    get("one by mail address", "api/3/users/P1@acme.example?type=email",
        also=lambda a: a.json()["userid"] == 1),
    get("no such user", "api/3/users/99", 403, 110),
    get("no number", "api/3/users/x", 400, 113),
    get("img is the avatar's address, avatar tells whether there is one", "api/3/users/1",
        also=lambda a: a.json()["img"].endswith("/users/1/avatar?size=256") and a.json()["avatar"] == "0"),
    # User APIs (Publisher)
    get("JSON without Accept", "api/2/users", request={"headers": NO_ACCEPT},
        also=lambda a: a.json()["totalcount"] == 6),
    get("a summary without fields", "api/2/users",
        also=lambda a: set(a.json()["user"][0]) == {"id", "email", "link"}),
    get("a wrong offset", "api/2/users?offset=x", 400, 106),
    get("a wrong limit", "api/2/users?limit=x", 400, 107),
    get("a wrong sort", "api/2/users?sort=shoe", 400, 79),
    get("a wrong status", "api/2/users?status=gone", 400, 80),
    # Get avatar
    get("in fixed sizes, a placeholder if there is none", "api/3/users/1/avatar?size=64",
        also=lambda a: a.headers["content-type"] == "image/png"),
    get("in no other size", "api/3/users/1/avatar?size=65", 400, 74),
    # Update avatar (POST, version 5)
    avatar("a square picture is taken", 200, None, SQUARE, also=lambda a: a.content == b""),
    post("a body that is no form", "api/5/users/1/avatar", 400, 74, request={"content": SQUARE}),
    avatar("no such user", 403, 110, SQUARE, before=lambda highq: highq.remove_user(1)),
    post("no file", "api/5/users/1/avatar", 400, 397, request={"files": {"picture": ("a", SQUARE)}}),
    avatar("an empty file", 400, 406, b""),
    avatar("another type", 400, 398, gif(portrait("AB", 1, 300, 300))),
    avatar("a damaged file", 400, 400, SQUARE[:-200]),
    avatar("a short side under 256 pixels", 400, 401, SMALL),
    avatar("no numbers", 400, 396, SQUARE, "x", 0, 256, 256),
    avatar("a crop beyond the width", 400, 402, LANDSCAPE, 200, 0, 300, 300),
    avatar("a crop beyond the height", 400, 403, LANDSCAPE, 0, 100, 300, 300),
    avatar("a crop that is not square", 400, 404, LANDSCAPE, 0, 0, 300, 200),
    avatar("not square without a crop", 400, 404, LANDSCAPE),
    avatar("a square crop of a landscape", 200, None, LANDSCAPE, 50, 0, 300, 300),
    avatar("?a missing number is 0", 200, None, LANDSCAPE, None, None, 300, 300),
    avatar("?a large file is a system error", 500, 399, SQUARE, knobs={"max_upload_bytes": 100}),
    avatar("refusals may be 403", 403, 401, SMALL, knobs={"validation_status": 403}),
    # Update profile image (POST, version 2)
    profile_image("by id", 200, "1", SQUARE, "image/jpeg",
                  also=lambda a: set(a.json()["user"]) == {"id", "email", "link"}),
    profile_image("by mail address, as base64", 200, "p1@acme.example", b64encode(SQUARE), "image/jpeg"),
    profile_image("?of any size", 200, "1", SMALL, "image/png"),
    profile_image("an empty body", 400, "1", b"", "image/png", ref=74),
    # API rate limit
    get("over the limit: when the window ends, and no ref", "api/3/users", 429, knobs={"rate_limit": 0},
        also=lambda a: a.headers["X-Ratelimit-Reset"].isdecimal()
        and error(a)["summary"].startswith("The user API call limit has exce")),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_it_does_what_the_page_says(simulator: Simulator, connect: Connect, row: Row) -> None:
    """Status and ref; where the page tells more, that too."""
    users = [*people(4), person(5, status="Archived"), person(6, sysadmin=True)]
    highq = simulator.create_instance(users=users, clients=[CLIENT])
    highq.knobs(**row.knobs)
    api = connect(highq, highq.tokens().access_token if row.token else None)
    row.before(highq)
    for _ in range(row.times):
        answer = api.request(row.method, row.path, **row.request)
    assert answer.status_code == row.status, answer.text
    if row.ref is not None:
        assert error(answer)["ref"] == row.ref
    assert row.also(answer), answer.text
