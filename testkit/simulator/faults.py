"""Faulty responses, as networks and gateways produce them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from contextlib import suppress

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .rendering import ApiError, Format, page, render_error
from .schema import Fault

TRANSPORT = "simulator.transport"  # where server.py puts the connection's asyncio transport
HUGE = 16 * 2**20  # bytes of a bomb once unpacked, and of a giant
DRIPS = 10  # pieces a dripping body comes in


class Cut(Response):
    """No answer: the connection breaks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Break the connection and wait until it is gone."""
        scope[TRANSPORT].abort()
        await _gone(receive)


class Stalled(Cut):
    """No answer for a long time, then the connection breaks."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is real time."""
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then break the connection."""
        await _hold(receive, self._seconds)
        await super().__call__(scope, receive, send)


class Spoilt(Response):
    """The base of answers that bring another one in a bad way."""

    def __init__(self, answer: Response, seconds: float = 0) -> None:
        """`seconds` is real time."""
        super().__init__(bytes(answer.body), answer.status_code)
        self.raw_headers = answer.raw_headers
        self._seconds = seconds


class Late(Spoilt):
    """The answer comes after some seconds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        await _hold(receive, self._seconds)
        await super().__call__(scope, receive, send)


class Truncated(Spoilt):
    """The connection closes in the middle of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and half of the body."""
        await _start(self, send)
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[TRANSPORT].close()
        await _gone(receive)


class Dripping(Spoilt):
    """The body comes in small pieces, with a pause before each."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the body drop by drop."""
        await _start(self, send)
        step = max(1, -(-len(self.body) // DRIPS))
        for start in range(0, len(self.body), step):
            await asyncio.sleep(self._seconds)
            drop = self.body[start : start + step]
            await send({"type": "http.response.body", "body": drop, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Overlong(Spoilt):
    """More bytes come than Content-Length says."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and go on."""
        await super().__call__(scope, receive, send)
        scope[TRANSPORT].write(b"<!-- and more -->")


def carries_out(fault: Fault | None) -> bool:
    """Tell whether the call is carried out although there is a fault."""
    return fault is None or fault.landed or fault.kind in {"truncate", "drip", "revoke", "overlong"}


def instead(fault: Fault, form: Format, link: str) -> Response:
    """Build the answer to a call that is not carried out, or whose answer is replaced."""
    match fault.kind:
        case "status":
            refused = ApiError(fault.status, fault.ref, headers=fault.headers)
            return render_error(refused, link, form)
        case "html":
            return page(fault.status, fault.headers)
        case "malformed":
            return Response(fault.body, media_type=fault.content_type or None)
        case "redirect":
            return Response(status_code=307, headers={"Location": fault.location})
        case "stall":
            return Stalled(fault.seconds)
        case "bomb":
            packed = gzip.compress(bytes(HUGE))
            return Response(packed, 200, {"Content-Encoding": "gzip"}, "application/json")
        case "giant":
            return Response(b'"' + b" " * HUGE + b'"', media_type="application/json")
        case _:
            return Cut()


def echo(fault: Fault, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Response:
    """Build an error that repeats what the caller sent, secrets included, as some gateways do."""
    lines = [b"%s: %s" % header for header in headers]
    summary = b"\n".join([*lines, b"", body]).decode("latin-1")
    content = {"error": {"summary": summary, "ref": fault.ref, "link": summary}}
    return JSONResponse(content, fault.status)


def spoil(fault: Fault, answer: Response, form: Format, link: str) -> Response:
    """Spoil the answer to a call that was carried out."""
    match fault.kind:
        case "revoke":
            return answer
        case "truncate":
            return Truncated(answer)
        case "drip":
            return Dripping(answer, fault.seconds)
        case "overlong":
            return Overlong(answer)
        case "stall":
            return Late(answer, fault.seconds)
        case _:
            return instead(fault, form, link)


async def _start(answer: Response, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": answer.raw_headers,
        }
    )


async def _hold(receive: Receive, seconds: float) -> None:
    """Keep the caller waiting, unless it gives up."""
    with suppress(TimeoutError):
        await asyncio.wait_for(_gone(receive), seconds)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
