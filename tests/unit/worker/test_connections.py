"""What a run knows of its HighQ authorisation without calling anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import MissingReference
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.connections import token_expiry
from profile_image_sync.worker.token_store import StoredTokens, fingerprint

EXPIRY = datetime(2027, 3, 1, tzinfo=UTC)
SPEC = ProfileImageSyncSpec.model_validate(
    {
        "schedule": "@daily",
        "activeDirectory": {
            "servers": ["ldaps://dc1.corp.example"],
            "credentialsSecretRef": {"name": "ad-bind"},
        },
        "highq": {
            "url": "https://acme.highq.com/acme",
            "credentialsSecretRef": {"name": "highq-oauth"},
        },
    }
)


@dataclass(frozen=True)
class Secrets:
    """A Secret with this refresh token; None: no Secret."""

    refresh_token: str | None

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """See References."""
        assert (kind, name, key) == ("Secret", "highq-oauth", "refreshToken")
        if self.refresh_token is None:
            raise MissingReference("it is not there")
        return self.refresh_token


@pytest.fixture
def store(tmp_path: Path) -> FolderTokenStore:
    """Give a store with a pair that descends from the seed `s33d`."""
    store = FolderTokenStore(tmp_path)
    store.write(StoredTokens("a", EXPIRY, "r", EXPIRY, fingerprint("s33d")), replaces=None)
    return store


def test_a_run_that_ends_early_knows_the_tokens_expiry(store: FolderTokenStore) -> None:
    """Whatever ended it: the stored pair says so, without a call to HighQ."""
    assert token_expiry(SPEC, Secrets("s33d"), store) == EXPIRY


@pytest.mark.parametrize("refresh_token", ["another seed", None])
def test_the_expiry_of_another_seed_is_not_reported(
    store: FolderTokenStore, refresh_token: str | None
) -> None:
    """An administrator has put in a new one, or took the Secret away: nothing is known."""
    assert token_expiry(SPEC, Secrets(refresh_token), store) is None


def test_a_damaged_store_has_no_expiry(store: FolderTokenStore, tmp_path: Path) -> None:
    """The report of a run is written all the same."""
    (tmp_path / "tokens.json").write_text("{")
    assert token_expiry(SPEC, Secrets("s33d"), store) is None
