"""The ledger: what it refuses to open, when it writes, and how much memory it takes."""

from __future__ import annotations

import random
import tracemalloc
from hashlib import md5
from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync.api.state_header import new_header
from profile_image_sync.errors import (
    StateDamaged,
    StateMismatch,
    StateMissing,
    StateUnavailable,
)
from profile_image_sync.worker.ledger import PEOPLE_A_SHARD, Accepted, Ledger, PersonRecord, Refused
from profile_image_sync.worker.shards import UNKNOWN_SETTINGS, shard_of
from tests.support.memory_store import MemoryStore

STATE, OTHER = UUID(int=1), UUID(int=2)
GUIDS = [UUID(int=number) for number in range(1, 20)]


def accepted(number: int) -> PersonRecord:
    """Return an entry that no other number has."""
    return PersonRecord(Accepted(bytes([number]) * 16, "thumbnailPhoto", 100 + number, 1))


def filled(store: MemoryStore, *, reserve: int = 1) -> Ledger:
    """Open a new state, make room, record a few people and commit."""
    ledger = Ledger.open(store, expected_id=STATE)
    ledger.reserve(reserve)
    for number, guid in enumerate(GUIDS):
        ledger.put(guid, accepted(number))
    ledger.commit(ledger.header.model_copy(update={"first_sync_completed": True}))
    return ledger


@pytest.mark.parametrize("reserve", [1, 50_000])
def test_everything_comes_back_in_the_next_run(reserve: int) -> None:
    """Whatever the number of shards, the next run knows everyone."""
    store = MemoryStore(new_header(STATE))
    former = filled(store, reserve=reserve)
    ledger = Ledger.open(store, expected_id=STATE)
    assert ledger.header == former.header
    assert ledger.header.first_sync_completed
    assert [ledger.get(guid) for guid in GUIDS] == [accepted(n) for n in range(len(GUIDS))]
    assert dict(ledger.items()) == dict(zip(GUIDS, map(accepted, range(19)), strict=True))
    assert ledger.people == len(GUIDS)
    assert ledger.size == sum(len(data) for data in store.shards.values())
    assert ledger.get(UUID(int=99)) == PersonRecord()


def test_no_header_is_never_a_first_sync() -> None:
    """A run that finds no state stops: going on would override people's own pictures (rule 9)."""
    store = MemoryStore(None)
    with pytest.raises(StateMissing, match=r"no state header in memory: .*acknowledgeLoss"):
        Ledger.open(store, expected_id=None)


def test_another_resources_state_is_refused() -> None:
    """The id that status remembers must be the one found."""
    store = MemoryStore(new_header(OTHER))
    with pytest.raises(StateMismatch, match=f"holds state {OTHER}, but this resource's is {STATE}"):
        Ledger.open(store, expected_id=STATE)


@pytest.mark.parametrize("lost", [0, 3])
def test_a_lost_shard_stops_the_run(lost: int) -> None:
    """Its people would look like newcomers (rule 9)."""
    store = MemoryStore(new_header(STATE))
    filled(store, reserve=4 * PEOPLE_A_SHARD)
    del store.shards[lost]
    with pytest.raises(StateMissing, match=f"shard 00{lost} of the state is not in memory"):
        Ledger.open(store, expected_id=STATE).load()


def test_a_shard_lost_in_the_midst_of_the_first_sync_stops_the_next_run_too() -> None:
    """From its first writing on, the header knows a shard, although no run has ended yet."""
    store = MemoryStore(new_header(STATE))
    ledger = Ledger.open(store, expected_id=STATE)
    ledger.put(GUIDS[0], accepted(1))
    ledger.flush()
    store.shards.clear()
    with pytest.raises(StateMissing):
        Ledger.open(store, expected_id=STATE).load()


