"""What is remembered of each person from run to run: shards are read when needed, and written one by one.

It knows the order of writing that a kill at any moment survives (shards first, header last; new
shards before the header that doubles them). It does no I/O of its own: a store does (state_store).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self
from uuid import UUID

from profile_image_sync.api.state_header import (
    MAX_SHARDS,
    StateHeader,
    StoredRows,
    decode_header,
    encode_header,
)
from profile_image_sync.errors import (
    StateDamaged,
    StateMismatch,
    StateMissing,
    StateUnavailable,
)
from profile_image_sync.worker.shards import (
    Accepted,
    PersonRecord,
    Refused,
    Shard,
    decode_shard,
    encode_shard,
    shard_of,
)
from profile_image_sync.worker.state_store import StateStore

__all__ = ["Accepted", "Ledger", "PersonRecord", "Refused"]

PEOPLE_A_SHARD = 128 * 1024 // 60  # 128 KiB, at 60 bytes a person as a ConfigMap stores them


class Ledger:
    """Every person's record. For one thread at a time, and one process: whoever holds the store."""

    def __init__(self, store: StateStore, header: StateHeader) -> None:
        """Take the header that `open` has read and checked."""
        self._store = store
        self._header = header
        self._loaded: list[Shard | None] = [None] * header.shards
        self._sizes_before: dict[int, StoredRows] = {}  # of shards that have changed
        self._stored = header.stored if header.counted else None  # before _sizes_before
        self._dirty: set[int] = set()
        self._growth_confirmed = True  # whether the number of shards in the store is known
        self._header_confirmed = True  # whether the header in the store is known to be ours

    @classmethod
    def open(cls, store: StateStore, *, expected_id: UUID | None) -> Self:
        """Read the header; nothing is written, shards are read when they are needed.

        `expected_id`: the id that status remembers, or the spec; None: whatever is there is taken.
        Raises StateMissing when there is no header, StateMismatch when it is another state's or a newer
        version's, StateDamaged when it cannot be read back, StateUnavailable when the store fails.
        """
        data = store.read_header()
        if data is None:
            raise StateMissing(
                f"there is no state header in {store.where}: {_ways_out(expected_id)}"
            )
        header = decode_header(data, store.where)
        if expected_id not in (None, header.id):
            raise StateMismatch(
                f"{store.where} holds state {header.id}, but this resource's is {expected_id}: "
                f"{_ways_out(expected_id)}"
            )
        return cls(store, header)

    def load(self) -> None:
        """Read all shards that have not been read yet.

        Raises StateMissing when one is not there, StateDamaged when it is older than the header says or
        cannot be read back, StateMismatch when it is another state's, StateUnavailable. So does whatever
        needs a shard that has not been read.
        """
        for index in range(len(self._loaded)):
            self._shard(index)

    @property
    def header(self) -> StateHeader:
        """The header as last written."""
        return self._header

    @property
    def dirty(self) -> bool:
        """Whether something is recorded that no shard in the store holds yet."""
        return bool(self._dirty)

    @property
    def people(self) -> int:
        """Number of people with a record; reads all shards."""
        return sum(shard.people for shard in self._shards())

    @property
    def size(self) -> int:
        """The size of all shards in bytes, before any encoding the store needs; reads all shards."""
        return sum(shard.size for shard in self._shards())

    def stored(self) -> StoredRows:
        """Return how much the shards hold; reads none where the header tells it."""
        known = self._stored
        if known is None:
            return StoredRows(people=self.people, bytes=self.size)
        people, size = known.people, known.bytes
        for index, before in self._sizes_before.items():
            shard = self._shard(index)
            people, size = people + shard.people - before.people, size + shard.size - before.bytes
        return StoredRows(people=people, bytes=size)

    def get(self, guid: UUID) -> PersonRecord:
        """Return what is remembered of this person; an empty entry when nothing is."""
        return self._shard(self.shard_index(guid)).get(guid)

    def put(self, guid: UUID, record: PersonRecord) -> None:
        """Replace what is remembered of this person; an empty entry forgets them."""
        index = self.shard_index(guid)
        shard = self._shard(index)
        if shard.get(guid) != record:
            if index not in self._sizes_before:
                sizes = StoredRows(people=shard.people, bytes=shard.size)
                self._sizes_before[index] = sizes
            shard.put(guid, record)
            self._dirty.add(index)

    def items(self) -> Iterator[tuple[UUID, PersonRecord]]:
        """Yield everyone with a record, shard by shard; record nothing meanwhile."""
        for shard in self._shards():
            yield from shard.items()

    def holdings(self) -> Iterator[bytes]:
        """Yield account id (6 bytes) and objectGUID (16) of everyone recorded on an account."""
        return (row for shard in self._shards() for row in shard.holdings())

    def waiting_people(self) -> Iterator[tuple[UUID, str]]:
        """Yield everyone of whom something else was said than that they are served, with the word."""
        return (each for shard in self._shards() for each in shard.waiting_people())

    def shard_index(self, guid: UUID) -> int:
        """Return which shard holds this person: uploads go in this order."""
        return shard_of(guid, len(self._loaded))

    def reserve(self, people: int) -> None:
        """Make room for this many people; writes only when there must be more shards.

        Those who left are remembered, too: where they are more, they count.
        Call it before a run's first upload: when it raises, nothing more can be written.
        """
        former = count = len(self._loaded)
        while count < MAX_SHARDS and max(people, self.stored().people) > count * PEOPLE_A_SHARD:
            count *= 2
        if count == former:
            return
        self._require_confirmed_growth()
        self._uncount()
        shards = self._shards()
        parts = (part for shard in shards for part in shard.split(count))
        grown = sorted(parts, key=lambda part: part.index)
        for shard in grown[former:]:
            self._write_shard(shard)
        # Until the new header is known to be there, it is unknown how many shards count: a shard
        # written now might hide people from the next run.
        self._growth_confirmed = False
        self._write_header(self._header, grown)
        self._growth_confirmed = True
        self._loaded, self._stored = list(grown), None

    def flush(self) -> None:
        """Write the shards that hold something new; StateUnavailable leaves the rest dirty."""
        first_writing = any(not self._header.revisions[index] for index in self._dirty)
        self._write_dirty()
        if first_writing:  # or nobody would notice the loss of a shard the header does not know
            self._write_header(self._header)

    def commit(self, header: StateHeader) -> None:
        """Write what is dirty, then this header (its revisions are set here), if it says anything new."""
        self._write_dirty()
        self._write_header(header)

    def commit_counted(self, header: StateHeader) -> None:
        """Commit a header whose totals and cursors speak of everyone, as the shards are now."""
        self._write_dirty()
        revisions = sum(self._revisions(self._loaded))
        stored = self.stored()
        self._write_header(
            header.model_copy(update={"stored": stored, "counted_revisions": revisions})
        )
        self._stored, self._sizes_before = stored, {}

    def _shard(self, index: int) -> Shard:
        shard = self._loaded[index]
        if shard is None:
            shard = self._loaded[index] = _read(self._store, self._header, index)
        return shard

    def _shards(self) -> list[Shard]:
        return [self._shard(index) for index in range(len(self._loaded))]

    def _require_confirmed_growth(self) -> None:
        if not self._growth_confirmed:
            raise StateUnavailable(
                f"the state in {self._store.where} could not be enlarged, nothing more is written to "
                "it: start another run when the store works again"
            )

    def _write_dirty(self) -> None:
        self._require_confirmed_growth()
        if self._dirty:
            self._uncount()
        for index in sorted(self._dirty):
            self._write_shard(self._shard(index))
            self._dirty.remove(index)

    def _uncount(self) -> None:
        """Have the header count nothing, before a shard is written: a killed run leaves it so."""
        if self._header.counted:
            self._write_header(self._header.model_copy(update={"counted_revisions": None}))

    def _write_shard(self, shard: Shard) -> None:
        written = replace(shard, revision=shard.revision + 1)
        self._store.write_shard(shard.index, encode_shard(written))
        shard.revision = written.revision

    def _write_header(self, header: StateHeader, grown: list[Shard] | None = None) -> None:
        revisions = self._revisions(grown or self._loaded)
        header = header.model_copy(update={"revisions": revisions})
        if header == self._header and self._header_confirmed:
            return
        data = encode_header(header)
        decode_header(data, self._store.where)  # never write what the next run could not read
        self._header_confirmed = False
        self._store.write_header(data)
        self._header_confirmed = True
        self._header = header

    def _revisions(self, shards: Sequence[Shard | None]) -> tuple[int, ...]:
        return tuple(
            shard.revision if shard else self._header.revisions[index]
            for index, shard in enumerate(shards)
        )


