"""Which domain controllers DNS names, and in which order they are tried."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pytest
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, LifetimeTimeout, NoAnswer, NoNameservers

from profile_image_sync.errors import DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory import discovery
from profile_image_sync.worker.directory.discovery import SrvRecord, discover, in_order


class FakeResolver:
    """Responds with records, or fails."""

    records: tuple[tuple[int, int, str], ...] = ()
    error: type[DNSException] | None = None
    asked: str = ""

    def resolve(self, name: str, kind: str, lifetime: float) -> list[SimpleNamespace]:
        """Return the records as dnspython does."""
        assert (kind, lifetime) == ("SRV", discovery.LIFETIME_SECONDS)
        FakeResolver.asked = name
        if self.error:
            raise self.error
        return [SimpleNamespace(priority=p, weight=w, target=t) for p, w, t in self.records]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> type[FakeResolver]:
    """Give the class of the resolver that is asked."""
    fresh = type("Fresh", (FakeResolver,), {})
    monkeypatch.setattr(discovery, "Resolver", fresh)
    return fresh


def urls(domain: str = "corp.example") -> list[str]:
    """Return the addresses that are tried, in their order."""
    return [server.url for server in discover(domain, random.Random(1))]


def test_domain_controllers_are_tried_by_priority_over_ldaps(dns: type[FakeResolver]) -> None:
    """The lowest first; the port in DNS is that of clear text, which is never used."""
    dns.records = (
        (20, 0, "dc3.corp.example."),
        (0, 5, "DC1.Corp.Example."),
        (10, 1, "dc2.corp.example."),
    )
    assert urls() == [f"ldaps://dc{number}.corp.example" for number in (1, 2, 3)]
    assert FakeResolver.asked == "_ldap._tcp.dc._msdcs.corp.example."


def test_hosts_outside_of_the_domain_are_not_used(dns: type[FakeResolver]) -> None:
    """DNS is no proof: the password would go to any host that a forged record names."""
    dns.records = (
        (0, 0, "evil.example."),
        (0, 0, "corp.example.evil."),
        (0, 0, "evilcorp.example."),
        (9, 0, "dc1.corp.example."),
    )
    assert urls() == ["ldaps://dc1.corp.example"]


@pytest.mark.parametrize("host", ["evil.example.", "corp.example.", "."])
def test_a_domain_that_names_only_others_is_refused(dns: type[FakeResolver], host: str) -> None:
    """The message names what was found, and both remedies; "." says that there is no such service."""
    dns.records = ((0, 0, host),)
    with pytest.raises(DirectoryMisconfigured, match=r"names only.*spec\.activeDirectory\.domain"):
        urls()


@pytest.mark.parametrize("error", [NXDOMAIN, NoAnswer])
def test_a_domain_that_dns_does_not_know_is_refused(
    dns: type[FakeResolver], error: type[DNSException]
) -> None:
    """A typing error, or a DNS server that does not know Active Directory."""
    dns.error = error
    with pytest.raises(
        DirectoryMisconfigured, match=r"no such SRV record.*spec\.activeDirectory\.servers"
    ):
        urls()


@pytest.mark.parametrize("error", [LifetimeTimeout, NoNameservers])
def test_a_dns_server_that_does_not_respond_is_tried_again_later(
    dns: type[FakeResolver], error: type[DNSException]
) -> None:
    """The next run may find it."""
    dns.error = error
    with pytest.raises(DirectoryUnavailable, match="look at the DNS servers of the worker"):
        urls()


def test_weights_share_the_load_among_equals() -> None:
    """As RFC 2782 has it: three quarters for a weight of 75; one without a weight hardly ever comes first."""
    records = [
        SrvRecord(0, 75, "a"),
        SrvRecord(0, 25, "b"),
        SrvRecord(0, 0, "c"),
        SrvRecord(1, 9, "d"),
    ]
    chance = random.Random(7)
    orders = [[record.target for record in in_order(records, chance)] for _ in range(2000)]
    first = Counter(order[0] for order in orders)
    assert 1400 < first["a"] < 1600
    assert first["c"] < 10
    assert {order[3] for order in orders} == {"d"}
    assert {"".join(sorted(order)) for order in orders} == {"abcd"}
