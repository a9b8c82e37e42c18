"""Rows and sets without an object for each."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.worker.packed import IdSet, PackedRows
from profile_image_sync.worker.shards import shard_of

ROWS = st.lists(st.tuples(st.binary(min_size=2, max_size=2), st.binary(min_size=3, max_size=3)))


@given(ROWS, st.binary(min_size=2, max_size=2))
def test_rows_are_found_by_what_they_begin_with(
    rows: list[tuple[bytes, bytes]], asked: bytes
) -> None:
    """All of them, and none whose inside, or whose neighbour, only looks so."""
    packed = PackedRows(2, 5)
    for key, rest in rows:
        packed.add(key + rest)
    expected = Counter(key + rest for key, rest in rows)
    assert Counter(packed.by_shard()) == expected
    assert len(packed) == len(rows)
    for key in {asked, *(key for key, _ in rows)}:
        found = {row: count for row, count in expected.items() if row.startswith(key)}
        assert Counter(packed.of(key)) == found
        assert (key in packed) == bool(found)


def test_zeros_are_found_in_a_row_of_zeros_once() -> None:
    """A row whose every part looks like its key is still one row."""
    packed = PackedRows(2, 6)
    packed.add(bytes(6))
    packed.add(bytes(6))
    assert list(packed.of(bytes(2))) == [bytes(6), bytes(6)]


@given(st.lists(st.uuids(), unique=True), st.sampled_from([1, 2, 8, 256]))
def test_people_come_shard_by_shard(guids: list[UUID], count: int) -> None:
    """Uploads go in this order, so that a shard is written once and not again and again."""
    packed = PackedRows(16, 16)
    for guid in guids:
        packed.add(guid.bytes)
    shards = [shard_of(UUID(bytes=row), count) for row in packed.by_shard(count)]
    assert shards == sorted(shards)
    assert len(shards) == len(guids)


@given(st.sets(st.integers(1, 2**48 - 1) | st.integers(1, 700)), st.integers(1, 700))
def test_a_set_of_ids_holds_what_was_added(numbers: set[int], other: int) -> None:
    """Close together or far apart."""
    ids = IdSet()
    for number in (*numbers, *numbers):
        ids.add(number)
    assert len(ids) == len(numbers)
    assert all(number in ids for number in numbers)
    assert (other in ids) == (other in numbers)
    again = IdSet()
    for number in sorted(numbers, reverse=True):
        again.add(number)
    assert ids == again
    again.add(max(numbers, default=0) + 1)
    assert ids != again
