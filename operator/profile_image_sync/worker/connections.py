"""Opens the directory and HighQ as the spec and its Secrets say.

Apart, so that neither package knows the resource's references, and credentials are read at each use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from profile_image_sync.api.highq import Proxy
from profile_image_sync.api.object_references import CABundleRef
from profile_image_sync.api.referenced_keys import PROXY_KEYS
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import SyncError
from profile_image_sync.worker.directory import BindCredentials, Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.oauth import ClientCredentials
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import ProxyAccess
from profile_image_sync.worker.images import largest
from profile_image_sync.worker.references import References, require_references
from profile_image_sync.worker.token_store import TokenStore, stored_expiry


def open_directory(
    spec: ProfileImageSyncSpec, references: References, kind: type[Directory] = Directory
) -> Directory:
    """Bind to the directory. Raises what Directory.connect raises, and MissingReference.

    All references of the spec are checked first, HighQ's too, so that all gaps are told at once. `kind` may
    look on at what is read.
    """
    require_references(spec, references)
    directory = spec.active_directory
    secret = directory.credentials_secret_ref.name

    def credentials() -> BindCredentials:
        return BindCredentials(
            references.read("Secret", secret, "username"),
            references.read("Secret", secret, "password"),
        )

    keys = [rule.active_directory for rule in spec.highq.match]
    bundle = _bundle(directory.ca_bundle_ref, references)
    return kind.connect(directory, keys, credentials, bundle, largest)


def open_highq(
    spec: ProfileImageSyncSpec,
    references: References,
    tokens: TokenStore,
    stop: threading.Event,
    *,
    on_first_refresh: Callable[[], None],
    kind: type[HighQClient] = HighQClient,
) -> HighQClient:
    """Prepare HighQ; nothing is called yet. Raises what HighQClient() raises, and MissingReference.

    `kind` may look on at what is read.
    """
    highq = spec.highq
    secret = highq.credentials_secret_ref.name

    def credentials() -> ClientCredentials:
        return ClientCredentials(
            secret,
            references.read("Secret", secret, "clientId"),
            references.read("Secret", secret, "clientSecret"),
            references.read("Secret", secret, "refreshToken"),
        )

    return kind(
        highq.url,
        endpoint=highq.endpoint,
        credentials=credentials,
        store=tokens,
        timing=Timing(stop),
        requests_per_minute=highq.requests_per_minute,
        ca=_bundle(highq.ca_bundle_ref, references),
        proxy=_proxy_access(highq.proxy, references),
        on_first_refresh=on_first_refresh,
    )


def token_expiry(
    spec: ProfileImageSyncSpec,
    references: References,
    tokens: TokenStore,
    highq: HighQClient | None = None,
) -> datetime | None:
    """Return when the stored HighQ refresh token expires (UTC), whatever the run came to; None if unknown."""
    secret = spec.highq.credentials_secret_ref.name
    try:
        if highq:  # which may have read them already
            return highq.token_expiry()
        return stored_expiry(tokens, references.read("Secret", secret, "refreshToken"))
    except SyncError:
        return None


def _proxy_access(proxy: Proxy | None, references: References) -> ProxyAccess | None:
    if proxy is None or proxy.credentials_secret_ref is None:
        return ProxyAccess(proxy.url) if proxy else None
    username, password = (
        references.read("Secret", proxy.credentials_secret_ref.name, key) for key in PROXY_KEYS
    )
    return ProxyAccess(proxy.url, username, password)


def _bundle(ref: CABundleRef | None, references: References) -> str | None:
    """Return the PEM text of a CA bundle; None: the system's store."""
    return references.read(ref.kind, ref.name, ref.key) if ref else None
