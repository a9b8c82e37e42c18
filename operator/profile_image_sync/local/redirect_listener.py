"""Waits on loopback for the browser that HighQ sends back with a code.

Apart from `authorize`, because it is the only place where anything connects to us: it listens on one
address, for one redirect, and shows nothing of what it got.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

from profile_image_sync.errors import InvalidSpec, TransientError
from profile_image_sync.worker.highq.authorization import Redirect

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
POLL_SECONDS = 0.5

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""


class RedirectListener(HTTPServer):
    """Takes one redirect."""

    def __init__(self, address: tuple[str, int], accepts: Callable[[Redirect], bool]) -> None:
        """Listen; `accepts` tells our redirect from another."""
        super().__init__(address, _Handler)
        self.accepts = accepts
        self.found: Redirect | None = None
        self.timeout = POLL_SECONDS

    def wait(self, seconds: float, stopped: Callable[[], bool]) -> Redirect:
        """Return the redirect. Raises TransientError when none comes in time, or we are asked to stop."""
        deadline = time.monotonic() + seconds
        while self.found is None:
            if stopped() or time.monotonic() > deadline:
                raise TransientError("nobody allowed the access in time: run authorize again")
            self.handle_request()
        return self.found


class _Handler(BaseHTTPRequestHandler):
    server: RedirectListener
    timeout = 5  # seconds, for a client that connects and says nothing

    def do_GET(self) -> None:
        """Take a redirect with our state, or without any: HighQ does not return it."""
        redirect = Redirect.read(self.path)
        if redirect is None:
            self._answer(HTTPStatus.NOT_FOUND, "Nothing here", "This address waits for HighQ.")
        elif not self.server.accepts(redirect):
            text = "This redirect answers another request. Start from the address on the terminal."
            self._answer(HTTPStatus.BAD_REQUEST, "Refused", text)
        else:
            self.server.found = redirect
            self._answer(HTTPStatus.OK, "Done", "Close this window and go back to the terminal.")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the address holds the code."""

    def _answer(self, status: HTTPStatus, title: str, text: str) -> None:
        page = _PAGE.format(title=title, text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)


@contextmanager
def listen(redirect: str, accepts: Callable[[Redirect], bool]) -> Iterator[RedirectListener]:
    """Listen where HighQ sends the browser. Raises InvalidSpec when that is not a free loopback address."""
    parts = urlsplit(redirect)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise InvalidSpec(
            f"--redirect {redirect}: must be http:// on this machine (127.0.0.1), or use --paste"
        )
    try:
        listener = RedirectListener((parts.hostname, parts.port or 80), accepts)
    except OSError as error:
        raise InvalidSpec(
            f"--redirect {redirect}: cannot listen there ({error.strerror}); register another address in "
            "HighQ, or use --paste"
        ) from None
    with listener:
        yield listener