def test_a_shard_older_than_its_header_stops_the_run() -> None:
    """One shard from a backup would bring back hashes that are no longer true."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    backup = store.shards[0]
    ledger.put(GUIDS[0], accepted(9))
    ledger.commit(ledger.header)
    store.shards[0] = backup
    with pytest.raises(StateDamaged, match=r"older than its header says \(revision 1, not 2\)"):
        Ledger.open(store, expected_id=STATE).load()


def test_a_header_from_before_the_growth_stops_the_run() -> None:
    """It would overlook the shards that hold half of the people."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    backup = store.header
    ledger.reserve(2 * PEOPLE_A_SHARD)
    for number, guid in enumerate(GUIDS):
        ledger.put(guid, accepted(50 + number))
    ledger.commit(ledger.header)
    store.header = backup
    with pytest.raises(StateDamaged, match="header in memory is older than its shard 000"):
        Ledger.open(store, expected_id=STATE).load()


def test_a_shard_newer_than_its_header_is_a_killed_run_and_fine() -> None:
    """What HighQ accepted before the kill is not sent again."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    ledger.put(GUIDS[0], accepted(42))
    ledger.flush()
    assert Ledger.open(store, expected_id=STATE).get(GUIDS[0]) == accepted(42)


def test_a_run_without_news_writes_nothing() -> None:
    """Recording what is known already, and committing the same header, are no writes."""
    store = MemoryStore(new_header(STATE))
    filled(store)
    ledger = Ledger.open(store, expected_id=STATE)
    store.log.clear()
    ledger.put(GUIDS[0], ledger.get(GUIDS[0]))
    ledger.put(UUID(int=99), PersonRecord())
    ledger.reserve(19)
    assert not ledger.dirty
    ledger.flush()
    ledger.commit(ledger.header)
    assert store.log == []


def test_only_shards_with_news_are_written_and_the_header_last() -> None:
    """A flush costs the shards it must; the header never speaks of what is not there."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store, reserve=8 * PEOPLE_A_SHARD)
    store.log.clear()
    ledger.put(GUIDS[3], accepted(77))
    assert ledger.dirty
    ledger.commit(ledger.header.model_copy(update={"image_attributes": ("jpegPhoto",)}))
    assert store.log == [f"shard {shard_of(GUIDS[3], 8)}", "header"]
    assert not ledger.dirty


def test_an_empty_entry_forgets_a_person() -> None:
    """`state forget --person` leaves no row behind."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    ledger.put(GUIDS[0], PersonRecord(None, Refused(b"r" * 16, "TooSmall", b"abcd")))
    ledger.put(GUIDS[0], PersonRecord())
    ledger.commit(ledger.header)
    assert GUIDS[0] not in dict(Ledger.open(store, expected_id=STATE).items())


@pytest.mark.parametrize(
    ("people", "shards"),
    [(0, 1), (PEOPLE_A_SHARD, 1), (PEOPLE_A_SHARD + 1, 2), (100_000, 64), (10_000_000, 256)],
)
def test_the_number_of_shards_follows_the_number_of_people(people: int, shards: int) -> None:
    """About 128 KiB a shard as a ConfigMap stores it, by doubling, up to 256."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    store.log.clear()
    ledger.reserve(people)
    assert ledger.header.shards == shards
    assert store.log == [f"shard {n}" for n in range(1, shards)] + ["header"] * (shards > 1)
    assert {ledger.shard_index(guid) for guid in GUIDS} <= set(range(shards))


def test_people_who_left_take_their_room_too() -> None:
    """Their rows stay for ever, so a shard does not outgrow its ConfigMap over the years."""
    ledger = Ledger.open(MemoryStore(new_header(STATE)), expected_id=STATE)
    for number in range(PEOPLE_A_SHARD + 1):
        ledger.put(UUID(int=number), accepted(1))
    ledger.reserve(3)
    assert ledger.header.shards == 2


def test_what_was_recorded_before_a_growth_is_written_with_the_rest() -> None:
    """People who stay in their shard, and those who move to a new one."""
    store = MemoryStore(new_header(STATE))
    ledger = Ledger.open(store, expected_id=STATE)
    for number, guid in enumerate(GUIDS):
        ledger.put(guid, accepted(number))
    ledger.reserve(4 * PEOPLE_A_SHARD)
    assert [ledger.get(guid) for guid in GUIDS] == [accepted(n) for n in range(len(GUIDS))]
    ledger.flush()
    again = Ledger.open(store, expected_id=STATE)
    assert [again.get(guid) for guid in GUIDS] == [accepted(n) for n in range(len(GUIDS))]


