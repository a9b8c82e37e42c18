"""Where `check` finds what a run on this machine would: the manifest, and files of one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from profile_image_sync.api.state_header import new_header
from profile_image_sync.local.check import Surroundings
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.local.manifest import Manifest


def on_this_machine(
    manifest: Manifest, folder: Path, secret_folders: Mapping[str, Path]
) -> Surroundings:
    """Return the surroundings of `sync -f` with this manifest and state."""

    @contextmanager
    def state() -> Iterator[FolderStore | None]:
        if not folder.is_dir():
            yield None
            return
        with FolderStore.open(folder) as store:
            yield None if store.is_new() else store

    @contextmanager
    def using_token() -> Iterator[None]:
        with FolderStore.open(folder) as store:
            if store.is_new():  # or the next run would take the folder for one that lost its state
                store.initialise(new_header(uuid4()))
            yield

    return Surroundings(
        references=manifest.references(secret_folders),
        tokens=FolderTokenStore(folder),
        state=state,
        using_token=using_token,
    )
