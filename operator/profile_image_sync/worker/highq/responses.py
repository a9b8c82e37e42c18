"""One HTTP response, parsed once: status, ref, rate limit, redirect. Pure.

Bodies may hold names and tokens. This type keeps them out of repr, messages and logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

MAX_RETRY_AFTER = 3600.0  # seconds; a rate limit that reopens later than that is a misread header


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request."""

    status: int
    body: bytes = field(default=b"", repr=False)
    ref: int | None = None  # HighQ's error code, not the HTTP status
    error_number: int | None = None  # HighQ's support can look it up
    retry_after: float | None = None  # 429: seconds until the rate limit's window ends
    redirect_host: str | None = None  # 3xx: the host it points to
    is_html: bool = False  # HTML where JSON was asked for: not HighQ, something in front of it

    def __str__(self) -> str:
        """Return what may be told of it, e.g. "HTTP 400, ref 401, error 1885"."""
        ref = f", ref {self.ref}" if self.ref is not None else ""
        number = f", error {self.error_number}" if self.error_number is not None else ""
        return f"HTTP {self.status}{ref}{number}"


def read_response(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Response:
    """Read a response. `headers` are looked up in lower case; `now` is our own clock."""
    error = _error(body) if status >= HTTPStatus.BAD_REQUEST else {}
    return Response(
        status=status,
        body=body,
        ref=_whole(error.get("ref")),
        error_number=_whole(str(error.get("link", "")).rpartition("/")[2]),
        retry_after=_retry_after(headers, now),
        redirect_host=_host(headers.get("location", "")),
        is_html=bool(body) and headers.get("content-type", "").startswith("text/html"),
    )


def _error(body: bytes) -> Mapping[str, object]:
    """Return the inside of `{"error": {"summary", "ref", "link"}}`, or nothing."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Count from the response's own Date to X-Ratelimit-Reset (epoch seconds): clocks differ."""
    try:
        reset = datetime.fromtimestamp(float(headers["x-ratelimit-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    with suppress(KeyError, ValueError):  # without a Date, our own clock must do
        now = parsedate_to_datetime(headers["date"]).astimezone(UTC)
    seconds = (reset - now).total_seconds()
    return seconds if 0 <= seconds <= MAX_RETRY_AFTER else None
