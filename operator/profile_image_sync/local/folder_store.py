"""The state as files of one folder, locked by one process; the counterpart of pod/configmap_store.py."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

from profile_image_sync.api.state_header import (
    StateHeader,
    decode_header,
    encode_header,
    new_header,
)
from profile_image_sync.errors import (
    Busy,
    StateDamaged,
    StateMismatch,
    StateMissing,
    StateUnavailable,
)
from profile_image_sync.local.files import UNFINISHED, write_file

_HEADER = "state"
_LOCK = "lock"


class FolderStore:
    """State in a folder: the header in `state`, the shards in `state-000` and so on."""

    def __init__(self, path: Path) -> None:
        """Take a folder that `open` has locked."""
        self._path = path

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Lock the folder for this process; a missing folder is made, readable by its owner only.

        Raises Busy when another process has locked it, StateUnavailable when it cannot be used.
        """
        with _explaining(path, "opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            # the file is never removed: that would allow two locks
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _explaining(path, "locked"):
                _lock(lock, path)
            yield cls(path)
        finally:
            os.close(lock)

    @property
    def where(self) -> str:
        """The folder, for messages."""
        return f"folder {self._path}"

    def is_new(self) -> bool:
        """Return whether there is no state yet.

        Raises StateMissing when the folder holds other files but no header: a lost header must not
        lead to a first sync.
        """
        with _explaining(self._path, "read"):
            names = {entry.name for entry in self._path.iterdir()}
        if _HEADER in names:
            return False
        others = sorted(name for name in names if name != _LOCK and not name.endswith(UNFINISHED))
        if others:
            raise StateMissing(
                f"{self.where} is not empty (it holds {others[0]!r}) but has no file {_HEADER!r}: "
                "restore it from a backup or with `profile-image-sync state import`, or name an empty "
                "folder with --state to begin a first sync anew"
            )
        return True

    def initialise(self, header: StateHeader) -> None:
        """Begin a state. Raises StateMismatch if there is one already, and what `is_new` raises."""
        if not self.is_new():
            raise StateMismatch(
                f"{self.where} holds a state already: name an empty folder with --state"
            )
        self.write_header(encode_header(header))

    def begin_anew(self, lost: UUID) -> bool:
        """Begin a state in place of a lost or given-up one; what is left of that is put aside, not removed.

        Good once: False, and nothing is changed, when another state is here, or one that was begun so.
        """
        data = self.read_header()
        with suppress(StateDamaged):
            if data is not None and decode_header(data, self.where).id != lost:
                return False
        with _explaining(self._path, "put aside"):
            aside = self._path / f"given-up-{lost}"
            aside.mkdir(mode=0o700, exist_ok=True)
            for path in (self._path / _HEADER, *self._path.glob(f"{_HEADER}-[0-9][0-9][0-9]")):
                if path.exists():
                    path.replace(aside / path.name)
        self.write_header(encode_header(new_header(uuid4(), replaces=lost)))
        return True

    def header(self) -> StateHeader:
        """Return the header, decoded. Raises StateMissing, and what decode_header raises."""
        data = self.read_header()
        if data is None:
            raise StateMissing(f"there is no state in {self.where}: name its folder with --state")
        return decode_header(data, self.where)

    def read_header(self) -> bytes | None:
        """Return the header; None: there is none."""
        return self._read(self._path / _HEADER)

    def read_shard(self, index: int) -> bytes | None:
        """Return this shard; None: there is none."""
        return self._read(self._path / _shard_name(index))

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        self._replace(self._path / _HEADER, data)

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace this shard, or make it."""
        self._replace(self._path / _shard_name(index), data)

    def _read(self, path: Path) -> bytes | None:
        with _explaining(path, "read"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def _replace(self, path: Path, data: bytes) -> None:
        with _explaining(path, "written"):
            write_file(path, data)


def _shard_name(index: int) -> str:
    return f"{_HEADER}-{index:03d}"


@contextmanager
def _explaining(path: Path, verb: str) -> Iterator[None]:
    """Turn an OSError into StateUnavailable with path, cause and remedy."""
    try:
        yield
    except OSError as error:
        raise StateUnavailable(
            f"{path} could not be {verb}: {error.strerror or error}. Check the disk's free space and the "
            "folder's owner and permissions, or name another folder with --state"
        ) from error


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(
            f"another run is using the state in folder {path}: wait until it has ended, or name another "
            "folder with --state"
        ) from None
