"""What is read from a response, and what is not told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from profile_image_sync.worker.highq.responses import Body, read_response

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY = (
    b'{"error": {"summary": "ann@corp.example", "ref": 401, "link": "https://x/api/2/error/1885"}}'
)


def test_an_error_is_told_by_its_numbers_only() -> None:
    """HighQ's support needs ref and error number; the summary may hold names and is not quoted."""
    response = read_response(400, {}, BODY, NOW)
    assert str(response) == "HTTP 400, ref 401, error 1885"
    assert "corp.example" not in repr(response)


def test_a_ref_spelled_as_text_is_a_number_all_the_same() -> None:
    """Java's mappers write numbers as text at times."""
    assert read_response(400, {}, b'{"error": {"ref": "398"}}', NOW).ref == 398


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"error": "invalid_grant"}',
        b'{"error": {"ref": null, "link": null}}',
        b'{"error": {"ref": -3, "link": "https://x/api/2/error/"}}',
        b'{"error": {"ref": [1], "link": {"a": 1}}}',
    ],
)
def test_a_body_without_highqs_error_has_no_ref(body: bytes) -> None:
    """A gateway's page, OAuth's error and nonsense are handled by status."""
    response = read_response(502, {}, body, NOW)
    assert (response.ref, response.error_number, str(response)) == (None, None, "HTTP 502")


@pytest.mark.parametrize("status", [200, 201, 400, 500])
@pytest.mark.parametrize(
    ("body", "ref"),
    [
        (BODY, 401),
        (b'{"error": {"summary": "no"}}', None),
        (b'{"error": "no"}', None),
        (b'{"ref": 398, "summary": "no"}', 398),
        (b"<?xml version='1.0'?><error><summary/><ref>398</ref><link>x/1885</link></error>", 398),
        (b"<?xml version='1.0' encoding='utf-8'?>\n<error></error>", None),
    ],
)
def test_an_error_is_an_error_whatever_the_status(status: int, body: bytes, ref: int) -> None:
    """A 200 with HighQ's error body is not a yes (rule 4)."""
    response = read_response(status, {}, body, NOW)
    assert (response.is_error, response.ref) == (True, ref)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"true",
        b'{"user": {"id": 1, "ref": 398}}',
        b'{"error": null, "user": []}',
        b'{"total": 1, "user": [{"error": {"ref": 1}}]}',
        b"<?xml version='1.0'?><user><ref>398</ref></user>",
    ],
)
def test_the_rest_of_a_yes_is_not_searched_for_errors(body: bytes) -> None:
    """A list may hold anything."""
    response = read_response(200, {}, body, NOW)
    assert (response.is_error, response.ref) == (False, None)


@pytest.mark.parametrize(
    ("reset", "date", "expected"),
    [
        (NOW.timestamp() + 30, None, 30),
        (NOW.timestamp() + 30, "not a date", 30),
        (NOW.timestamp() + 30, format_datetime(NOW.replace(second=20)), 10),
        (NOW.timestamp() + 7200 + 5, format_datetime(NOW.replace(hour=14)), 5),
        (NOW.timestamp(), None, 0),
        (NOW.timestamp() - 1, None, None),
        (NOW.timestamp() + 3601, None, None),
        ((NOW.timestamp() + 30) * 1000, None, None),
        ("soon", None, None),
        ("nan", None, None),
        ("inf", None, None),
        (60, None, None),
    ],
)
def test_the_rate_limit_reopens_by_highqs_own_clock(
    reset: float | str, date: str | None, expected: float | None
) -> None:
    """X-Ratelimit-Reset counts from the response's Date; an absurd one counts as none."""
    headers = {"x-ratelimit-reset": str(reset)} | ({"date": date} if date else {})
    assert read_response(429, headers, b"", NOW).retry_after == expected


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://user:secret@login.example:8443/sso?code=1", "login.example"),
        ("/acme/login.action", None),
        ("https://[broken", None),
        (None, None),
    ],
)
def test_of_a_redirect_only_the_host_is_kept(location: str | None, host: str | None) -> None:
    """The rest of an address may hold codes and names."""
    headers = {"location": location} if location else {}
    assert read_response(302, headers, b"", NOW).redirect_host == host