def test_leftovers_of_a_growth_that_was_killed_are_ignored_and_overwritten() -> None:
    """What the ledger has learnt since must not be lost to them."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    store.fail_at = 2  # the second new shard
    with pytest.raises(StateUnavailable):
        ledger.reserve(4 * PEOPLE_A_SHARD)
    assert set(store.shards) == {0, 1}
    ledger = Ledger.open(store, expected_id=STATE)
    for number, guid in enumerate(GUIDS):
        ledger.put(guid, accepted(100 + number))
    ledger.commit(ledger.header)
    ledger.reserve(4 * PEOPLE_A_SHARD)
    again = Ledger.open(store, expected_id=STATE)
    assert [again.get(guid) for guid in GUIDS] == [accepted(100 + n) for n in range(len(GUIDS))]


def test_nothing_is_written_after_a_growth_of_unknown_outcome() -> None:
    """If the new header may be there or not, a shard written now might hide people."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    store.fail_at, store.lands = 2, True  # the header: written, but nobody hears of it
    with pytest.raises(StateUnavailable):
        ledger.reserve(2 * PEOPLE_A_SHARD)
    for guid in GUIDS:
        ledger.put(guid, accepted(99))
    store.log.clear()
    with pytest.raises(StateUnavailable, match="could not be enlarged"):
        ledger.flush()
    assert store.log == []


def test_a_header_of_unknown_outcome_is_written_again() -> None:
    """A store that says no after it has written must not leave the header that was not wanted."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    former = ledger.header
    store.fail_at, store.lands = 1, True
    with pytest.raises(StateUnavailable):
        ledger.commit(former.model_copy(update={"first_sync_completed": False}))
    ledger.commit(former)
    assert Ledger.open(store, expected_id=STATE).header == former


def test_a_header_that_could_not_be_read_back_is_never_written() -> None:
    """A mistake of ours must not cost a tenant their state."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    before = store.header
    with pytest.raises(StateDamaged), pytest.warns(UserWarning, match="serializ"):
        ledger.commit(ledger.header.model_copy(update={"image_attributes": 7}))
    assert store.header == before


def test_a_person_takes_at_most_100_bytes_of_memory() -> None:
    """So that half a million people fit a small pod."""
    people, chance = 10_000, random.Random(1)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        ledger = Ledger.open(MemoryStore(new_header(STATE)), expected_id=None)
        ledger.reserve(people)
        for _ in range(people):
            guid = UUID(bytes=chance.randbytes(16))
            taken = Accepted(chance.randbytes(16), "thumbnailPhoto", chance.randrange(10**6), 1)
            ledger.put(guid, PersonRecord(taken, None))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ledger.people == people
    assert (after - before) / people <= 100


def test_a_shard_that_nobody_asks_for_is_not_read() -> None:
    """A run in which nothing changed costs as little with a million people as with ten."""
    store = MemoryStore(new_header(STATE))
    filled(store, reserve=4 * PEOPLE_A_SHARD)
    del store.shards[shard_of(GUIDS[0], 4)]
    ledger = Ledger.open(store, expected_id=STATE)
    other = next(guid for guid in GUIDS if shard_of(guid, 4) != shard_of(GUIDS[0], 4))
    ledger.put(other, accepted(77))
    ledger.commit(ledger.header)
    assert Ledger.open(store, expected_id=STATE).get(other) == accepted(77)
    with pytest.raises(StateMissing):
        ledger.get(GUIDS[0])


