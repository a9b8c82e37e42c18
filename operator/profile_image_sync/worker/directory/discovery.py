"""Finds the domain controllers of a domain by its DNS SRV records. The only module that imports dnspython.

Apart, because DNS proves nothing: a record may name any host, and the password goes to the host that it
names. So only hosts below the domain itself are used, over verified TLS like all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import structlog
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from profile_image_sync.errors import DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory.connection import ServerAddress

LIFETIME_SECONDS = 20  # for a query, with all its retries

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """Where a service is offered; the port is that of clear-text LDAP, which is not used."""

    priority: int
    weight: int
    target: str


def discover(domain: str, rng: Random) -> list[ServerAddress]:
    """Return the domain controllers of a domain, in the order in which they are to be tried.

    Raises DirectoryMisconfigured when DNS names none below the domain, DirectoryUnavailable when DNS does not
    respond.
    """
    return [
        ServerAddress.parse(f"ldaps://{record.target}", 0)
        for record in in_order(_below(domain, _query(domain)), rng)
    ]


def in_order(records: Sequence[SrvRecord], rng: Random) -> list[SrvRecord]:
    """Return records by priority, those of one priority drawn by weight, as RFC 2782 has it."""
    left, ordered = sorted(records, key=lambda record: (record.priority, record.target)), []
    while left:
        best = [record for record in left if record.priority == left[0].priority]
        (drawn,) = rng.choices(best, [record.weight or 0.01 for record in best])
        left.remove(drawn)
        ordered.append(drawn)
    return ordered


def _query(domain: str) -> list[SrvRecord]:
    name = f"_ldap._tcp.dc._msdcs.{domain}."
    try:
        answer = Resolver().resolve(name, "SRV", lifetime=LIFETIME_SECONDS)
    except (NXDOMAIN, NoAnswer):
        return []
    except (DNSException, OSError) as error:
        raise DirectoryUnavailable(
            f"the DNS does not tell the domain controllers of {domain} ({type(error).__name__} for {name}); "
            "look at the DNS servers of the worker, or list the domain controllers in "
            "spec.activeDirectory.servers"
        ) from error
    return [
        SrvRecord(found.priority, found.weight, str(found.target).rstrip(".").lower())
        for found in answer
    ]


def _below(domain: str, records: Sequence[SrvRecord]) -> list[SrvRecord]:
    """Return the records whose host lies below the domain; others are told, and not used."""
    kept = [record for record in records if record.target.endswith(f".{domain.lower()}")]
    others = sorted({record.target for record in records} - {record.target for record in kept})
    if others:
        log.warning("domain controllers outside of the domain are not used", hosts=others)
    if not kept:
        found = f"it names only {', '.join(others)}" if others else "it has no such SRV record"
        raise DirectoryMisconfigured(
            f"the DNS names no domain controller below {domain}: {found} "
            f"(_ldap._tcp.dc._msdcs.{domain}); correct spec.activeDirectory.domain, or list the "
            "domain controllers in spec.activeDirectory.servers"
        )
    return kept
