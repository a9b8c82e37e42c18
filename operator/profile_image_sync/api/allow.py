"""Hosts that an installation allows in a spec. Operator and worker both check them.

Without this, whoever may write a ProfileImageSync could send any Secret of its namespace to a host of
theirs. The commands of a terminal do not check: their user has the Secrets already.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import HostNotAllowed

Patterns = tuple[str, ...]


class Allow(ApiModel):
    """Patterns of hosts; `*` stands for any characters, and case does not matter."""

    highq_hosts: Patterns = ("*.highq.com",)
    """HighQ instances."""
    directory_hosts: Patterns = ("*",)
    """Domain controllers."""
    proxy_hosts: Patterns = ("*",)
    """Proxies to HighQ."""

    def check(self, spec: ProfileImageSyncSpec) -> None:
        """Raise HostNotAllowed, with one line a field, when the spec names a host that is not allowed."""
        refused = [
            f"{field}: the host {host} is not allowed here (allowed: {', '.join(patterns) or 'none'}); "
            f"name another one, or let whoever installed the operator add it to allow.{value} of the chart"
            for field, host, patterns, value in self._hosts(spec)
            if not allows(host, patterns)
        ]
        if refused:
            raise HostNotAllowed("\n".join(refused))

    def _hosts(self, spec: ProfileImageSyncSpec) -> Iterator[tuple[str, str, Patterns, str]]:
        """Yield the field, the host in it, who may be named there, and the chart's value for that."""
        directory, highq = spec.active_directory, spec.highq
        yield "spec.highq.url", _host(highq.url), self.highq_hosts, "highqHosts"
        for position, server in enumerate(directory.servers or ()):
            field = f"spec.activeDirectory.servers[{position}]"
            yield field, _host(server), self.directory_hosts, "directoryHosts"
        if directory.domain:  # DNS names the servers, any below the domain
            below = f"*.{directory.domain}"
            yield "spec.activeDirectory.domain", below, self.directory_hosts, "directoryHosts"
        if highq.proxy:
            yield "spec.highq.proxy.url", _host(highq.proxy.url), self.proxy_hosts, "proxyHosts"


def allows(host: str, patterns: Patterns) -> bool:
    """Tell whether one of the patterns fits the host, whatever the case."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