def test_a_state_of_the_first_delivery_is_carried_over() -> None:
    """What the code at commit 4b408e2 wrote is read, goes on, and is written in the present form."""
    folder = Path(__file__).parents[2] / "data" / "first_delivery_state"
    store = MemoryStore(None)
    store.header = (folder / "state").read_bytes()
    store.shards = {n: (folder / f"state-{n:03d}").read_bytes() for n in (0, 1)}
    ledger = Ledger.open(store, expected_id=UUID("0f3a6a51-9d5e-4c64-a4cf-3f1d7a1f2b60"))

    def digest(word: str) -> bytes:
        return md5(word.encode(), usedforsecurity=False).digest()

    ours, highqs = b"\1\2\3\4", UNKNOWN_SETTINGS  # the latter is tried again, once
    expected = {
        1: PersonRecord(Accepted(digest("ann"), "thumbnailPhoto", 101, 0)),
        2: PersonRecord(Accepted(digest("bob"), "jpegPhoto", 102, 0)),
        3: PersonRecord(Accepted(digest("cy"), "thumbnailPhoto", 0, 0)),
        4: PersonRecord(
            Accepted(digest("dee"), "thumbnailPhoto", 104, 0),
            Refused(digest("dee new"), "TooSmall", ours),
        ),
        5: PersonRecord(None, Refused(digest("eve"), "HighQ398", highqs)),
        6: PersonRecord(None, Refused(digest("fay"), "Corrupt", ours)),
    }
    people = {UUID(int=n * 0x1234567890ABCDEF1234567): record for n, record in expected.items()}
    assert dict(ledger.items()) == people

    newcomers = [UUID(int=n) for n in range(1, 9)]
    for guid in newcomers:
        ledger.put(guid, accepted(7))
    ledger.commit(ledger.header)
    again = Ledger.open(store, expected_id=ledger.header.id)
    assert dict(again.items()) == people | dict.fromkeys(newcomers, accepted(7))
    assert {data[4:6] for data in store.shards.values()} == {b"\0\2"}


def test_an_unchanged_run_reads_no_shard() -> None:
    """The header tells how much is stored: a run without work reads it alone, however many people."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store, reserve=4 * PEOPLE_A_SHARD)
    ledger.commit_counted(ledger.header)
    size = ledger.size
    shards, store.shards = store.shards, {}
    again = Ledger.open(store, expected_id=STATE)
    assert again.header.counted
    assert (again.stored().people, again.stored().bytes) == (len(GUIDS), size)
    store.shards = shards
    again.put(GUIDS[0], PersonRecord())
    again.put(UUID(int=77), accepted(7))
    again.put(UUID(int=78), PersonRecord(waiting="NoAccount"))
    again.commit_counted(again.header)
    assert (again.stored().people, again.stored().bytes) == (len(GUIDS) + 1, again.size)
    assert Ledger.open(store, expected_id=STATE).header.stored == again.stored()


def test_rows_that_others_wrote_are_noticed() -> None:
    """A killed run and a state command leave a header that counts nothing, before a shard is written."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    ledger.commit_counted(ledger.header)
    assert Ledger.open(store, expected_id=STATE).header.counted
    ledger.put(GUIDS[0], accepted(99))
    store.fail_at = 2  # the header, then the shard
    with pytest.raises(StateUnavailable):
        ledger.flush()
    assert store.log[-1] == "header"
    killed = Ledger.open(store, expected_id=STATE)
    assert not killed.header.counted
    killed.commit_counted(killed.header)
    command = Ledger.open(store, expected_id=STATE)
    assert command.header.counted
    command.put(GUIDS[0], PersonRecord())
    command.commit(command.header)
    assert not Ledger.open(store, expected_id=STATE).header.counted


def test_who_waits_and_who_holds_an_account_is_read_from_the_rows() -> None:
    """Without a record for each of half a million people."""
    store = MemoryStore(new_header(STATE))
    ledger = filled(store)
    ledger.put(UUID(int=77), PersonRecord(waiting="NoAccount"))
    released = PersonRecord(Accepted(bytes(16), "thumbnailPhoto", 0, 1))
    ledger.put(UUID(int=78), released)
    assert list(ledger.waiting_people()) == [(UUID(int=77), "NoAccount")]
    expected = {(100 + n).to_bytes(6, "big") + guid.bytes for n, guid in enumerate(GUIDS)}
    assert set(ledger.holdings()) == expected
