"""State stores of the model: in memory, or in a real folder; both can be killed at any write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from profile_image_sync.local.folder_store import FolderStore

HEADER = -1  # in contents; a shard goes by its index


class Killed(BaseException):
    """The process is gone: nothing that it still does is seen by anybody."""


class KillableStore:
    """A state in memory."""

    where = "memory"

    def __init__(self) -> None:
        """Begin empty."""
        self._contents: dict[int, bytes] = {}
        self.writes_left: float = math.inf  # until the process is killed
        self.lands = False  # whether the write at which it is killed takes place all the same

    @property
    def contents(self) -> dict[int, bytes]:
        """The header and the shards, as they are now."""
        return dict(self._contents)

    def replace(self, contents: Mapping[int, bytes]) -> None:
        """Put these files in place of those that are there."""
        self._contents = dict(contents)

    def read_header(self) -> bytes | None:
        """Return the header."""
        return self._contents.get(HEADER)

    def read_shard(self, index: int) -> bytes | None:
        """Return a shard."""
        return self._contents.get(index)

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        self._write(HEADER, data)

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace a shard."""
        self._write(index, data)

    def _write(self, index: int, data: bytes) -> None:
        self.writes_left -= 1
        if self.writes_left >= 0 or (self.writes_left == -1 and self.lands):
            self._put(index, data)
        if self.writes_left < 0:
            raise Killed

    def _put(self, index: int, data: bytes) -> None:
        self._contents[index] = data


class KillableFolder(KillableStore):
    """A state in a folder, as a run at a terminal keeps it. The folder belongs to this process."""

    def __init__(self, path: Path) -> None:
        """Begin empty."""
        super().__init__()
        self._path, self._folder = path, FolderStore(path)

    @property
    def contents(self) -> dict[int, bytes]:
        """The header and the shards, as they are now."""
        files = {path.name: path.read_bytes() for path in self._path.glob("state*")}
        return {int(name.partition("-")[2] or HEADER): data for name, data in files.items()}

    def replace(self, contents: Mapping[int, bytes]) -> None:
        """Put these files in place of those that are there."""
        for path in self._path.glob("state*"):
            path.unlink()
        for index, data in contents.items():
            self._put(index, data)

    def read_header(self) -> bytes | None:
        """Return the header."""
        return self._folder.read_header()

    def read_shard(self, index: int) -> bytes | None:
        """Return a shard."""
        return self._folder.read_shard(index)

    def _put(self, index: int, data: bytes) -> None:
        if index == HEADER:
            self._folder.write_header(data)
        else:
            self._folder.write_shard(index, data)
