"""Looks at one server from the network's side: its name, its port, its certificate.

Apart from the clients, which only say that a connection failed: here each layer is tried on its own.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

TIMEOUT = 5.0  # seconds
SOON = timedelta(days=30)  # a certificate that expires sooner is a warning
_SHOWN_NAMES = 3  # of a certificate


class CheckStatus(StrEnum):
    """Result of one check."""

    OK = "OK"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of `check`: what was looked at, and what was found or is to be done."""

    name: str
    status: CheckStatus
    text: str


def probe(host: str, port: int) -> Iterator[CheckResult]:
    """Try DNS and TCP; the first failure is the last result."""
    place = f"{host}:{port}"
    try:
        found = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port)})
    except (OSError, UnicodeError) as error:  # the latter: no host can be called so
        why = getattr(error, "strerror", None) or error
        text = f"{host}: {why}; correct the name, or the DNS of this machine"
        yield CheckResult("DNS", CheckStatus.FAILED, text)
        return
    yield CheckResult("DNS", CheckStatus.OK, f"{host} is {', '.join(found)}")
    try:
        socket.create_connection((host, port), timeout=TIMEOUT).close()
    except OSError as error:
        text = f"{place}: {error.strerror or error}; open the firewall, or correct host and port"
        yield CheckResult("TCP", CheckStatus.FAILED, text)
        return
    yield CheckResult("TCP", CheckStatus.OK, place)


def probe_tls(host: str, port: int, context: ssl.SSLContext) -> CheckResult:
    """Begin TLS with a server that can be reached, and look at its certificate."""
    place = f"{host}:{port}"
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            return certificate(place, secured)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        text = f"{place}: {reason}; check caBundleRef, and the names in the server's certificate"
        return CheckResult("TLS", CheckStatus.FAILED, text)
    except OSError as error:
        text = f"{place}: {error.strerror or error}; look at the server"
        return CheckResult("TLS", CheckStatus.FAILED, text)


def certificate(place: str, connection: ssl.SSLSocket) -> CheckResult:
    """Tell the names in a verified certificate, and when it expires."""
    found = connection.getpeercert() or {}
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    names = [str(pair[1]) for pair in found.get("subjectAltName", ())]
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    shown = ", ".join(names[:_SHOWN_NAMES]) + more
    text = f"{place}: {connection.version()}, certificate for {shown} until {end:%Y-%m-%d}"
    soon = end - datetime.now(UTC) < SOON
    if soon:
        text += "; renew it"
    return CheckResult("TLS", CheckStatus.WARNING if soon else CheckStatus.OK, text)
