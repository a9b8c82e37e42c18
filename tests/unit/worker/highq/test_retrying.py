"""How one call is repeated, held back, or given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from structlog.testing import capture_logs

from profile_image_sync.errors import AuthorisationRefused, HighQUnavailable, Interrupted
from profile_image_sync.worker.highq.refs import Route
from profile_image_sync.worker.highq.retrying import ATTEMPTS, MAX_RATE_LIMITED
from profile_image_sync.worker.highq.transport import Request, ResponseLost

from .fakes import START, MovedTime, calls_to, error

USERS = Request(Route.COLLABORATE_USERS)
TOKEN = "a-very-secret-token"


def answering(
    *responses: httpx.Response | Exception,
) -> tuple[Callable[[httpx.Request], httpx.Response], list[httpx.Request]]:
    """Give these responses in turn, the last one for ever; keep the requests."""
    left: list[httpx.Response | Exception] = list(responses)
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        response = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(response, Exception):
            raise response
        return httpx.Response(
            response.status_code, headers=response.headers, content=response.content
        )

    return handler, requests


def limited(seconds: Iterable[float]) -> list[httpx.Response]:
    """Response 429, with resets so many seconds from the start."""
    reset = [START + timedelta(seconds=after) for after in seconds]
    return [
        httpx.Response(429, headers={"X-Ratelimit-Reset": str(int(at.timestamp()))}) for at in reset
    ]


def test_trouble_that_passes_costs_seconds_only() -> None:
    """A burst of 5xx, a cut and a silence are sat out with growing waits."""
    handler, requests = answering(
        error(503), httpx.ReadError("cut"), httpx.ReadTimeout("slow"), httpx.Response(200)
    )
    time = MovedTime()
    assert calls_to(handler, time).send(USERS).status == 200
    assert len(requests) == 4
    assert time.waits == [0.5, 1.0, 2.0]


def test_trouble_without_end_is_handed_back() -> None:
    """After five attempts the caller learns the status, and decides whose problem it is."""
    handler, requests = answering(error(500, 399))
    response = calls_to(handler, MovedTime()).send(USERS)
    assert (response.status, len(requests)) == (500, ATTEMPTS)


@pytest.mark.parametrize(
    ("problem", "raised"),
    [
        (httpx.ReadError("x"), ResponseLost),
        (httpx.WriteTimeout("x"), ResponseLost),
        (httpx.RemoteProtocolError("x"), ResponseLost),
        (httpx.DecodingError("x"), ResponseLost),
        (httpx.ConnectError("x"), HighQUnavailable),
        (httpx.ConnectTimeout("x"), HighQUnavailable),
        (httpx.ProxyError("x"), HighQUnavailable),
    ],
)
def test_a_lost_answer_is_told_from_no_connection(
    problem: Exception, raised: type[Exception]
) -> None:
    """Only the former may have reached HighQ; both are tried again before they count."""
    handler, requests = answering(problem)
    with pytest.raises(raised) as caught:
        calls_to(handler, MovedTime()).send(USERS, TOKEN)
    assert len(requests) == ATTEMPTS
    assert "acme.example" in str(caught.value)
    assert caught.value.__suppress_context__  # httpx's error carries the request and its token


def test_the_rate_limit_is_waited_for() -> None:
    """Until X-Ratelimit-Reset, without counting as a failure."""
    handler, requests = answering(*limited([42]), error(503), httpx.Response(200))
    time = MovedTime()
    assert calls_to(handler, time).send(USERS).status == 200
    assert len(requests) == 3
    assert time.waits[0] == pytest.approx(42)


def test_a_rate_limit_without_a_reset_is_backed_off_from() -> None:
    """A header that is missing or absurd must not make us hammer, nor wait for days."""
    handler, requests = answering(httpx.Response(429), *limited([10**6]), httpx.Response(200))
    time = MovedTime()
    calls_to(handler, time).send(USERS)
    assert time.waits == pytest.approx([0.5, 1.0])
    assert len(requests) == 3


def test_what_one_call_is_told_holds_for_all() -> None:
    """While one thread waits for the window, another one's call does not go out either."""
    time = MovedTime()
    sent_at: list[float] = []

    def handler(_request: httpx.Request) -> httpx.Response:
        sent_at.append(time.seconds)
        return limited([42])[0] if len(sent_at) == 1 else httpx.Response(200)

    http = calls_to(handler, time)
    wait = time.wait

    def wait_while_another_thread_calls(timeout: float | None = None) -> bool:
        if timeout:
            time.wait = wait  # type: ignore[method-assign]  # once
            http.send(USERS)
        return wait(timeout)

    time.wait = wait_while_another_thread_calls  # type: ignore[method-assign]  # threads take turns
    http.send(USERS)
    assert sent_at[0] == 0
    assert min(sent_at[1:]) >= 42
    assert len(sent_at) == 3


