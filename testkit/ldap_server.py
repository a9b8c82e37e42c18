"""A scripted LDAP server for what Samba cannot be made to do: break off, repeat itself, never end.

It speaks just enough LDAP (RFC 4511) for a bind and searches, and records what clients sent.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

NAMING_CONTEXT = b"DC=ad,DC=test"
DOMAIN_GUID = UUID("11111111-2222-3333-4444-555555555555")
START_TLS = b"1.3.6.1.4.1.1466.20037"
PAGED_RESULTS = b"1.2.840.113556.1.4.319"

SUCCESS = 0
NO_SUCH_OBJECT = 32
INVALID_CREDENTIALS = 49
UNAVAILABLE = 52

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
BIND, SEARCH, EXTENDED, UNBIND = 0x60, 0x63, 0x77, 0x42
BIND_DONE, ENTRY, SEARCH_DONE, EXTENDED_DONE = 0x61, 0x64, 0x65, 0x78
SUBTREE = 2

Attributes = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True)
class PageResponse:
    """One page of a search: entries, the cookie for the next one, the result code."""

    entries: Sequence[Attributes] = ()
    cookie: bytes | None = b""  # None: without the paging control
    result: int = SUCCESS
    cut_after: int | None = None  # close the connection after that many bytes of the page
    garbage: bytes = b""  # sent instead of the page, then the connection is closed


@dataclass
class Script:
    """What the server responds; tests change it, and read what was received."""

    page: Callable[[int], PageResponse] = lambda _: (
        PageResponse()
    )  # by number, from 1, over all searches
    bind_result: int = SUCCESS
    bind_diagnostic: str = ""
    start_tls_result: int = SUCCESS
    entry: Callable[[bytes], Attributes | None] = lambda _: {"objectGUID": [DOMAIN_GUID.bytes_le]}
    # the entry of this DN, which "<GUID=…>" may be; None: there is none
    filter_result: int = SUCCESS  # for a base search with the filter of a scope
    root: dict[str, list[bytes]] = field(
        default_factory=lambda: {"defaultNamingContext": [NAMING_CONTEXT]}
    )
    binds: list[bytes] = field(default_factory=list)  # passwords that were sent
    requests: int = 0  # of any kind, in clear text or not
    pages: int = 0
    searches: list[bytes] = field(default_factory=list)  # subtree searches, as they came
    silent: bool = False  # read requests and respond to none, as a firewall that dropped us


class ScriptedLdapServer:
    """The server: `with ScriptedLdapServer(certificate, key) as server`."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        plain: bool = False,
        client: Callable[..., ScriptedClient] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        """Serve on a free port of the address; `plain`: in clear text until asked for StartTLS.

        `client` responds to one connection; by default as `script` says.
        """
        self.script = Script()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        script = self.script

        self._clients = clients = set[ScriptedClient]()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                served = (client or ScriptedClient)(self.request, script, context, plain=plain)
                clients.add(served)
                try:
                    served.serve()
                finally:
                    clients.discard(served)

        self._server = socketserver.ThreadingTCPServer((address, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        scheme = "ldap" if plain else "ldaps"
        self.url = f"{scheme}://{address}:{self._server.server_address[1]}"

    def disconnect_all(self) -> None:
        """Close all connections, as a domain controller does with idle ones (MaxConnIdleTime)."""
        for client in list(self._clients):
            client.disconnect()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class ScriptedClient:
    """One client's connection."""

    def __init__(
        self, connection: socket.socket, script: Script, context: ssl.SSLContext, *, plain: bool
    ) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Samba does
        self._connection, self._script, self._context = connection, script, context
        self._plain = plain

    def disconnect(self) -> None:
        """Close the connection, from another thread."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Respond until the client disconnects."""
        try:
            if not self._plain:
                self._secure()
            while request := self._received():
                self._script.requests += 1
                if self._script.silent:
                    continue
                if not self._answer(*request):
                    return
        except OSError:
            pass  # the client disconnected, or did not trust the certificate
        finally:
            self._connection.close()

    def _secure(self) -> None:
        self._connection = self._context.wrap_socket(self._connection, server_side=True)

    def _received(self) -> tuple[bytes, int, bytes, bytes] | None:
        """Return message id, operation, its contents and the controls; None when the client left."""
        head = self._exactly(2)
        if len(head) < 2:
            return None
        length = head[1]
        if length & 0x80:
            length = int.from_bytes(self._exactly(length & 0x7F), "big")
        parts = list(_parts(self._exactly(length)))
        controls = parts[2][1] if len(parts) > 2 else b""
        return parts[0][1], parts[1][0], parts[1][1], controls

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := self._connection.recv(count - len(data))):
            data += more
        return data

    def _answer(self, message: bytes, operation: int, body: bytes, _controls: bytes) -> bool:
        """Respond to one request; return False to close the connection."""
        if operation == BIND:
            self._script.binds.append(list(_parts(body))[2][1])
            done = _result(BIND_DONE, self._script.bind_result, self._script.bind_diagnostic)
            self._send(message, done)
        elif operation == EXTENDED:
            self._send(message, _result(EXTENDED_DONE, self._script.start_tls_result))
            if self._script.start_tls_result == SUCCESS:
                self._secure()
        elif operation == SEARCH:
            return self._search(message, body)
        return operation != UNBIND

    def _search(self, message: bytes, body: bytes) -> bool:
        (_, base), (_, scope), *_ = _parts(body)
        if scope[0] == SUBTREE:
            self._script.pages += 1
            self._script.searches.append(body)
            return self._page(message, self._script.page(self._script.pages))
        entry = self._script.entry(base) if base else self._script.root
        code = self._script.filter_result if b"sAMAccountType" in body else SUCCESS
        if entry is None:
            code = NO_SUCH_OBJECT
        else:
            self._send(message, _entry(entry))
        self._send(message, _result(SEARCH_DONE, code))
        return True

    def _page(self, message: bytes, response: PageResponse) -> bool:
        if response.garbage:
            self._connection.sendall(response.garbage)
            return False
        data = b"".join(_message(message, _entry(entry)) for entry in response.entries)
        if response.cut_after is not None:
            self._connection.sendall(data[: response.cut_after])
            return False
        control = b"" if response.cookie is None else _paging(response.cookie)
        self._connection.sendall(data)
        self._send(message, _result(SEARCH_DONE, response.result), control)
        return True

    def _send(self, message: bytes, operation: bytes, controls: bytes = b"") -> None:
        self._connection.sendall(_message(message, operation, controls))


def _tlv(tag: int, *contents: bytes) -> bytes:
    """Encode a value of BER: tag, length, contents."""
    body = b"".join(contents)
    length = len(body)
    if length < 0x80:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Decode a sequence of BER values into tags and contents."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        yield tag, data[at : at + length]
        at += length


def _message(message: bytes, operation: bytes, controls: bytes = b"") -> bytes:
    return _tlv(SEQUENCE, _tlv(INTEGER, message), operation, controls)


def _result(tag: int, code: int, diagnostic: str = "") -> bytes:
    return _tlv(
        tag, _tlv(ENUMERATED, bytes([code])), _tlv(OCTETS), _tlv(OCTETS, diagnostic.encode())
    )


def _entry(attributes: Attributes) -> bytes:
    encoded = [
        _tlv(
            SEQUENCE,
            _tlv(OCTETS, name.encode()),
            _tlv(SET, *(_tlv(OCTETS, value) for value in values)),
        )
        for name, values in attributes.items()
    ]
    return _tlv(ENTRY, _tlv(OCTETS, b"CN=somebody"), _tlv(SEQUENCE, *encoded))


def _paging(cookie: bytes) -> bytes:
    value = _tlv(SEQUENCE, _tlv(INTEGER, b"\x00"), _tlv(OCTETS, cookie))
    return _tlv(0xA0, _tlv(SEQUENCE, _tlv(OCTETS, PAGED_RESULTS), _tlv(OCTETS, value)))
