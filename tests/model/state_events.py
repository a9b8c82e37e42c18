"""What people and accidents do to the state between runs: commands for one person, copies, losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine

from profile_image_sync.api.state_header import encode_header, new_header
from profile_image_sync.errors import StateMismatch
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.shards import Shard, encode_shard
from profile_image_sync.worker.state_archive import read_archive, write_archive
from profile_image_sync.worker.state_operations import (
    plan_restoration,
    rebound,
    released,
    resent,
    restore,
)
from tests.model.fakes import DOMAIN
from tests.model.memory import Memory
from tests.model.stores import HEADER, KillableStore
from tests.model.tenant import Tenant
from tests.model.walking import event

PEOPLE = range(8)
OTHER = UUID(int=0xBAD)  # another firm's state
COMMANDS: dict[str, Callable[[PersonRecord], PersonRecord]] = {
    "release": released,
    "resend": resent,
    "forget": lambda _: PersonRecord(),
}


@dataclass(frozen=True)
class Copy:
    """A backup of the files, and what `state export` wrote at that time."""

    state: UUID
    contents: dict[int, bytes]
    archive: tuple[str, ...]
    memory: Memory


class StateEvents(RuleBasedStateMachine):
    """Events of the state; what happens outside comes with SyncStateMachine."""

    def __init__(self, store: KillableStore | None = None) -> None:
        super().__init__()
        self.tenant = Tenant(store)
        self.saved: Copy | None = None

    @event(who=PEOPLE, command=COMMANDS)
    def state_command(self, who: int, command: str) -> None:
        """`state release`, `resend`, `forget` of one person."""
        guids, memory = sorted(self.tenant.world.people), self.tenant.memory
        if not guids or self.tenant.trouble:
            return
        guid = guids[who % len(guids)]
        self.tenant.change_record(guid, COMMANDS[command])
        row = memory.rows.pop(guid, None)
        memory.waiting.discard(guid)
        if row or command != "release":
            memory.refused.pop(guid, None)
        if row and command != "forget":
            account = row.account if command == "resend" else 0
            memory.rows[guid] = replace(row, resend=True, unconfirmed=False, account=account)

    @event()
    def save(self) -> None:
        """Back the state up, and export it."""
        if not self.tenant.trouble:
            ledger = self.tenant.ledger()
            archive = tuple(write_archive(ledger.header, ledger.items(), datetime.now(UTC)))
            contents, memory = self.tenant.store.contents, self.tenant.memory.copy()
            self.saved = Copy(self.tenant.state, contents, archive, memory)

    @event()
    def restore(self) -> None:
        """Bring the files of an older copy back, by hand."""
        if self.saved and self.saved.state == self.tenant.state:
            self.tenant.store.replace(self.saved.contents)
            self._whole(self.saved)

    @event(rebind=(True, False))
    def import_copy(self, rebind: bool) -> None:
        """`state import`, perhaps with `--rebind`; into an empty place where another state is in the way."""
        if not self.saved:
            return
        archive, store = read_archive(self.saved.archive, "file"), self.tenant.store
        address = self.tenant.settings.address
        try:
            plan_restoration(store, archive)
            header = archive.header.bound_to_highq(address).bound_to_domain(DOMAIN.guid)
        except StateMismatch:
            if not rebind:  # refused: nothing is changed
                return
            store.replace({})
            header = archive.header
        if rebind:
            header = rebound(header, DOMAIN.guid, address)
        restore(store, archive, header)
        self.tenant.state = self.saved.state
        self._whole(self.saved)
        self.tenant.memory.highq = address

    @event(how=("header", "shard", "older shard", "other shard", "other state"), which=range(4))
    def damage(self, how: str, which: int) -> None:
        """Lose the header or a shard; put an older copy's or another firm's shard there; swap the state."""
        if self.tenant.trouble:
            return
        files, header = self.tenant.store.contents, self.tenant.ledger().header
        index = which % header.shards
        older = self.saved.contents.get(index) if self.saved else None
        match how:
            case "header":
                del files[HEADER]
                self._damage("StateMissing", files)
            case "shard" if header.revisions[index]:
                del files[index]
                self._damage("StateMissing", files)
            case "older shard" if older and _revision(older) < header.revisions[index]:
                self._damage("StateDamaged", files | {index: older})
            case "other shard":
                other = encode_shard(Shard(OTHER, index, header.shards, revision=2**31))
                self._damage("StateMismatch", files | {index: other})
            case "other state":
                other_header = new_header(OTHER).model_copy(update={"revisions": (1,)})
                other = encode_shard(Shard(OTHER, 0, 1, revision=1))
                self._damage("StateMismatch", {HEADER: encode_header(other_header), 0: other})

    @event()
    def acknowledge_loss(self) -> None:
        """Give a lost state up by `state.acknowledgeLoss`, and begin anew."""
        if self.tenant.trouble:
            lost, self.tenant.trouble = self.tenant.state, ""
            self.tenant.states += 1
            self.tenant.begin_state(UUID(int=self.tenant.states), replaces=lost)
            self.tenant.memory = Memory()

    def _damage(self, trouble: str, files: dict[int, bytes]) -> None:
        self.tenant.trouble = trouble
        self.tenant.store.replace(files)

    def _whole(self, copy: Copy) -> None:
        self.tenant.trouble, self.tenant.memory = "", copy.memory.copy()


def _revision(shard: bytes) -> int:
    return int.from_bytes(shard[26:30], "big")
