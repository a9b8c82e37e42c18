"""Events in any order: what may happen to a firm, its HighQ, its spec and its runs."""

from __future__ import annotations

import copy
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.state_operations import released, resent
from tests.model.fakes import FakeHighQ
from tests.model.tenant import Tenant
from tests.model.world import JPEG, THUMB, ADPerson, Settings, World

PEOPLE = st.integers(0, 7)
PICTURES = st.integers(0, 11)
MAILS = st.sampled_from(("a@x", "b@x", "c@x", "d@x", "A@X ", "maße@x", "masse@x"))
ATTRIBUTES = st.sampled_from((THUMB, JPEG))


class SyncStateMachine(RuleBasedStateMachine):
    """Events in any order; after each run, the model has the same to say."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant()

    @property
    def world(self) -> World:
        """The world outside."""
        return self.tenant.world

    @initialize(people=st.integers(1, 6), first_sync=st.sampled_from(FirstSync), own=st.booleans())
    def begin(self, people: int, first_sync: FirstSync, own: bool) -> None:
        """Set up a firm."""
        self.tenant.settings = Settings(first_sync=first_sync)
        for number in range(people):
            mail = f"{'abcdef'[number]}@x"
            self.world.add_person(ADPerson(mail, f"upn{number}@x", {THUMB.lower(): number}))
            self.world.add_account(mail, shows="own" if own and number % 2 else None)

    @rule(times=st.integers(1, 2))
    def sync(self, times: int) -> None:
        """Run; a second run changes nothing more."""
        for _ in range(times):
            self.tenant.sync()

    @rule(uploads=st.integers(0, 3))
    def highq_goes_down(self, uploads: int) -> None:
        """Let HighQ end a run early."""
        self.tenant.interrupted(FakeHighQ(self.world, self.tenant.settings, down_after=uploads))

    @rule(uploads=st.integers(0, 3))
    def killed_at_an_upload(self, uploads: int) -> None:
        """Kill a run while it uploads."""
        self.tenant.interrupted(FakeHighQ(self.world, self.tenant.settings, killed_after=uploads))

    @rule(write=st.integers(1, 4), lands=st.booleans())
    def killed_at_a_write(self, write: int, lands: bool) -> None:
        """Kill a run at any write, before or after it took place."""
        self.tenant.store.lands = lands
        self.tenant.interrupted(FakeHighQ(self.world, self.tenant.settings), write)

    @rule(who=PEOPLE, command=st.sampled_from(("release", "resend", "forget")))
    def state_command(self, who: int, command: str) -> None:
        """`state release`, `resend`, `forget` of one person."""
        guid, memory = self.person(who), self.tenant.memory
        if guid is None:
            return
        change = {"release": released, "resend": resent, "forget": lambda _: PersonRecord()}[
            command
        ]
        self.tenant.change_record(guid, change)
        row = memory.rows.pop(guid, None)
        memory.waiting.discard(guid)
        if row or command != "release":
            memory.refused.pop(guid, None)
        if row and command != "forget":
            account = row.account if command == "resend" else 0
            memory.rows[guid] = replace(row, resend=True, unconfirmed=False, account=account)

    @rule(which=PEOPLE)
    def deafen(self, which: int) -> None:
        """HighQ takes what is sent for one user, but its answers are lost; or they come again."""
        if number := self.account(which):
            self.world.change_account(number, deaf=not self.world.accounts[number].deaf)

    @rule()
    def dry_run(self) -> None:
        """Plan and report only: no trace."""
        self.edit(dry_run=True)
        self.tenant.sync()
        self.edit(dry_run=False)

    @rule(who=PEOPLE, attribute=ATTRIBUTES, picture=PICTURES | st.none())
    def change_picture(self, who: int, attribute: str, picture: int | None) -> None:
        """Put a picture into AD, or take it away."""
        if guid := self.person(who):
            images = {**self.world.people[guid].images, attribute.lower(): picture}
            self.world.change_person(
                guid, images={a: p for a, p in images.items() if p is not None}
            )

    @rule(mail=MAILS, picture=PICTURES, account=st.booleans(), shows=st.sampled_from((None, "own")))
    def join(self, mail: str, picture: int, account: bool, shows: str | None) -> None:
        """Hire somebody, perhaps with a HighQ user."""
        if len(self.world.people) < 9:
            self.world.add_person(ADPerson(mail, None, {THUMB.lower(): picture}))
            if account:
                self.world.add_account(mail, shows=shows)

    @rule(who=PEOPLE)
    def leave_or_return(self, who: int) -> None:
        """Leave the scope, or come back."""
        if guid := self.person(who):
            self.world.change_person(guid, in_scope=not self.world.people[guid].in_scope)

    @rule(who=PEOPLE, picture=PICTURES | st.none())
    def re_create(self, who: int, picture: int | None) -> None:
        """Delete a user object and make it anew: another GUID, the same mail."""
        if guid := self.person(who):
            old = self.world.people.pop(guid)
            images = old.images if picture is None else {THUMB.lower(): picture}
            self.world.add_person(replace(old, images=images))

    @rule(who=PEOPLE, mail=MAILS | st.none())
    def change_mail(self, who: int, mail: str | None) -> None:
        """Change somebody's mail."""
        if guid := self.person(who):
            self.world.change_person(guid, mail=mail)

    @rule(one=PEOPLE, other=PEOPLE)
    def swap_mails(self, one: int, other: int) -> None:
        """Two people swap their addresses."""
        first, second = self.person(one), self.person(other)
        if first and second:
            people = self.world.people
            mails = people[first].mail, people[second].mail
            self.world.change_person(first, mail=mails[1])
            self.world.change_person(second, mail=mails[0])

    @rule(mail=MAILS, shows=st.sampled_from((None, "own")), active=st.booleans())
    def add_account(self, mail: str, shows: str | None, active: bool) -> None:
        """Create a HighQ user, perhaps a second one of that address."""
        if len(self.world.accounts) < 12:
            self.world.add_account(mail, shows=shows, active=active)

    @rule(which=PEOPLE, mail=MAILS)
    def change_account(self, which: int, mail: str) -> None:
        """Change the address of a HighQ user."""
        if number := self.account(which):
            self.world.change_account(number, email=mail)

    @rule(which=PEOPLE)
    def archive_or_reactivate(self, which: int) -> None:
        """Archive a HighQ user, or bring one back."""
        if number := self.account(which):
            self.world.change_account(number, active=not self.world.accounts[number].active)

    @rule(which=PEOPLE, anew=st.booleans())
    def delete_account(self, which: int, anew: bool) -> None:
        """Delete a HighQ user; perhaps they are made anew with another id."""
        if number := self.account(which):
            old = self.world.accounts.pop(number)
            if anew:
                self.world.add_account(old.email)

    @rule(which=PEOPLE)
    def choose_own_picture(self, which: int) -> None:
        """Somebody sets a picture in HighQ."""
        if number := self.account(which):
            self.world.change_account(number, shows="own")

    @rule(which=PEOPLE)
    def deny(self, which: int) -> None:
        """HighQ denies one user whatever is sent, or stops doing so."""
        if number := self.account(which):
            self.world.change_account(number, denied=not self.world.accounts[number].denied)

    @rule(mode=st.sampled_from(Mode), first_sync=st.sampled_from(FirstSync))
    def edit_mode(self, mode: Mode, first_sync: FirstSync) -> None:
        """Edit `mode` and `firstSync`."""
        self.edit(mode=mode, first_sync=first_sync)

    @rule(match=st.sampled_from((("mail",), ("userPrincipalName",), ("mail", "userPrincipalName"))))
    def edit_match(self, match: tuple[str, ...]) -> None:
        """Edit `match`."""
        self.edit(match=match)

    @rule(attributes=st.sampled_from(((THUMB,), (JPEG, THUMB), (THUMB, JPEG), ("ThumbNailPhoto",))))
    def edit_attributes(self, attributes: tuple[str, ...]) -> None:
        """Edit `imageAttributes`, perhaps only their spelling."""
        self.edit(attributes=attributes)

    @rule(smallest=st.sampled_from((48, 96)), endpoint=st.sampled_from(Endpoint))
    def edit_image(self, smallest: int, endpoint: Endpoint) -> None:
        """Edit `image` and `endpoint`."""
        self.edit(smallest=smallest, endpoint=endpoint)

    @rule(which=st.sets(st.sampled_from(("brake", "attributes", "match", "unknown")), max_size=3))
    def acknowledge(self, which: set[str]) -> None:
        """Acknowledge what a run or a dry run told of; several at once; perhaps late."""
        now = self.tenant.header()
        settings = self.tenant.settings
        ahead = Acknowledgements(
            now.header.with_lists(settings.attributes, [f"{a}=email" for a in settings.match]), ()
        )
        ids = {
            "brake": now.header.brake.id if now.header.brake else "",
            "attributes": ahead.attributes_change,
            "match": ahead.match_change,
            "unknown": "no-such-id",
        }
        self.edit(acknowledge=tuple(ids[word] for word in sorted(which) if ids[word]))

    @rule(days=st.sampled_from((0.5, 3)))
    def later(self, days: float) -> None:
        """Let time pass."""
        self.world.later(days)

    @rule(pictures=st.booleans(), dates=st.booleans())
    def change_list(self, pictures: bool, dates: bool) -> None:
        """HighQ's list tells more, or less."""
        self.world.tells_pictures, self.world.tells_dates = pictures, dates

    @rule()
    def save(self) -> None:
        """Take a copy of the state."""
        self.tenant.saved = copy.deepcopy((self.tenant.store, self.tenant.memory))

    @precondition(lambda self: self.tenant.saved is not None)
    @rule()
    def restore(self) -> None:
        """Bring an older copy of the state back."""
        assert self.tenant.saved
        self.tenant.store, self.tenant.memory = copy.deepcopy(self.tenant.saved)

    def edit(self, **changes: object) -> None:
        """Edit the spec."""
        self.tenant.settings = replace(self.tenant.settings, **changes)  # type: ignore[arg-type]

    def person(self, index: int) -> int | None:
        """Return somebody's GUID."""
        guids = sorted(self.world.people)
        return guids[index % len(guids)] if guids else None

    def account(self, index: int) -> int | None:
        """Return an account's id."""
        numbers = sorted(self.world.accounts)
        return numbers[index % len(numbers)] if numbers else None
