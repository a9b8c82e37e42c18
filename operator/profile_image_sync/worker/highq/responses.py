"""One HTTP response, parsed once: status, ref, rate limit, redirect. Pure.

Bodies may hold names and tokens. This type keeps them out of repr, messages and logs.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from urllib.parse import urlsplit

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")  # how pictures begin
MAX_RETRY_AFTER = 3600.0  # seconds; a rate limit that reopens later than that is a misread header


class Body(Enum):
    """What a body is, whatever its Content-Type claims."""

    EMPTY = auto()
    JSON = auto()
    XML = auto()  # HighQ's other format, although we ask for JSON
    HTML = auto()  # not HighQ: a gateway or a login page in front of it
    IMAGE = auto()
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request."""

    status: int
    content: bytes = field(default=b"", repr=False)
    body: Body = Body.EMPTY
    document: object = field(default=None, repr=False)  # of a JSON body
    is_error: bool = False  # the body says so, whatever the status
    ref: int | None = None  # HighQ's error code, not the HTTP status
    error_number: int | None = None  # HighQ's support can look it up
    retry_after: float | None = (
        None  # seconds until the rate limit's window ends, where HighQ tells
    )
    remaining: int | None = None  # requests that it still takes until then
    redirect_host: str | None = None  # 3xx: the host it points to

    def __str__(self) -> str:
        """Return what may be told of it, e.g. "HTTP 400, ref 401, error 1885"."""
        ref = f", ref {self.ref}" if self.ref is not None else ""
        number = f", error {self.error_number}" if self.error_number is not None else ""
        page = " with a web page" if self.body is Body.HTML else ""
        return f"HTTP {self.status}{page}{ref}{number}"


def read_response(
    status: int, headers: Mapping[str, str], content: bytes, now: datetime
) -> Response:
    """Read a response. `headers` are looked up in lower case; `now` is our own clock."""
    body, document = _parse(content, headers.get("content-type", "").lower())
    error = _json_error(document) if body is Body.JSON else _xml_error(content, body)
    return Response(
        status=status,
        content=content,
        body=body,
        document=document,
        is_error=error is not None,
        ref=_whole((error or {}).get("ref")),
        error_number=_whole(str((error or {}).get("link", "")).rpartition("/")[2]),
        retry_after=_retry_after(headers, now),
        remaining=_whole(headers.get("x-ratelimit-remaining")),
        redirect_host=_host(headers.get("location", "")),
    )


def _parse(content: bytes, content_type: str) -> tuple[Body, object]:
    if content_type.startswith("image/") or content.startswith(_PICTURES):
        return Body.IMAGE, None
    start = content[:1024].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if not start:
        return Body.EMPTY, None
    if start.startswith(b"<") or content_type.startswith("text/html"):
        is_xml = ("xml" in content_type or start.startswith(b"<?xml")) and b"<html" not in start
        return (Body.XML if is_xml else Body.HTML), None
    try:
        return Body.JSON, json.loads(content)
    except (ValueError, RecursionError):  # the latter: nested without end
        return Body.UNREADABLE, None


def _json_error(document: object) -> Mapping[str, object] | None:
    """Return the inside of `{"error": {"summary", "ref", "link"}}`; None if this is no error."""
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return error
    return document if error or document.get("ref") is not None else None


def _xml_error(content: bytes, body: Body) -> Mapping[str, object] | None:
    """Return the same of `<error><summary/><ref/><link/></error>`, which needs no XML parser."""
    if body is not Body.XML or not re.match(rb"\s*(<\?xml[^>]*>)?\s*<error[\s/>]", content):
        return None
    found = re.findall(rb"<(ref|link)>([^<]*)</", content[:4096])
    return {name.decode(): text.decode(errors="replace") for name, text in found}


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read X-Ratelimit-Reset (epoch seconds), else Retry-After (seconds, or a date).

    Times count from the response's own Date: clocks differ.
    """
    with suppress(KeyError, ValueError):  # without a Date, our own clock must do
        now = parsedate_to_datetime(headers["date"]).astimezone(UTC)
    retry_after = headers.get("retry-after", "").strip()
    seconds: float | None = None
    with suppress(KeyError, ValueError, OverflowError, OSError):
        reset = datetime.fromtimestamp(float(headers["x-ratelimit-reset"]), UTC)
        seconds = (reset - now).total_seconds()
    if seconds is None and re.fullmatch("[0-9]{1,9}", retry_after):
        seconds = float(retry_after)
    if seconds is None:
        with suppress(ValueError, TypeError):
            moment = parsedate_to_datetime(retry_after).astimezone(UTC)
            seconds = (moment - now).total_seconds()
    return seconds if seconds is not None and 0 <= seconds <= MAX_RETRY_AFTER else None
