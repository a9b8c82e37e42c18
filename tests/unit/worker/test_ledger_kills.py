"""A run may be killed between any two writes, or see a write fail: nobody's record is ever lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from profile_image_sync.api.state_header import StateHeader, new_header
from profile_image_sync.errors import StateUnavailable
from profile_image_sync.worker.ledger import PEOPLE_A_SHARD, Accepted, Ledger, PersonRecord, Refused
from tests.support.memory_store import MemoryStore

STATE = UUID(int=1)
guids = st.integers(1, 24).map(lambda number: UUID(int=number))
hashes = st.integers(0, 255).map(lambda number: bytes([number]) * 16)
entries = st.builds(
    PersonRecord,
    st.none()
    | st.builds(
        Accepted, hashes, st.sampled_from(("a", "b")), st.integers(0, 9), st.integers(0, 2)
    ),
    st.none() | st.builds(Refused, hashes, st.just("TooSmall"), st.just(b"abcd")),
    st.sampled_from(("", "NoAccount")),
)
writes = st.integers(0, 6)  # which write of a step is stopped; 0: none
errors = st.sampled_from(
    (KeyboardInterrupt, StateUnavailable)
)  # killed; or failing, and it goes on


class LedgerStateMachine(RuleBasedStateMachine):
    """Runs of one tenant, one after the other, against a model of what may be in the store."""

    def __init__(self) -> None:
        """Begin with a new state."""
        super().__init__()
        self.store = MemoryStore(new_header(STATE))
        self.ledger = Ledger.open(self.store, expected_id=STATE)
        # what the store may hold of each person: what was flushed last, or anything recorded since
        self.possible: dict[UUID, list[PersonRecord]] = defaultdict(lambda: [PersonRecord()])
        self.recorded: dict[UUID, PersonRecord] = defaultdict(PersonRecord)
        self.marks = [self.ledger.header.image_attributes]

    @rule(guid=guids, entry=entries)
    def record(self, guid: UUID, entry: PersonRecord) -> None:
        """Let a person be accepted, refused or forgotten."""
        self.possible[guid].append(entry)
        self.recorded[guid] = entry
        self.ledger.put(guid, entry)

    @rule(stop=writes, lands=st.booleans(), error=errors)
    def flush(self, stop: int, lands: bool, error: type[BaseException]) -> None:
        """Let some seconds pass."""
        if self._written(self.ledger.flush, stop, lands, error):
            self._all_is_stored()

    @rule(stop=writes, lands=st.booleans(), error=errors, mark=st.sampled_from("xyz"))
    def commit(self, stop: int, lands: bool, error: type[BaseException], mark: str) -> None:
        """End a run."""
        header = self.ledger.header.model_copy(update={"image_attributes": (mark,)})
        self.marks.append((mark,))
        if self._written(lambda: self.ledger.commit(header), stop, lands, error):
            self._all_is_stored()
            self.marks = [(mark,)]

    @rule(stop=writes, lands=st.booleans(), error=errors, factor=st.sampled_from((2, 4, 8)))
    def grow(self, stop: int, lands: bool, error: type[BaseException], factor: int) -> None:
        """Give the tenant more people."""
        people = min(len(self.ledger.header.revisions) * factor, 16) * PEOPLE_A_SHARD
        self._written(lambda: self.ledger.reserve(people), stop, lands, error)

    @rule()
    def next_run(self) -> None:
        """End the run without a word; another one opens what is there."""
        self.ledger = Ledger.open(self.store, expected_id=STATE)
        self.recorded = defaultdict(PersonRecord, self.ledger.items())
        self.possible = defaultdict(lambda: [PersonRecord()])
        self.possible |= {guid: [entry] for guid, entry in self.recorded.items()}
        self.marks = [self.ledger.header.image_attributes]

    @invariant()
    def the_ledger_knows_what_was_recorded(self) -> None:
        """Within a run, the newest record counts, written or not."""
        assert all(self.ledger.get(guid) == entry for guid, entry in self.recorded.items())

    @invariant()
    def the_store_holds_the_old_or_the_new(self) -> None:
        """Whatever was interrupted: the next run opens the state, and finds one of the two."""
        opened = Ledger.open(self.store, expected_id=STATE)
        for guid, possible in self.possible.items():
            assert opened.get(guid) in possible
        assert {guid for guid, _ in opened.items()} <= set(self.possible)
        assert opened.header.image_attributes in self.marks

    def _written(
        self, write: Callable[[], None], stop: int, lands: bool, error: type[BaseException]
    ) -> bool:
        """Do it; tell whether it went through. A kill is followed by the next run."""
        self.store.fail_at, self.store.lands, self.store.error = stop, lands, error
        try:
            write()
        except KeyboardInterrupt:
            self.store.fail_at = 0
            self.the_store_holds_the_old_or_the_new()
            self.next_run()
            return False
        except StateUnavailable:
            return False
        finally:
            self.store.fail_at = 0
        return True

    def _all_is_stored(self) -> None:
        self.possible = defaultdict(lambda: [PersonRecord()])
        self.possible |= {guid: [entry] for guid, entry in self.recorded.items()}


LedgerStateMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None
)
TestLedgerStateMachine = LedgerStateMachine.TestCase


def test_a_header_is_new_only_when_the_last_write_of_a_commit_was_done() -> None:
    """Killed after each of the writes in turn: the header is the old one until the very last."""
    people = [UUID(int=number) for number in range(1, 40)]
    stop, committed = 0, False
    while not committed:
        stop += 1
        store = MemoryStore(new_header(STATE))
        ledger = Ledger.open(store, expected_id=STATE)
        ledger.reserve(4 * PEOPLE_A_SHARD)
        for guid in people:
            ledger.put(guid, PersonRecord(Accepted(b"m" * 16, "a", 1, 1)))
        store.fail_at = stop
        try:
            ledger.commit(ledger.header.model_copy(update={"first_sync_completed": True}))
        except StateUnavailable:
            assert not _header(store).first_sync_completed
        else:
            committed = True
    assert stop == 4 + 1 + 1  # four shards, the header, and then none is left to stop
    assert _header(store).first_sync_completed


def _header(store: MemoryStore) -> StateHeader:
    return Ledger.open(store, expected_id=STATE).header
