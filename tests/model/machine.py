"""Events in any order: what may happen to a firm, its HighQ, its spec and its runs."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis.stateful import initialize

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.worker.acknowledgements import Acknowledgements
from tests.model.fakes import PICTURES
from tests.model.state_events import PEOPLE, StateEvents
from tests.model.stores import KillableStore
from tests.model.walking import event
from tests.model.world import JPEG, THUMB, ADPerson, Settings, World

MAILS = ("a@x", "b@x", "c@x", "d@x", "A@X ", "maße@x", "masse@x")
ATTRIBUTES = (THUMB, JPEG)


class SyncStateMachine(StateEvents):
    """Events in any order; after each run, the model has the same to say."""

    def __init__(self, store: KillableStore | None = None) -> None:
        super().__init__(store)
        self.told: list[str] = []  # ids of brakes and edits, the newest last

    @property
    def world(self) -> World:
        """The world outside."""
        return self.tenant.world

    @event(
        initialize,
        people=range(1, 7),
        first_sync=FirstSync,
        own=(True, False),
        attributes=((THUMB,), (THUMB,), (JPEG, THUMB), (THUMB, JPEG)),
        tick=(0, 1, 9),
    )
    def begin(
        self, people: int, first_sync: FirstSync, own: bool, attributes: tuple[str, ...], tick: int
    ) -> None:
        """Set up a firm; `tick`: see Tenant."""
        self.tenant.tick = tick
        self.tenant.settings = Settings(first_sync=first_sync, attributes=attributes)
        for number in range(people):
            mail = f"{'abcdef'[number]}@x"
            images = {attribute.lower(): number for attribute in attributes[: number // 2 + 1]}
            self.world.add_person(ADPerson(mail, f"upn{number}@x", images))
            self.world.add_account(mail, shows="own" if own and number % 2 else None)

    @event(times=(1, 1, 1, 2))
    def sync(self, times: int) -> None:
        """Run; a second run changes nothing more."""
        for _ in range(times):
            self.tenant.sync()

    @event(by=("down", "stop", "kill"), uploads=range(4))
    def end_early(self, by: str, uploads: int) -> None:
        """HighQ goes down, SIGTERM comes, or the pod is killed, after so many uploads."""
        self.tenant.interrupted(by, uploads)

    @event(write=range(9), lands=(True, False))
    def kill_at_a_write(self, write: int, lands: bool) -> None:
        """Kill a run at any write, before or after it took place."""
        self.tenant.interrupted("write that lands" if lands else "write", write)

    @event(seconds=(1, 5, 20, 60))
    def reach_the_deadline(self, seconds: int) -> None:
        """Let the Job's deadline come while the run uploads."""
        self.tenant.interrupted("deadline", seconds)

    @event(which=PEOPLE)
    def deafen(self, which: int) -> None:
        """HighQ takes what is sent for one user, but its answers are lost; or they come again."""
        if number := self.account(which):
            self.world.change_account(number, deaf=not self.world.accounts[number].deaf)

    @event()
    def dry_run(self) -> None:
        """Plan and report only: no trace."""
        self.edit(dry_run=True)
        self.tenant.sync()
        self.edit(dry_run=False)

    @event(who=PEOPLE, attribute=ATTRIBUTES, picture=(*PICTURES, None, None))
    def change_picture(self, who: int, attribute: str, picture: int | None) -> None:
        """Put a picture into AD, or take it away."""
        if guid := self.person(who):
            images = {**self.world.people[guid].images, attribute.lower(): picture}
            self.world.change_person(
                guid, images={a: p for a, p in images.items() if p is not None}
            )

    @event(mail=MAILS, picture=PICTURES, account=(True, False), shows=(None, "own"))
    def join(self, mail: str, picture: int, account: bool, shows: str | None) -> None:
        """Hire somebody, perhaps with a HighQ user."""
        if len(self.world.people) < 9:
            self.world.add_person(ADPerson(mail, None, {THUMB.lower(): picture}))
            if account:
                self.world.add_account(mail, shows=shows)

    @event(who=PEOPLE, silently=(True, False))
    def leave_or_return(self, who: int, silently: bool) -> None:
        """Leave the scope, or come back: disabled, or silently, as by a group."""
        if guid := self.person(who):
            there = self.world.people[guid].in_scope
            self.world.change_person(guid, silently=silently, in_scope=not there)

    @event(who=PEOPLE, unit=(1, 2), silently=(True, False))
    def move(self, who: int, unit: int, silently: bool) -> None:
        """Move somebody to another organisational unit, or, silently, the unit itself."""
        if guid := self.person(who):
            self.world.change_person(guid, silently=silently, unit=unit)

    @event(who=PEOPLE, picture=(*PICTURES, None))
    def re_create(self, who: int, picture: int | None) -> None:
        """Delete a user object and make it anew: another GUID, the same mail."""
        if guid := self.person(who):
            old = self.world.people.pop(guid)
            images = old.images if picture is None else {THUMB.lower(): picture}
            self.world.add_person(replace(old, images=images))

    @event(who=PEOPLE, mail=(*MAILS, None))
    def change_mail(self, who: int, mail: str | None) -> None:
        """Change somebody's mail."""
        if guid := self.person(who):
            self.world.change_person(guid, mail=mail)

    @event(one=PEOPLE, other=PEOPLE)
    def swap_mails(self, one: int, other: int) -> None:
        """Two people swap their addresses."""
        first, second = self.person(one), self.person(other)
        if first and second:
            people = self.world.people
            mails = people[first].mail, people[second].mail
            self.world.change_person(first, mail=mails[1])
            self.world.change_person(second, mail=mails[0])

    @event(mail=MAILS, shows=(None, "own"), active=(True, False), number=(None, None, 5, 500))
    def add_account(self, mail: str, shows: str | None, active: bool, number: int | None) -> None:
        """Create a HighQ user, perhaps a second one of that address, perhaps with an id out of order."""
        if len(self.world.accounts) < 12 and number not in self.world.accounts:
            self.world.add_account(mail, shows=shows, active=active, number=number)

    @event(which=PEOPLE, mail=MAILS)
    def change_account(self, which: int, mail: str) -> None:
        """Change the address of a HighQ user."""
        if number := self.account(which):
            self.world.change_account(number, email=mail)

    @event(which=PEOPLE)
    def archive_or_reactivate(self, which: int) -> None:
        """Archive a HighQ user, or bring one back."""
        if number := self.account(which):
            self.world.change_account(number, active=not self.world.accounts[number].active)

    @event(which=PEOPLE, anew=(True, False))
    def delete_account(self, which: int, anew: bool) -> None:
        """Delete a HighQ user; perhaps they are made anew with another id."""
        if number := self.account(which):
            old = self.world.accounts.pop(number)
            if anew:
                self.world.add_account(old.email)

    @event(which=PEOPLE)
    def choose_own_picture(self, which: int) -> None:
        """Somebody sets a picture in HighQ."""
        if number := self.account(which):
            self.world.change_account(number, shows="own")

    @event(which=PEOPLE)
    def deny(self, which: int) -> None:
        """HighQ denies one user whatever is sent, or stops doing so."""
        if number := self.account(which):
            self.world.change_account(number, denied=not self.world.accounts[number].denied)

    @event(mode=Mode, first_sync=FirstSync)
    def edit_mode(self, mode: Mode, first_sync: FirstSync) -> None:
        """Edit `mode` and `firstSync`."""
        self.edit(mode=mode, first_sync=first_sync)

    @event(match=(("mail",), ("userPrincipalName",), ("mail", "userPrincipalName")))
    def edit_match(self, match: tuple[str, ...]) -> None:
        """Edit `match`."""
        self.edit(match=match)

    @event(attributes=((THUMB,), (JPEG, THUMB), (THUMB, JPEG), ("ThumbNailPhoto",)))
    def edit_attributes(self, attributes: tuple[str, ...]) -> None:
        """Edit `imageAttributes`, perhaps only their spelling."""
        self.edit(attributes=attributes)

    @event(units=((1,), (2,), (1, 2)))
    def edit_scope(self, units: tuple[int, ...]) -> None:
        """Edit `searchBases`."""
        self.edit(units=units)

    @event(highq=("acme", "acme", "renamed"))
    def edit_url(self, highq: str) -> None:
        """Edit HighQ's address, or set it back."""
        self.edit(highq=highq)

    @event(smallest=(48, 96), endpoint=Endpoint)
    def edit_image(self, smallest: int, endpoint: Endpoint) -> None:
        """Edit `image` and `endpoint`."""
        self.edit(smallest=smallest, endpoint=endpoint)

    @event(which=("brake", "attributes", "match", "unknown", "former", "none"), added=(True, False))
    def acknowledge(self, which: str, added: bool) -> None:
        """Acknowledge what a run or a dry run told of; several at once, late, or what nobody told."""
        settings = self.tenant.settings
        if self.tenant.trouble:
            return
        now = self.tenant.header().header
        match = [f"{attribute}=email" for attribute in settings.match]
        ahead = Acknowledgements(now.with_lists(settings.attributes, match), ())
        ids = {
            "brake": now.brake.id if now.brake else "",
            "attributes": ahead.attributes_change,
            "match": ahead.match_change,
            "unknown": "no-such-id",
            "former": self.told[0] if self.told else "",
        }
        self.told = [*self.told, *filter(None, (ids["brake"], ids["attributes"], ids["match"]))][
            -9:
        ]
        given = ids.get(which, "")
        self.edit(
            acknowledge=(*(settings.acknowledge[-3:] if added else ()), *([given] if given else ()))
        )

    @event(which=(0, 1))
    def read_from(self, which: int) -> None:
        """Another domain controller answers, which numbers changes in its own way."""
        self.world.answers = which

    @event(which=(0, 1))
    def restore_controller(self, which: int) -> None:
        """Bring an older database of a domain controller back."""
        controller = self.world.controllers[which]
        controller.restore(UUID(int=controller.invocation.int + 0x100))

    @event(days=(0.5, 3, 8))
    def later(self, days: float) -> None:
        """Let time pass."""
        self.world.later(days)

    @event(pictures=(True, False), dates=(True, False))
    def change_list(self, pictures: bool, dates: bool) -> None:
        """HighQ's list tells more, or less."""
        self.world.tells_pictures, self.world.tells_dates = pictures, dates

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