@pytest.mark.parametrize(
    ("content_type", "content", "body"),
    [
        ("text/html; charset=utf-8", b"<html>", Body.HTML),
        ("text/html", b"Sign in", Body.HTML),
        ("TEXT/HTML", b"Sign in", Body.HTML),
        ("application/json", b"<!DOCTYPE html><html>", Body.HTML),
        (None, b"\n <HTML>", Body.HTML),
        (None, b"\xef\xbb\xbf<!doctype html>", Body.HTML),
        (None, b"<?xml version='1.0'?><!DOCTYPE html><html xmlns='x'>", Body.HTML),
        ("application/xhtml+xml", b"<html>", Body.HTML),
        (None, b"<?xml version='1.0'?><user/>", Body.XML),
        ("application/xml", b"<user/>", Body.XML),
        ("text/html", b"", Body.EMPTY),
        (None, b" \r\n", Body.EMPTY),
        ("application/json", b"{}", Body.JSON),
        (None, b"{}", Body.JSON),
        ("text/plain", b'"ok"', Body.JSON),
        ("application/json", b'{"user": ', Body.UNREADABLE),
        ("text/plain", b"ok", Body.UNREADABLE),
        (None, b"\xff\xfe", Body.UNREADABLE),
        ("application/json", b"[" * 200_000, Body.UNREADABLE),
        ("application/json", b'{"error": ' * 200_000, Body.UNREADABLE),
        ("image/png", b"\x89PNG", Body.IMAGE),
    ],
)
def test_a_body_is_known_by_what_it_is(
    content_type: str | None, content: bytes, body: Body
) -> None:
    """We ask for JSON: who answers with a web page is not HighQ's API, whatever the page calls itself."""
    headers = {"content-type": content_type} if content_type else {}
    assert read_response(200, headers, content, NOW).body is body


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": format_datetime(NOW.replace(second=20), usegmt=True)}, 20),
        (
            {
                "retry-after": format_datetime(NOW.replace(hour=14, second=20), usegmt=True),
                "date": format_datetime(NOW.replace(hour=14), usegmt=True),
            },
            20,
        ),
        ({"retry-after": "30", "x-ratelimit-reset": str(NOW.timestamp() + 5)}, 5),
        ({"retry-after": "30", "x-ratelimit-reset": "soon"}, 30),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "86400"}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], expected: float | None) -> None:
    """Gateways in front of HighQ send it; HighQ's own reset is more exact."""
    assert read_response(503, headers, b"", NOW).retry_after == expected


@pytest.mark.parametrize(("text", "expected"), [("7", 7), ("0", 0), ("-1", None), ("x", None)])
def test_the_requests_that_are_left_are_read(text: str, expected: int | None) -> None:
    """Where HighQ tells them, its limit is never hit."""
    assert read_response(200, {"x-ratelimit-remaining": text}, b"", NOW).remaining == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [("0", 0.0), ("3599", 3599.0), ("3600", 3600.0), ("3601", None)]
)
def test_a_limit_that_reopens_after_an_hour_is_a_misread_header(
    seconds: str, expected: float | None
) -> None:
    """An hour is the most that a run waits for one window."""
    assert read_response(429, {"retry-after": seconds}, b"", NOW).retry_after == expected


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_picture_is_told_by_its_first_bytes(start: bytes) -> None:
    """HighQ's page calls what it shows a byte stream: its Content-Type is unknown."""
    headers = {"content-type": "application/octet-stream"}
    assert read_response(200, headers, start + b"rest", NOW).body is Body.IMAGE
