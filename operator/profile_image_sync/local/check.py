"""`check`: one line for each thing that a run needs, in the order in which it would fail.

Changes nothing. HighQ's refresh token is used up only if the caller says so, because it works once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.errors import MissingReference, SyncError
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.local.manifest import Manifest
from profile_image_sync.local.probe import CheckResult, CheckStatus, probe
from profile_image_sync.worker.connections import open_directory, open_highq, token_expiry
from profile_image_sync.worker.directory.connection import ServerAddress, tls_context
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import Holders, Matcher
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.references import References, require_references

EXPIRES_SOON = timedelta(days=30)
HTTPS = 443


def check(
    manifest: Manifest, *, folder: Path, secret_folders: Mapping[str, Path], use_token: bool
) -> Iterator[CheckResult]:
    """Yield the results as they are found."""
    spec, references = manifest.resource.spec, manifest.references(secret_folders)
    try:
        require_references(spec, references)
    except MissingReference as error:
        for line in str(error).splitlines():
            yield CheckResult("references", CheckStatus.FAILED, line)
        return
    yield CheckResult("references", CheckStatus.OK, "every Secret and ConfigMap has its keys")
    yield from _servers(spec, references)
    people: list[Person] = []
    yield from _directory(spec, references, people)
    yield from _state(folder)
    yield from _highq_network(spec, references)
    tokens = FolderTokenStore(folder)
    yield _token(spec, references, tokens)
    if use_token:
        yield from _highq(spec, references, tokens, people, folder)
    else:
        text = "users are not listed, rights and matches not tried: add --use-token (it uses up the token)"
        yield CheckResult("HighQ", CheckStatus.SKIPPED, text)


def _servers(spec: ProfileImageSyncSpec, references: References) -> Iterator[CheckResult]:
    bundle = spec.active_directory.ca_bundle_ref
    pem = references.read(bundle.kind, bundle.name, bundle.key) if bundle else None
    try:
        context = tls_context(pem)
        servers = [
            ServerAddress.parse(url, i) for i, url in enumerate(spec.active_directory.servers or ())
        ]
    except SyncError as error:
        yield CheckResult("servers", CheckStatus.FAILED, str(error))
        return
    for server in servers:
        yield from probe(server.host, server.port, None if server.start_tls else context)


def _directory(
    spec: ProfileImageSyncSpec, references: References, people: list[Person]
) -> Iterator[CheckResult]:
    """Bind, read the scope, and collect the people."""
    try:
        with open_directory(spec, references) as directory:
            domain = directory.domain
            yield CheckResult("bind", CheckStatus.OK, f"signed in to {domain.name} ({domain.guid})")
            people += directory.people()
    except SyncError as error:
        yield CheckResult("directory", CheckStatus.FAILED, f"{error.reason}: {error}")
        return
    status = CheckStatus.OK if people else CheckStatus.FAILED
    text = f"{len(people)} people in searchBases, userFilter and groups"
    yield CheckResult("scope", status, text if people else f"{text}; widen the scope")
    for name in spec.active_directory.image_attributes:
        found = sum(name in person.images for person in people)
        text = f"{name}: {found} of {len(people)} people have a picture"
        if not found:
            text += "; let the account read this attribute, or take it out of imageAttributes"
        yield CheckResult("pictures", CheckStatus.OK if found else CheckStatus.WARNING, text)


def _state(folder: Path) -> Iterator[CheckResult]:
    if not folder.is_dir():
        text = f"there is none in {folder}: the next run is a first sync"
        yield CheckResult("state", CheckStatus.OK, text)
        return
    try:
        with FolderStore.open(folder) as store:
            if store.is_new():
                text = f"there is none in {folder}: the next run is a first sync"
            else:
                ledger = Ledger.open(store, expected_id=None)
                text = f"{ledger.header.id} in {folder} is complete, with {ledger.people} people"
    except SyncError as error:
        yield CheckResult("state", CheckStatus.FAILED, f"{error.reason}: {error}")
        return
    yield CheckResult("state", CheckStatus.OK, text)


def _highq_network(spec: ProfileImageSyncSpec, references: References) -> Iterator[CheckResult]:
    if spec.highq.proxy:
        text = f"HighQ is reached through {spec.highq.proxy.url}: DNS, TCP and TLS are the proxy's"
        yield CheckResult("proxy", CheckStatus.SKIPPED, text)
        return
    parts, bundle = urlsplit(spec.highq.url), spec.highq.ca_bundle_ref
    try:
        pem = references.read(bundle.kind, bundle.name, bundle.key) if bundle else None
        context = tls_context(pem)
    except SyncError as error:
        yield CheckResult("TLS", CheckStatus.FAILED, str(error))
        return
    yield from probe(parts.hostname or "", parts.port or HTTPS, context)


def _token(
    spec: ProfileImageSyncSpec, references: References, tokens: FolderTokenStore
) -> CheckResult:
    expiry = token_expiry(spec, references, tokens)
    if expiry is None:
        text = f"no token pair of this refreshToken is stored in {tokens.file.parent} yet"
        return CheckResult("token", CheckStatus.OK, text)
    left = expiry - datetime.now(UTC)
    text = f"the stored refresh token expires on {expiry:%Y-%m-%d}"
    if left > EXPIRES_SOON:
        return CheckResult("token", CheckStatus.OK, text)
    text += "; a run renews it" if left > timedelta() else "; authorise again (docs/authorise.md)"
    status = CheckStatus.WARNING if left > timedelta() else CheckStatus.FAILED
    return CheckResult("token", status, text)


def _highq(
    spec: ProfileImageSyncSpec,
    references: References,
    tokens: FolderTokenStore,
    people: Sequence[Person],
    folder: Path,
) -> Iterator[CheckResult]:
    """List HighQ's users, as a run does, and match. The new token pair is kept with a state, for the run."""
    stop = threading.Event()
    try:
        with (
            FolderStore.open(folder) as store,
            open_highq(spec, references, tokens, stop, on_first_refresh=lambda: None) as highq,
        ):
            if store.is_new():  # or the next run would take the folder for one that lost its state
                store.initialise(new_header(uuid4()))
            accounts = highq.accounts()
    except SyncError as error:
        yield CheckResult("HighQ", CheckStatus.FAILED, f"{error.reason}: {error}")
        return
    active = sum(account.active for account in accounts)
    text = f"the account may list users: {len(accounts)}, {active} of them active"
    yield CheckResult("HighQ", CheckStatus.OK, text)
    yield _fields(accounts)
    keys = [rule.highq for rule in spec.highq.match]
    matcher = Matcher(
        people,
        accounts,
        keys,
        holders=Holders(),
        record_of=lambda _: PersonRecord(),
        release=False,
    )
    with_picture = [person for person in people if person.source]
    matched = sum(matcher.match(person.guid, None).account is not None for person in with_picture)
    text = f"{matched} of {len(with_picture)} people with a picture have a HighQ user of their own"
    enough = matched * 100 >= len(with_picture) * spec.safety.min_matched_percent
    if not enough:
        text += "; check spec.highq.match (profile-image-sync plan shows who has none)"
    yield CheckResult("match", CheckStatus.OK if enough else CheckStatus.WARNING, text)


def _fields(accounts: Sequence[Account]) -> CheckResult:
    pictures = any(account.has_picture is not None for account in accounts)
    dates = any(account.created is not None for account in accounts)
    text = f"avatar: {'yes' if pictures else 'no'}, createddate: {'yes' if dates else 'no'}"
    if not pictures:
        text += "; firstSync: FillEmpty cannot be used"
    return CheckResult("user list", CheckStatus.OK if pictures else CheckStatus.WARNING, text)