def test_a_reset_that_is_always_now_does_not_make_us_hammer() -> None:
    """A window that HighQ says is over, and is not: the waits grow."""
    at_once = httpx.Response(
        429,
        headers={
            "Date": format_datetime(START),
            "X-Ratelimit-Reset": str(int(START.timestamp())),
        },
    )
    handler, _ = answering(at_once, at_once, at_once, httpx.Response(200))
    time = MovedTime()
    calls_to(handler, time).send(USERS)
    assert time.waits == pytest.approx([1.0, 2.0])


def test_a_rate_limit_without_end_is_given_up() -> None:
    """Something else eats the quota: a person must look."""
    handler, requests = answering(httpx.Response(429))
    with pytest.raises(HighQUnavailable, match=r"requestsPerMinute"):
        calls_to(handler, MovedTime()).send(USERS)
    assert len(requests) == MAX_RATE_LIMITED + 1


def test_a_redirect_is_an_error_that_names_the_host_only() -> None:
    """Where it points to is never asked: the token would go along."""
    headers = {"Location": "https://login.example/sso?secret=1"}
    handler, requests = answering(httpx.Response(302, headers=headers))
    with pytest.raises(
        HighQUnavailable, match=r"redirect to login\.example: check spec\.highq"
    ) as e:
        calls_to(handler, MovedTime()).send(USERS, TOKEN)
    assert [request.url.host for request in requests] == ["acme.example"]
    assert "sso" not in str(e.value)


@pytest.mark.parametrize(
    ("status", "ref", "words"),
    [(403, 51, "API is switched off"), (401, 53, "IP address we call from")],
)
def test_a_shut_door_is_not_knocked_at_twice(status: int, ref: int, words: str) -> None:
    """Neither a new token nor patience opens it; the message says who can."""
    handler, requests = answering(error(status, ref))
    with pytest.raises(AuthorisationRefused, match=words):
        calls_to(handler, MovedTime()).send(USERS)
    assert len(requests) == 1


def test_a_stop_ends_the_back_off() -> None:
    """SIGTERM between two attempts: the run ends now."""
    time = MovedTime()

    def handler(_request: httpx.Request) -> httpx.Response:
        time.set()
        return error(503)

    with pytest.raises(Interrupted):
        calls_to(handler, time).send(USERS)


def test_no_call_starts_after_a_stop() -> None:
    """What has not been sent yet stays unsent."""
    handler, requests = answering(httpx.Response(200))
    time = MovedTime()
    time.set()
    with pytest.raises(Interrupted):
        calls_to(handler, time).send(USERS)
    assert requests == []


def test_no_cookie_is_ever_sent_back() -> None:
    """A servlet session must not decide who we are: the token does."""
    handler, requests = answering(
        httpx.Response(200, headers={"Set-Cookie": "JSESSIONID=1; Path=/"})
    )
    http = calls_to(handler, MovedTime())
    http.send(USERS)
    http.send(USERS)
    assert "cookie" not in requests[1].headers
    assert requests[1].headers["accept"] == "application/json"


def test_logs_hold_paths_and_numbers_only() -> None:
    """Neither token, nor body, nor the user's id: what repeats is told by its path template."""
    handler, _ = answering(
        error(503, 405, "ann@corp.example"),
        httpx.ReadError(f"Bearer {TOKEN}"),
        httpx.Response(429),
        httpx.Response(200),
    )
    request = Request(Route.AVATAR, account_id=4711)
    with capture_logs() as logs:
        calls_to(handler, MovedTime()).send(request, TOKEN)
    assert len(logs) == 3
    assert {line["route"] for line in logs} == {"api/5/users/{id}/avatar"}
    for word in (TOKEN, "corp.example", "4711", "a summary"):
        assert word not in repr(logs)
