"""`make bench-uploading` takes minutes; that its parts still work is seen in a second."""

from __future__ import annotations

from pathlib import Path

from benchmarks.uploading import Bench, CountingStore
from testkit.simulator.process import Simulator


def test_the_benchmark_uploads_what_it_measures(simulator: Simulator, tmp_path: Path) -> None:
    """Ours and the bare load generator: one picture each to everyone."""
    bench = Bench(simulator, tmp_path)
    store = CountingStore()
    ours = bench.instance(3)
    assert bench.ours(ours, 3, store).per_second > 0
    assert sorted(entry.user_id or 0 for entry in ours.uploads()) == [1, 2, 3]
    assert store.written > 0
    bare = bench.instance(3)
    assert bench.bare(bare, 3) > 0
    assert len(bare.uploads()) == 3
