"""HighQ's tokens in the Secret that descends from the seed Secret; its Lease guards the refresh.

All resources that name the same seed share both. Knows nothing of HTTP, nor when to refresh.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from profile_image_sync import names
from profile_image_sync.errors import Busy, StateUnavailable
from profile_image_sync.pod.client import Cluster, ConflictError
from profile_image_sync.pod.lease import Lease
from profile_image_sync.pod.objects import Kind, Record
from profile_image_sync.worker.token_store import StoredTokens, from_json, to_json

PATIENCE_SECONDS = 120.0  # while another worker refreshes: more than it takes to keep a new pair
TRIES = 5  # of one write, while others touch the Secret


class SecretTokenStore:
    """A `TokenStore`."""

    def __init__(self, cluster: Cluster, seed: str, lease: Lease, stop: threading.Event) -> None:
        """Name the seed Secret; nothing is called yet."""
        self._cluster = cluster
        self._name = names.token(seed)
        self._place = cluster.place(Kind.SECRET, self._name)
        self._lease = lease
        self._stop = stop

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """See TokenStore. Waits while another worker refreshes."""
        try:
            with self._lease.held(self._stop, patience=PATIENCE_SECONDS):
                yield
        except Busy as error:
            raise StateUnavailable(f"the HighQ authorisation is being renewed: {error}") from None

    def read(self) -> StoredTokens | None:
        """See TokenStore."""
        return self._tokens(self._record())

    def check_writable(self) -> None:
        """See TokenStore: a dry-run update goes through all that a real one does."""
        for _ in range(TRIES):
            try:
                self._cluster.replace(self._record(), dry_run=True)
            except ConflictError:
                continue
            return
        raise self._contended()

    def write(self, tokens: StoredTokens) -> None:
        """See TokenStore. The pair that HighQ issued last is the one it still knows, so that one stays."""
        content = {names.TOKENS_KEY: to_json(tokens).encode()}
        for _ in range(TRIES):
            record = self._record()
            there = self._tokens(record)
            if there and there.access_expires_at > tokens.access_expires_at:
                return
            try:
                self._cluster.replace(replace(record, binary=content))
            except ConflictError:
                continue
            return
        raise self._contended()

    def _record(self) -> Record:
        record = self._cluster.read(Kind.SECRET, self._name)
        if record is None:
            raise StateUnavailable(
                f"{self._place}, which keeps the HighQ tokens, is not there: the operator makes it; see "
                "whether the operator runs"
            )
        return record

    def _tokens(self, record: Record) -> StoredTokens | None:
        content = record.binary.get(names.TOKENS_KEY)
        return from_json(content.decode(errors="replace"), self._place) if content else None

    def _contended(self) -> StateUnavailable:
        return StateUnavailable(f"{self._place} is being written again and again: see who does")