def _read(store: StateStore, header: StateHeader, index: int) -> Shard:
    """Read one shard and hold it against the header."""
    data = store.read_shard(index)
    if data is None:
        if header.revisions[index]:
            raise StateMissing(
                f"shard {index:03d} of the state is not in {store.where}: {_ways_out(header.id)}"
            )
        return Shard(header.id, index, header.shards)
    shard = decode_shard(data, state=header.id, index=index, where=store.where)
    if shard.revision < header.revisions[index]:
        raise StateDamaged(
            f"shard {index:03d} of the state in {store.where} is older than its header says "
            f"(revision {shard.revision}, not {header.revisions[index]}): {_ways_out(header.id)}"
        )
    if shard.count > header.shards:
        raise StateDamaged(
            f"the state header in {store.where} is older than its shard {index:03d} "
            f"({header.shards} shards, not {shard.count}): {_ways_out(header.id)}"
        )
    # written before the last growth: those who moved to a new shard are read from there
    return shard if shard.count == header.shards else shard.split(header.shards)[0]


def _ways_out(state_id: UUID | None) -> str:
    """Tell how to go on without the state: the two ways that there are."""
    lost = f'"{state_id}"' if state_id else "the id that its reports and status.state.id tell"
    return (
        "restore it from a backup or with `profile-image-sync state import`, or give it up and begin a "
        f"first sync anew with spec.state.acknowledgeLoss: {lost}"
    )
