"""Hosts that an installation allows in a spec. Operator and worker both check them.

Without this, whoever may write a ProfileImageSync could send any Secret of its namespace to a host of
theirs. The commands of a terminal do not check: their user has the Secrets already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self
from urllib.parse import urlsplit

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import HostNotAllowed

Patterns = tuple[str, ...]

_DEFAULT_PORTS = {"https": 443, "http": 80, "ldaps": 636, "ldap": 389}
_API_SERVER = r"kubernetes(\.default(\.svc(\..+)?)?)?"


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port that a spec names, in lower case."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL that its own field's rule has accepted."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])

    def fits(self, pattern: str) -> bool:
        """Tell whether the pattern, `host` or `host:port`, fits as a whole."""
        host, _, port = pattern.lower().partition(":")
        return _like(self.host, host) and (not port or _like(str(self.port), port))


class Allow(ApiModel):
    """Patterns of hosts, with a port if it matters: `*` stands for any characters, case does not matter.

    Loopback and link-local addresses and the API server's own must be named without a `*`.
    """

    highq_hosts: Patterns = ("*.highq.com",)
    """HighQ instances."""
    directory_hosts: Patterns = ("*",)
    """Domain controllers."""
    proxy_hosts: Patterns = ("*",)
    """Proxies to HighQ."""
    api_server_hosts: Patterns = ()
    """Addresses of the API server. The operator adds those of its own pod."""

    def check(self, spec: ProfileImageSyncSpec) -> None:
        """Raise HostNotAllowed, with one line a field, when the spec names a host that is not allowed."""
        refused = [
            f"{field}: the host {target.host} is not allowed here ({why}); "
            f"name another one, or let whoever installed the operator add it to allow.{value} of the chart"
            for field, target, patterns, value in self._targets(spec)
            if (why := self._refusal(target, patterns))
        ]
        if refused:
            raise HostNotAllowed("\n".join(refused))

    def _refusal(self, target: Target, patterns: Patterns) -> str:
        """Return why the target is not allowed; empty when it is."""
        if not any(target.fits(pattern) for pattern in patterns):
            return f"allowed: {', '.join(patterns) or 'none'}; the port is {target.port}"
        literal = any(target.fits(pattern) for pattern in patterns if "*" not in pattern)
        if not literal and self._is_internal(target.host):
            return "an address of the node or of the API server must be named without a *"
        return ""

    def _is_internal(self, host: str) -> bool:
        return (
            _is_local(host)
            or host in map(str.lower, self.api_server_hosts)
            or re.fullmatch(_API_SERVER, host) is not None
        )

    def _targets(self, spec: ProfileImageSyncSpec) -> Iterator[tuple[str, Target, Patterns, str]]:
        """Yield the field, the target in it, who may be named there, and the chart's value for that."""
        directory, highq = spec.active_directory, spec.highq
        yield "spec.highq.url", Target.of(highq.url), self.highq_hosts, "highqHosts"
        for position, server in enumerate(directory.servers or ()):
            field = f"spec.activeDirectory.servers[{position}]"
            yield field, Target.of(server), self.directory_hosts, "directoryHosts"
        if directory.domain:  # DNS names the servers, any below the domain
            below = Target(f"*.{directory.domain.lower()}", _DEFAULT_PORTS["ldaps"])
            yield "spec.activeDirectory.domain", below, self.directory_hosts, "directoryHosts"
        if highq.proxy:
            proxy = Target.of(highq.proxy.url)
            yield "spec.highq.proxy.url", proxy, self.proxy_hosts, "proxyHosts"


def _like(text: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


def _is_local(host: str) -> bool:
    """Tell loopback, link-local and unspecified addresses, and `localhost`.

    A host that ends in a number is an IPv4 address. `127.1` and `0x7f000001` are other spellings of
    one, which no domain controller needs: they count as local too.
    """
    last = host.rpartition(".")[2]
    if not re.fullmatch("[0-9]+|0x[0-9a-f]*", last):
        return last == "localhost"
    try:
        address = IPv4Address(host)
    except ValueError:
        return True
    return address.is_loopback or address.is_link_local or address.is_unspecified
