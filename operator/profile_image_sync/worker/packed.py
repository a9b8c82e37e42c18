"""Many small things in few bytes, without an object for each: rows of bytes, and sets of ids. Pure.

Apart, because a run holds hundreds of thousands of people and HighQ users at once: as Python's objects, each
would take ten times as much.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_BUCKETS = 4096  # a power of two: the buckets of one shard of the state are found by their numbers


class PackedRows:
    """Rows of one width, found by the bytes that they begin with; several may begin alike."""

    __slots__ = ("_buckets", "_key", "_width")

    def __init__(self, key: int, width: int) -> None:
        """Take how many bytes a row's key has, and the row in all."""
        self._key = key
        self._width = width
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, row: bytes) -> None:
        """Add a row."""
        self._bucket(row[: self._key]).extend(row)

    def of(self, key: bytes) -> Iterator[bytes]:
        """Yield the rows that begin with this key."""
        bucket, width = self._bucket(key), self._width
        start = bucket.find(key) if bucket else -1
        while start >= 0:
            if start % width == 0:  # or it is the inside of another row
                yield bytes(bucket[start : start + width])
            start = bucket.find(key, start + 1)

    def by_shard(self, count: int = 1) -> Iterator[bytes]:
        """Yield all rows: if they begin with a GUID, those of one shard of `count` after another."""
        for shard in range(count):
            for bucket in self._buckets[shard::count]:
                for start in range(0, len(bucket), self._width):
                    yield bytes(bucket[start : start + self._width])

    def __contains__(self, key: object) -> bool:
        """Tell whether a row begins with this key."""
        if not isinstance(key, bytes) or key not in self._bucket(key):
            return False
        return any(True for _ in self.of(key))

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self._buckets)) // self._width

    def _bucket(self, key: bytes) -> bytearray:
        return self._buckets[zlib.crc32(key) & (_BUCKETS - 1)]  # as `shards` places people


class IdSet:
    """A set of numbers that lie close together, as HighQ's ids do: about a bit for each."""

    __slots__ = ("_masks",)

    def __init__(self) -> None:
        """Begin empty."""
        self._masks: dict[int, int] = {}

    def add(self, number: int) -> None:
        """Add a number."""
        self._masks[number >> 8] = self._masks.get(number >> 8, 0) | 1 << (number & 255)

    def __contains__(self, number: object) -> bool:
        """Tell whether a number is in."""
        return isinstance(number, int) and bool(
            self._masks.get(number >> 8, 0) >> (number & 255) & 1
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether the same numbers are in."""
        return isinstance(other, IdSet) and self._masks == other._masks

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __len__(self) -> int:
        """Return how many numbers are in."""
        return sum(mask.bit_count() for mask in self._masks.values())
