"""What is kept of HighQ's answers: names and numbers that a firm may send us, never its content."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from profile_image_sync.worker.highq.refs import Route
from profile_image_sync.worker.highq.responses import Body, Response, read_response
from profile_image_sync.worker.highq.survey import MAX_NAMES, Answer, Survey

USER = {"userid": 7, "email": "a@firm.example", "externalid": "x", "status": "Active", "avatar": ""}
LIST = {"totalcount": 1, "user": [USER | {"createddate": "2020-01-01"}]}


def surveyed(document: object, **headers: str) -> tuple[Answer, Survey]:
    """Survey one answer of HTTP 200 with this JSON; `_` in a header's name stands for `-`."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(document).encode()
    now = datetime(2026, 5, 4, tzinfo=UTC)
    response = read_response(200, {"content-type": "application/json"}, content, now)
    survey = Survey()
    survey.saw(Route.COLLABORATE_USERS, response, told, authorised=True)
    return survey.answers[0], survey


def test_an_answer_is_known_by_names_and_codes() -> None:
    """All that is kept of it."""
    answer, _ = surveyed(LIST, X_RateLimit_Remaining="41", Server="nginx")
    assert answer == Answer(
        path="api/3/users",
        authorised=True,
        status=200,
        ref=None,
        body="json",
        headers=("server", "x-ratelimit-remaining"),
        limits={"x-ratelimit-remaining": 41},
        fields=(
            "totalcount",
            "user",
            "user[].avatar",
            "user[].createddate",
            "user[].email",
            "user[].externalid",
            "user[].status",
            "user[].userid",
        ),
    )


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"a@firm.example": {"x": 1}}, ("?", "?.x")),
        ({"n" * 40: 1, "m" * 41: 1}, ("?", "n" * 40)),
        ([{"a": 1}], ("[].a",)),
        ([0] * 19 + [{"a": 1}, {"b": 1}], ("[].a",)),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}, (
            "a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "a.b.c.d.e.f",
        )),
        ([[[[[{"a": {"b": 1}}]]]]], ("[][][][][].a",)),
        ("a word", ()),
    ],
    ids=["an address", "a long word", "a list", "20 of a list", "6 levels", "lists are levels", "no object"],
)  # fmt: skip
def test_no_name_of_a_field_can_be_content(document: object, fields: tuple[str, ...]) -> None:
    """HighQ may use addresses or ids as names: they are told as "?"."""
    assert surveyed(document)[0].fields == fields


def test_the_names_of_one_answer_are_bounded() -> None:
    """A survey that a person sends along stays readable."""
    many = {f"f{number:03d}": 1 for number in range(MAX_NAMES + 1)}
    fields = surveyed(many)[0].fields
    assert (len(fields), fields[-1]) == (300, "f299")


def test_numbers_of_the_rate_limit_alone_are_kept_of_headers() -> None:
    """A cookie, or a word where a number belongs, is not."""
    answer, survey = surveyed(
        LIST,
        Retry_After="7",
        RateLimit_Limit="600",
        X_RateLimit_Reset="soon",
        Set_Cookie="12",
    )
    assert answer.limits == {"retry-after": 7, "ratelimit-limit": 600}
    assert survey.limits == {"retry-after": 7, "ratelimit-limit": 600}
    assert surveyed(LIST, **{"x: y": "1"})[0].headers == ()


def test_the_last_numbers_of_the_rate_limit_count() -> None:
    """They fall with each request."""
    _, survey = surveyed(LIST, RateLimit_Remaining="2")
    response = Response(200, body=Body.IMAGE)
    survey.saw(Route.SHOWN_AVATAR, response, {"RateLimit-Remaining": "1"}, authorised=True)
    assert survey.limits == {"ratelimit-remaining": 1}


def test_answers_that_are_alike_count_as_one() -> None:
    """Hundreds of pages make one line."""
    _, survey = surveyed(LIST)
    response = Response(200, body=Body.IMAGE)
    for _ in range(2):
        survey.saw(Route.SHOWN_AVATAR, response, {}, authorised=True)
    assert [answer.path for answer in survey.answers] == ["api/3/users", "api/3/users/{id}/avatar"]


def test_an_instance_that_answers_as_the_simulator_does_has_no_differences() -> None:
    """Field names are compared in any case."""
    assert surveyed(LIST)[1].differences == ()
    assert surveyed({"TotalCount": 1, "User": LIST["user"]})[1].differences == ()


@pytest.mark.parametrize(
    ("route", "authorised", "response", "expected"),
    [
        (Route.COLLABORATE_USERS, True, Response(206, body=Body.JSON, document=LIST), (
            "api/3/users with a token: HTTP 206 instead of 200",
        )),
        (Route.COLLABORATE_USERS, False, Response(200, body=Body.HTML), (
            "api/3/users without a token: HTTP 200 instead of 401",
            "api/3/users without a token: html instead of json",
        )),
        (Route.PUBLISHER_USERS, True,
         Response(200, body=Body.JSON, document={"totalcount": 1, "user": [{"id": 1, "email": ""}]}),
         ("api/2/users with a token: no field user[].status",)),
        (Route.SHOWN_AVATAR, True, Response(200, body=Body.EMPTY), (
            "api/3/users/{id}/avatar with a token: empty instead of image",
        )),
        (Route.PUBLISHER_USERS, False, Response(401, body=Body.XML), (
            "api/2/users without a token: xml instead of json",
        )),
        (Route.TOKEN, False, Response(200, body=Body.JSON, document={"access_token": "x"}), (
            "api/oauth2/token without a token: no field expires_in",
            "api/oauth2/token without a token: no field refresh_token",
            "api/oauth2/token without a token: no field refresh_token_expires_in",
            "api/oauth2/token without a token: no field token_type",
        )),
        (Route.AVATAR, True, Response(500), ()),
    ],
    ids=["status", "status and body", "field", "body", "error", "tokens", "nothing is assumed"],
)  # fmt: skip
def test_what_the_simulator_does_not_do_is_told(
    route: Route, authorised: bool, response: Response, expected: tuple[str, ...]
) -> None:
    """Each difference once, however often it is seen: it is what our tests could not know."""
    survey = Survey()
    for _ in range(2):
        survey.saw(route, response, {}, authorised=authorised)
    assert survey.differences == expected
