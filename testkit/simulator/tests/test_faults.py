"""What goes wrong on purpose: before a call is carried out, or only with its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Instance

Connect = Callable[..., httpx.Client]

PICTURE = jpeg(portrait("AB", 1, 300, 300))


def post(api: httpx.Client, user: int = 1) -> httpx.Response:
    """Upload a good picture."""
    return api.post(f"api/5/users/{user}/avatar", files={"file": ("a.jpg", PICTURE, "image/jpeg")})


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "more"),
    [
        ("status", 500, {"status": 500}),
        ("status", 502, {"status": 502}),
        ("status", 503, {"status": 503, "headers": {"Retry-After": "7"}}),
        ("status", 500, {"status": 500, "ref": 405}),
        ("status", 403, {"status": 403, "ref": 123}),
        ("html", 502, {"status": 502}),
        ("html", 200, {"status": 200}),
        ("malformed", 200, {}),
        ("redirect", 307, {"location": "https://elsewhere.example/"}),
    ],
)
def test_answers_can_be_replaced(  # noqa: PLR0917  the table has so many columns
    highq: Instance, api: httpx.Client, landed: bool, kind: str, status: int, more: dict[str, Any]
) -> None:
    """The caller hears the same, whether the picture landed or not; the audit knows."""
    highq.fail_next("avatar", kind, landed=landed, **more)
    answer = post(api)
    assert answer.status_code == status
    if kind == "status":
        assert answer.json()["error"].get("ref") == more.get("ref")
        assert answer.headers.get("Retry-After") == more.get("headers", {}).get("Retry-After")
    if kind == "html":
        assert "<html>" in answer.text
    if kind == "malformed":
        assert answer.headers["content-type"] == "application/json"
        with pytest.raises(json.JSONDecodeError):
            answer.json()
    (entry,) = highq.audit()
    assert (entry.fault, entry.status, entry.ref) == (kind, status, more.get("ref"))
    assert entry.verdict == ("accepted" if landed else "lost")
    assert (highq.picture(1) == PICTURE) == landed
    assert post(api).status_code == 200


@pytest.mark.parametrize("landed", [False, True])
def test_the_connection_can_be_cut(highq: Instance, api: httpx.Client, landed: bool) -> None:
    """Before the upload was read, or after it was taken: the caller cannot tell."""
    highq.fail_next("avatar", "cut", landed=landed)
    with pytest.raises(httpx.TransportError):
        post(api)
    (entry,) = highq.audit()
    assert (entry.status, entry.fault) == (0, "cut")
    assert len(highq.uploads()) == landed
    assert (highq.picture(1) == PICTURE) == landed
    assert post(api).status_code == 200


@pytest.mark.parametrize("landed", [False, True])
def test_an_answer_can_come_too_late(highq: Instance, api: httpx.Client, landed: bool) -> None:
    """The caller gives up; the picture may have landed."""
    highq.fail_next("avatar", "stall", landed=landed, seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        api.post(
            "api/5/users/1/avatar", files={"file": ("a.jpg", PICTURE, "image/jpeg")}, timeout=2
        )
    assert len(highq.uploads()) == landed


def test_a_late_answer_is_still_right(highq: Instance, api: httpx.Client) -> None:
    """A short stall after landing is only slow; latency slows every call."""
    highq.fail_next("list", "stall", landed=True, seconds=0.05)
    answer = api.get("api/3/users")
    assert answer.json()["totalcount"] == 6
    assert answer.elapsed.total_seconds() >= 0.05
    highq.knobs(latency=0.05)
    assert api.get("api/3/users").elapsed.total_seconds() >= 0.05


def test_a_list_can_break_off(highq: Instance, api: httpx.Client) -> None:
    """The headers promise more than comes."""
    highq.fail_next("list", "truncate")
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("api/3/users")
    assert api.get("api/3/users").status_code == 200


def test_a_list_can_drip(highq: Instance, api: httpx.Client) -> None:
    """Piece by piece, but whole."""
    highq.fail_next("list", "drip", seconds=0.01)
    with api.stream("GET", "api/3/users") as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 1
    assert json.loads(b"".join(pieces))["totalcount"] == 6


def test_a_list_can_be_of_another_shape(highq: Instance, api: httpx.Client) -> None:
    """Any body can be put in an answer's place."""
    highq.fail_next("list", "malformed", body="[]")
    assert api.get("api/3/users").json() == []


def test_a_redirect_tells_whether_the_token_came_along(highq: Instance, api: httpx.Client) -> None:
    """`localhost` is another host of this same server: its audit tells who brought a token."""
    elsewhere = highq.url.replace("127.0.0.1", "localhost") + "/api/3/users"
    highq.fail_next("list", "redirect", location=elsewhere)
    answer = api.get("api/3/users", follow_redirects=True)
    assert answer.url == elsewhere
    before, after = highq.audit()
    assert (before.authorization, before.status) == (True, 307)
    assert (after.authorization, after.status) == (False, 401)


def test_a_token_can_be_revoked_on_the_way(highq: Instance, connect: Connect) -> None:
    """From the third upload on this token is unknown; another one goes on."""
    highq.fail_next("upload", "revoke", skip=2)
    api = connect(highq, highq.tokens().access_token)
    assert [post(api, n).status_code for n in (1, 2, 3, 4)] == [200, 200, 401, 401]
    assert post(connect(highq, highq.tokens().access_token), 3).status_code == 200
    assert [entry.user_id for entry in highq.uploads()] == [1, 2, 3]


def test_faults_choose_their_calls(highq: Instance, api: httpx.Client) -> None:
    """By operation, by user, so many times, after so many unharmed ones."""
    highq.fail_next("avatar", "status", user_id=2, skip=1, times=2)
    assert api.get("api/3/users/2").status_code == 200
    assert [post(api, 1).status_code for _ in range(3)] == [200, 200, 200]
    assert [post(api, 2).status_code for _ in range(4)] == [200, 503, 503, 200]
    highq.fail_next("any", "status", times=5)
    assert api.get("api/3/users").status_code == 503
    (left,) = highq.pending_faults()
    assert left.times == 4
    highq.clear_faults()
    assert api.get("api/3/users").status_code == 200


def test_users_are_found_by_mail_address_too(highq: Instance, api: httpx.Client) -> None:
    """A fault for a user also meets the profile image that is sent to the mail address."""
    highq.fail_next("upload", "status", user_id=2)
    answer = api.post(
        "api/2/users/p2@acme.example/profileimage",
        content=PICTURE,
        headers={"Content-Type": "image/jpeg"},
    )
    assert answer.status_code == 503


@pytest.mark.parametrize("landed", [False, True])
def test_a_refresh_can_get_lost(highq: Instance, api: httpx.Client, landed: bool) -> None:
    """If the new pair was made and its answer lost, the old refresh token is dead."""
    highq.fail_next("token", "cut", landed=landed)
    form = {"grant_type": "refresh_token", **highq.credentials._asdict()}
    with pytest.raises(httpx.TransportError):
        api.post("api/oauth2/token", data=form)
    assert api.post("api/oauth2/token", data=form).status_code == (400 if landed else 200)
