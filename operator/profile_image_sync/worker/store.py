"""Where the state's bytes are kept: one question, answered by a folder here.

Stores know names, atomic writing and locks; not what the bytes mean, nor the order they are
written in (ledger).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

from profile_image_sync.api.state import StateHeader, encode_header
from profile_image_sync.errors import Busy, StateMismatch, StateMissing, StateUnavailable

_HEADER = "state"
_LOCK = "lock"
_UNFINISHED = ".unfinished"  # suffix of a file that is being written


class StateStore(Protocol):
    """Keeps one header and numbered shards. Each write is all or nothing, and lasts.

    Every method raises StateUnavailable when the store cannot be reached, or will not have the
    write just now, with the place and the remedy.
    """

    @property
    def where(self) -> str:
        """The place in words, for messages: "folder /srv/acme", "ConfigMaps of tenant/pisync-acme"."""
        ...

    def read_header(self) -> bytes | None:
        """Return the header; None: there is none."""
        ...

    def read_shard(self, index: int) -> bytes | None:
        """Return this shard; None: there is none."""
        ...

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        ...

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace this shard, or make it."""
        ...


class FolderStore:
    """State in a folder: `state`, `state-000` and so on, beside what else a run keeps there."""

    def __init__(self, path: Path) -> None:
        """Take a folder that `open` has locked."""
        self._path = path

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Hold the folder for this process alone; it is made, for its owner only, if need be.

        Raises Busy when another process holds it, StateUnavailable when it cannot be used.
        """
        with _explaining(path, "opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            # the file stays for ever: removing it would let two runs in
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
        """Tell whether no state was ever here.

        Raises StateMissing when the folder holds anything but a state: one that lost its header is
        no first sync.
        """
        with _explaining(self._path, "read"):
            names = {entry.name for entry in self._path.iterdir()}
        if _HEADER in names:
            return False
        others = sorted(name for name in names if name != _LOCK and not name.endswith(_UNFINISHED))
        if others:
            raise StateMissing(
                f"{self.where} is not empty (it holds {others[0]!r}) but has no file {_HEADER!r}: "
                "restore that file from a backup, or name an empty folder with --state and set "
                "spec.firstSync: Adopt, which leaves people's own pictures alone"
            )
        return True

    def initialise(self, header: StateHeader) -> None:
        """Begin a state. Raises StateMismatch where one is already, and what `is_new` raises."""
        if not self.is_new():
            raise StateMismatch(
                f"{self.where} holds a state already: name an empty folder with --state"
            )
        self.write_header(encode_header(header))

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
        """Write beside, then rename: whoever is killed leaves the old file or the new one."""
        unfinished = path.with_name(path.name + _UNFINISHED)
        with _explaining(path, "written"):
            try:
                _write_through(unfinished, data)
                unfinished.replace(path)
            except OSError:
                with suppress(OSError):
                    unfinished.unlink()
                raise
            _sync_folder(self._path)


def _shard_name(index: int) -> str:
    return f"{_HEADER}-{index:03d}"


@contextmanager
def _explaining(path: Path, verb: str) -> Iterator[None]:
    """Turn what the system refuses into StateUnavailable: the path, the cause, the remedy."""
    try:
        yield
    except OSError as error:
        raise StateUnavailable(
            f"{path} could not be {verb}: {error.strerror or error}. See to the disk's space and the "
            "folder's owner and rights, or name another folder with --state"
        ) from error


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(
            f"another run holds the state in folder {path}: wait until it has ended, or name another "
            "folder with --state"
        ) from None


def _write_through(path: Path, data: bytes) -> None:
    """Write and wait until the disk has it."""
    # a new file each time: nothing is written through a link or a leftover of a killed run
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Wait until the disk knows the new name."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
