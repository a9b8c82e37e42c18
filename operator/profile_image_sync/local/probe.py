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


def probe(host: str, port: int, context: ssl.SSLContext | None) -> Iterator[CheckResult]:
    """Try DNS, TCP and, with a context, TLS; the first failure is the last result."""
    place = f"{host}:{port}"
    try:
        found = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port)})
    except OSError as error:
        text = f"{host}: {error.strerror or error}; correct the name, or the DNS of this machine"
        yield CheckResult("DNS", CheckStatus.FAILED, text)
        return
    yield CheckResult("DNS", CheckStatus.OK, f"{host} is {', '.join(found)}")
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
            yield CheckResult("TCP", CheckStatus.OK, place)
            if context:
                with context.wrap_socket(connection, server_hostname=host) as secured:
                    yield _certificate(place, secured)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        text = f"{place}: {reason}; check caBundleRef, and the names in the server's certificate"
        yield CheckResult("TLS", CheckStatus.FAILED, text)
    except OSError as error:
        text = f"{place}: {error.strerror or error}; open the firewall, or correct host and port"
        yield CheckResult("TCP", CheckStatus.FAILED, text)


def _certificate(place: str, connection: ssl.SSLSocket) -> CheckResult:
    certificate = connection.getpeercert() or {}
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    text = f"{place}: {connection.version()}, certificate until {end:%Y-%m-%d}"
    soon = end - datetime.now(UTC) < SOON
    if soon:
        text += "; renew it"
    return CheckResult("TLS", CheckStatus.WARNING if soon else CheckStatus.OK, text)
