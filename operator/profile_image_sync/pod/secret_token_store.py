"""HighQ's tokens in the Secret that descends from the seed Secret; its Lease guards the refresh.

All resources that name the same seed share both. Knows nothing of HTTP, nor when to refresh.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from profile_image_sync import names
from profile_image_sync.errors import Busy, StateDamaged, StateUnavailable
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read, update_on_conflict
from profile_image_sync.kube.lease import Lease
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.worker.token_store import StoredTokens, from_json, to_json

WAIT_SECONDS = 120.0  # while another worker refreshes: more than it takes to keep a new pair


class SecretTokenStore:
    """A `TokenStore`."""

    def __init__(
        self, client: ApiClient, *, namespace: str, seed: str, lease: Lease, stop: threading.Event
    ) -> None:
        """Name the seed Secret; nothing is called yet."""
        self._client = client
        self._ref = ObjectRef("Secret", namespace, names.token(seed))
        self._lease = lease
        self._stop = stop

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """See TokenStore. Waits while another worker refreshes."""
        try:
            with self._lease.held(self._stop, wait_seconds=WAIT_SECONDS):
                yield
        except Busy as error:
            raise StateUnavailable(f"the HighQ authorisation is being renewed: {error}") from None

    def read(self) -> StoredTokens | None:
        """See TokenStore."""
        return self._tokens(self._present(read(self._client, self._ref)))

    def check_writable(self) -> None:
        """See TokenStore: a dry-run update goes through all that a real one does."""
        update_on_conflict(self._client, self._ref, self._present, dry_run=True)

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        """See TokenStore."""

        def change(found: DataObject | None) -> DataObject:
            secret = self._present(found)
            if self._is_younger(secret, replaces):
                return secret
            return replace(secret, binary={names.TOKENS_KEY: to_json(tokens).encode()})

        update_on_conflict(self._client, self._ref, change)

    def _present(self, found: DataObject | None) -> DataObject:
        if found is None:
            raise StateUnavailable(
                f"{self._ref.description}, which keeps the HighQ tokens, is not there: the operator makes "
                "it; see whether the operator runs"
            )
        return found

    def _tokens(self, secret: DataObject) -> StoredTokens | None:
        content = secret.binary.get(names.TOKENS_KEY)
        where = self._ref.description
        return from_json(content.decode(errors="replace"), where) if content else None

    def _is_younger(self, secret: DataObject, replaces: StoredTokens | None) -> bool:
        """Tell whether another run has stored a pair since; what cannot be read is no pair."""
        try:
            return self._tokens(secret) not in {None, replaces}
        except StateDamaged:
            return False
