"""The directory's part of `check`: servers, bind, scope, pictures, clock."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import DirectoryMisconfigured, InvalidSpec, SyncError
from profile_image_sync.local.probe import CheckResult, CheckStatus, certificate, probe
from profile_image_sync.worker.connections import open_directory
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.directory.connection import (
    ServerAddress,
    Unreachable,
    open_connection,
    tls_context,
)
from profile_image_sync.worker.directory.discovery import discover
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.references import References

MAX_SKEW = timedelta(
    minutes=5
)  # what Kerberos allows; tokens and certificates have their times, too
MAX_PROBED = 8  # domain controllers that DNS names


def check_directory(
    spec: ProfileImageSyncSpec, references: References, people: list[Person]
) -> Iterator[CheckResult]:
    """Yield the results, and add the people in scope to `people`."""
    yield from _servers(spec, references)
    try:
        with open_directory(spec, references) as directory:
            yield from _opened(spec, directory, people)
    except SyncError as error:
        yield CheckResult("directory", CheckStatus.FAILED, f"{error.reason}: {error}")


def _servers(spec: ProfileImageSyncSpec, references: References) -> Iterator[CheckResult]:
    directory = spec.active_directory
    bundle = directory.ca_bundle_ref
    try:
        context = tls_context(
            references.read(bundle.kind, bundle.name, bundle.key) if bundle else None
        )
        if directory.domain:
            servers = discover(directory.domain, Random())  # noqa: S311  # spreads load
            hosts = ", ".join(server.host for server in servers)
            yield CheckResult("SRV", CheckStatus.OK, f"{directory.domain} is served by {hosts}")
        else:
            found = enumerate(directory.servers or ())
            servers = [ServerAddress.parse(url, index) for index, url in found]
    except SyncError as error:
        yield CheckResult("servers", CheckStatus.FAILED, str(error))
        return
    for server in servers[:MAX_PROBED]:
        results = list(probe(server.host, server.port))
        yield from results
        if results[-1].status is CheckStatus.OK:
            yield _tls(server, context)


def _tls(server: ServerAddress, context: ssl.SSLContext) -> CheckResult:
    """Begin TLS as a run does, by StartTLS where the URL says so; nothing else is sent."""
    try:
        connection = open_connection(server, context)
    except (SyncError, Unreachable) as error:
        return CheckResult("TLS", CheckStatus.FAILED, str(error))
    try:
        return certificate(f"{server.host}:{server.port}", connection.socket)
    finally:
        connection.strategy.close()


def _opened(
    spec: ProfileImageSyncSpec, directory: Directory, people: list[Person]
) -> Iterator[CheckResult]:
    domain = directory.domain
    server, clock = directory.server()
    text = f"signed in to {domain.name} ({domain.guid}) at {server}"
    yield CheckResult("bind", CheckStatus.OK, text)
    yield _clock(server, clock)
    try:
        people += directory.people()
    except (InvalidSpec, DirectoryMisconfigured) as error:
        yield CheckResult("scope", CheckStatus.FAILED, f"{error.reason}: {error}")
        return
    scope = spec.active_directory
    bases = ", ".join(scope.search_bases) or f"{domain.naming_context}, the whole domain"
    yield CheckResult("bases", CheckStatus.OK, f"{bases}; there, and readable")
    text = f"{scope.user_filter or 'none'}; groups: {', '.join(scope.groups) or 'none'}"
    yield CheckResult("filter", CheckStatus.OK, text)
    yield _scope(people)
    for name in spec.active_directory.image_attributes:
        yield _pictures(name, people)
    if shared := _shared(people):
        yield shared


def _clock(server: str, clock: datetime | None) -> CheckResult:
    if clock is None:
        return CheckResult("clock", CheckStatus.WARNING, f"{server} does not tell its time")
    skew = abs(datetime.now(UTC) - clock)
    text = f"{server} and this machine differ by {skew.total_seconds():.0f} s"
    if skew <= MAX_SKEW:
        return CheckResult("clock", CheckStatus.OK, text)
    return CheckResult("clock", CheckStatus.WARNING, f"{text}; set both by NTP")


def _scope(people: list[Person]) -> CheckResult:
    text = f"{len(people)} people in searchBases, userFilter and groups"
    if people:
        return CheckResult("people", CheckStatus.OK, text)
    return CheckResult("people", CheckStatus.FAILED, f"{text}; widen the scope")


def _pictures(name: str, people: list[Person]) -> CheckResult:
    """Count: where nobody has a picture, the account may not read the attribute."""
    found = sum(name in person.images for person in people)
    text = f"{name}: {found} of {len(people)} people have a picture"
    if found:
        return CheckResult("pictures", CheckStatus.OK, text)
    text += "; let the account read this attribute, or take it out of imageAttributes"
    return CheckResult("pictures", CheckStatus.WARNING, text)


def _shared(people: list[Person]) -> CheckResult | None:
    """Tell of a picture that many people have: a logo, by all experience."""
    pictures = Counter(person.source.md5 for person in people if person.source)
    many = [number for number in pictures.values() if number > 1]
    if not many:
        return None
    text = f"{sum(many)} people share {len(many)} pictures; look at sharedBy of `plan --output csv`"
    return CheckResult("pictures", CheckStatus.WARNING, text)
