"""What is read from a response, and what is not told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from profile_image_sync.worker.highq.responses import read_response

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
        b"<html>502</html>",
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


def test_the_body_of_a_yes_is_not_searched_for_errors() -> None:
    """A list may hold anything."""
    assert read_response(200, {}, BODY, NOW).ref is None


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
    ("content_type", "body", "is_html"),
    [
        ("text/html; charset=utf-8", b"<html>", True),
        ("text/html", b"", False),
        ("application/json", b"{}", False),
        (None, b"", False),
    ],
)
def test_an_html_page_is_noticed(content_type: str | None, body: bytes, is_html: bool) -> None:
    """We ask for JSON: who responses with a page is not HighQ's API. An empty body is no page."""
    headers = {"content-type": content_type} if content_type else {}
    assert read_response(200, headers, body, NOW).is_html is is_html
