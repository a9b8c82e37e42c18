"""Opens a verified TLS connection to one server, with ldap3 on top of it. It sends no password.

The standard library opens the socket and verifies the certificate; ldap3 only speaks LDAP over it.
ldap3's own TLS does not verify by default, and its errors hide what went wrong.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from ldap3 import ANONYMOUS, NONE, SYNC, Connection, Server
from ldap3.core.exceptions import LDAPException, LDAPOperationResult
from ldap3.strategy.sync import SyncStrategy

from profile_image_sync.errors import DirectoryUntrusted, InvalidSpec

CONNECT_SECONDS = 10
KEEPALIVE_SECONDS = 60
ANSWER_SECONDS = 150  # Active Directory gives up on a page itself after 120 s (MaxQueryDuration)

_GLOBAL_CATALOG = (3268, 3269)
_START_TLS = "1.3.6.1.4.1.1466.20037"
_TLS_RECORD = 16_384
_SEARCH_RESULT_ENTRY = 4

# OpenSSL's X509_V_ERR_* codes that have a remedy of their own
_EXPIRED = 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)

# What ldap3's decoder falls over with when an answer is malformed, besides its own errors.
LDAP_ERRORS = (LDAPException, LookupError, TypeError, ValueError)


class Unreachable(Exception):  # caught by the session, which tries the next server
    """This server did not answer: the next one may."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One entry of `spec.activeDirectory.servers`."""

    url: str
    host: str
    port: int
    start_tls: bool

    @classmethod
    def parse(cls, url: str, index: int) -> Self:
        """Read ldaps://host or ldap://host (StartTLS), with a port if need be."""
        parts = urlsplit(url)
        start_tls = parts.scheme == "ldap"
        port = parts.port or (389 if start_tls else 636)
        if port in _GLOBAL_CATALOG:
            raise InvalidSpec(
                f"spec.activeDirectory.servers[{index}]: port {port} is the global catalog, which "
                "does not hold pictures; use 636, or leave the port out"
            )
        return cls(url, parts.hostname or "", port, start_tls)


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a context that verifies servers against the bundle (PEM), or the system's store if None.

    Raises InvalidSpec for a bundle without certificates: it must not fall back to the system's store.
    """
    if ca_bundle is not None:
        # comments in it may be in any language; "" would mean the system's store
        ca_bundle = ca_bundle.encode("ascii", "ignore").decode() + "\n"
    try:
        context = ssl.create_default_context(cadata=ca_bundle)
    except ssl.SSLError as error:
        raise InvalidSpec(
            "spec.activeDirectory.caBundleRef: holds no certificate in PEM that can be read"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # names stand in the SAN, as RFC 9525 has it
    return context


def open_connection(address: ServerAddress, context: ssl.SSLContext) -> Connection:
    """Connect, verify the server, and return an open ldap3 connection that is not bound yet.

    Raises Unreachable when the server does not answer, DirectoryUntrusted when it does not prove its name.
    """
    try:
        return _connect(address, context)
    except ssl.SSLCertVerificationError as error:
        raise DirectoryUntrusted(_certificate_error(address, error)) from error
    except ssl.SSLError as error:
        raise Unreachable(f"no TLS on port {address.port} ({error.reason})") from error
    except (OSError, UnicodeError) as error:  # the latter: no host can be called so
        raise Unreachable(getattr(error, "strerror", None) or str(error)) from error


def _connect(address: ServerAddress, context: ssl.SSLContext) -> Connection:
    with ExitStack() as on_error:
        plain = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
        on_error.callback(plain.close)
        _keep_alive(plain)
        connection = _ldap_on(plain)
        if address.start_tls:
            _start_tls(address, connection)
        connection.socket = context.wrap_socket(plain, server_hostname=address.host)
        connection.socket.settimeout(ANSWER_SECONDS)
        on_error.pop_all()
    return connection


def _keep_alive(plain: socket.socket) -> None:
    """Have the kernel send probes, so that no firewall on the way forgets an idle connection."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)


def describe_error(error: BaseException) -> str:
    """Describe an error without the server's own text, which may name people."""
    if isinstance(error, LDAPOperationResult):
        return f"{error.description} ({error.result})"
    if isinstance(error, LDAPException):
        return str(error)
    return f"an answer that is not LDAP ({type(error).__name__})"


class RawValueStrategy(SyncStrategy):
    """ldap3's synchronous strategy that leaves attribute values as raw bytes.

    ldap3 keeps a second, decoded copy of every value, pictures too: half of its time and memory.
    """

    def begin(self) -> None:
        """Mark the strategy as open: the socket is already connected."""
        self.socket_size = _TLS_RECORD
        self._outstanding: dict[int, Any] = {}

    def decode_response_fast(self, ldap_message: Any) -> Any:
        """Return an entry's values by lower-case attribute name; other answers as ldap3 does."""
        if ldap_message["protocolOp"] != _SEARCH_RESULT_ENTRY:
            return super().decode_response_fast(ldap_message)  # type: ignore[no-untyped-call]
        attributes = ldap_message["payload"][1][3]
        entry = {
            attribute[3][0][3].decode().lower(): [value[3] for value in attribute[3][1][3]]
            for attribute in attributes
        }
        return {"type": "searchResEntry", "entry": entry}


def _ldap_on(sock: socket.socket) -> Connection:
    """Return an ldap3 connection on a connected socket."""
    connection = Connection(
        Server(
            "connected", get_info=NONE, allowed_referral_hosts=[]
        ),  # a name that is never resolved
        authentication=ANONYMOUS,  # until the bind
        client_strategy=SYNC,
        auto_bind=False,
        auto_referrals=False,  # or the password would go to any host that a referral names
        auto_range=False,
        check_names=False,  # or DNs would be rewritten
        read_only=True,
        raise_exceptions=True,
        return_empty_attributes=False,
    )
    strategy = connection.strategy = RawValueStrategy(connection)
    strategy.begin()
    connection.send = strategy.send
    connection.get_response = strategy.get_response
    connection.post_send_single_response = strategy.post_send_single_response
    connection.post_send_search = strategy.post_send_search
    connection.socket, connection.closed, connection.listening = sock, False, True
    return connection


def _start_tls(address: ServerAddress, connection: Connection) -> None:
    """Send StartTLS: nothing else is ever sent in clear text."""
    try:
        connection.extended(_START_TLS)
    except LDAPOperationResult as error:
        raise DirectoryUntrusted(
            f"{address.url} offers no StartTLS ({describe_error(error)}), so nothing was sent to it; "
            "install a certificate there, or use an ldaps:// address in spec.activeDirectory.servers"
        ) from error
    except LDAP_ERRORS as error:
        raise Unreachable(describe_error(error)) from error


def _certificate_error(address: ServerAddress, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        cause, remedy = "has expired", "renew it on the server"
    elif error.verify_code in _UNKNOWN_AUTHORITY:
        cause = "comes from an authority that is not trusted"
        remedy = "put that authority's certificate where spec.activeDirectory.caBundleRef points"
    elif error.verify_code in _OTHER_NAME:
        cause = f"does not prove the name {address.host}"
        remedy = "write a name that it holds in spec.activeDirectory.servers, or issue another one"
    else:
        cause, remedy = f"is not valid: {error.verify_message}", "replace it on the server"
    return f"the certificate of {address.url} {cause}; {remedy}. No password was sent"
