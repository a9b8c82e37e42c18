"""The ASGI application (API, control API, pages), and uvicorn to serve it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import control, dispatch, pages
from .faults import TRANSPORT
from .instances import Instances

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def build(instances: Instances) -> ASGIApp:
    """Put the application together."""
    app = Starlette(
        routes=[
            *control.routes(),
            *pages.routes(),
            Route("/{instance}/{rest:path}", dispatch.respond, methods=METHODS),  # into the audit
        ]
    )
    app.state.instances = instances
    return _with_transport(app)


def serve(app: ASGIApp, host: str, port: int, certificate: Path | None, key: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; print one line with the address once connections are taken.

    SIGHUP reads the certificate anew.
    Port 0 takes a free one. Without a certificate and its key it is plain HTTP.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # API answers carry the instance's own clock
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    logging.basicConfig(level=logging.WARNING)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named, or asyncio leaves Nagle on: 40 ms for each answer with a body.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        scheme = "https" if certificate else "http"
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        server = _Announcing(config, f"{scheme}://{shown}:{listener.getsockname()[1]}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.stop)
        if certificate:
            signal.signal(signal.SIGHUP, server.read_certificate)
        server.run(sockets=[listener])


class _Announcing(uvicorn.Server):
    """Says when it is ready; ends with exit code 0 when told to stop."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Handle signals before and after uvicorn does, which raises them anew at its end."""
        self.should_exit = True

    def read_certificate(self, _number: int, _frame: FrameType | None) -> None:
        """Use the files as they are now for connections to come, as gateways do after a renewal."""
        assert self.config.ssl
        assert self.config.ssl_certfile
        self.config.ssl.load_cert_chain(self.config.ssl_certfile, self.config.ssl_keyfile)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"HighQ simulator ready at {self._address}", flush=True)  # noqa: T201

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, H11Protocol)
            if connection.cycle is None or connection.cycle.response_complete:
                # Idle. Over TLS a close waits for the client's, which is not listening.
                connection.transport.abort()
        await super().shutdown(sockets)


def _with_transport(app: ASGIApp) -> ASGIApp:
    """Let answers reach the connection below them, to break it: ASGI has no word for that."""

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:  # the server stops while an answer stalls
            scope[TRANSPORT].abort()

    return with_transport
