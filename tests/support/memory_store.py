"""A state store in memory that fails, or seems to, at a chosen write."""

from __future__ import annotations

from profile_image_sync.api.state_header import StateHeader, encode_header
from profile_image_sync.errors import StateUnavailable


class MemoryStore:
    """Keeps the bytes and a log of what was written, and stops when told to."""

    where = "memory"

    def __init__(self, header: StateHeader | None) -> None:
        """Begin with this header, or as a store that has lost it."""
        self.header = encode_header(header) if header else None
        self.shards: dict[int, bytes] = {}
        self.log: list[str] = []
        self.fail_at = 0  # the write, counted from 1, that raises; 0: none does
        self.lands = False  # whether the write that raises has taken place all the same
        self.error: type[BaseException] = StateUnavailable

    def read_header(self) -> bytes | None:
        """Return the header."""
        return self.header

    def read_shard(self, index: int) -> bytes | None:
        """Return a shard."""
        return self.shards.get(index)

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        if self._may_write("header"):
            self.header = data
        self._raise_if_due()

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace a shard."""
        if self._may_write(f"shard {index}"):
            self.shards[index] = data
        self._raise_if_due()

    def _may_write(self, name: str) -> bool:
        self.fail_at -= 1
        allowed = self.fail_at != 0 or self.lands
        if allowed:
            self.log.append(name)
        return allowed

    def _raise_if_due(self) -> None:
        if self.fail_at == 0:
            raise self.error("stopped by the test")
