"""The real run and the reference model, side by side, through any order of events (design, section 1).

`make model N=20000` walks more sequences than `make test` does. What it finds becomes a named test below.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import Counter
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import FirstSync, Mode, ProfileImageSyncSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.worker import brakes, run, uploader
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.run import RunContext, execute
from profile_image_sync.worker.token_store import TokenStore
from tests.model.fakes import PICTURE_OF, FakeDirectory, FakeHighQ, NoReferences
from tests.model.memory import Memory, Row
from tests.model.reference import COMPARE_FROM, FROM_PEOPLE, Run
from tests.model.world import JPEG, THUMB, ADPerson, Settings, World, refusal
from tests.support.memory_store import MemoryStore

STATE = UUID(int=1)
ACTIONS = {  # what the report counts
    "Upload": "uploaded",
    "Upload replacing": "uploaded",
    "Adopt": "adopted",
    "Record": "unchanged",
    "Unchanged": "unchanged",
    "NoImage": "no_image",
    "Removed": "no_image",
    "Refused": "refused",
    "Unmatched": "unmatched",
    "Ambiguous": "ambiguous",
}


class Tenant:
    """The real run on fakes, and the model beside it."""

    def __init__(self) -> None:
        self.world = World()
        self.settings = Settings()
        self.store = MemoryStore(new_header(STATE))
        self.memory = Memory()
        self.saved: tuple[MemoryStore, Memory] | None = None
        self.runs = 0

    def spec(self) -> ProfileImageSyncSpec:
        """Return the spec that the settings stand for."""
        s = self.settings
        return ProfileImageSyncSpec.model_validate(
            {
                "mode": s.mode,
                "firstSync": s.first_sync,
                "schedule": "@hourly",
                "dryRun": s.dry_run,
                "activeDirectory": {
                    "servers": ["ldaps://dc1.corp.example"],
                    "imageAttributes": list(s.attributes),
                    "credentialsSecretRef": {"name": "ad"},
                },
                "highq": {
                    "url": "https://acme.highq.com/acme",
                    "endpoint": s.endpoint,
                    "credentialsSecretRef": {"name": "highq"},
                    "match": [{"activeDirectory": a, "highq": "email"} for a in s.match],
                },
                "image": {"minSourceSize": s.smallest},
                "safety": {"acknowledge": " ".join(s.acknowledge)},
            }
        )

    def execute(self, highq: FakeHighQ) -> RunOutput:
        """Do one real run."""
        self.runs += 1
        number, ids = self.runs, iter(range(99))
        spec = self.spec()
        context = RunContext(
            run_id=f"run {number}",
            job="",
            store=self.store,
            tokens=cast("TokenStore", None),
            references=NoReferences(),
            now=lambda: self.world.now,
            clock=lambda: 0.0,
            new_id=lambda: f"brake-{number}-{next(ids)}",
            stop=threading.Event(),
            progress=lambda _done, _total: None,
            open_directory=lambda *_: cast("Directory", FakeDirectory(self.world, spec)),
            open_highq=lambda *_, **__: cast("HighQClient", highq),
        )
        run_spec = RunSpec(namespace="t", name="acme", generation=1, state_id=STATE, spec=spec)
        return execute(run_spec, context)

    def header(self) -> Acknowledgements:
        """Return what the ids in the spec mean to the state as it is stored."""
        return Acknowledgements(Ledger.open(self.store, expected_id=STATE).header, ())

    def acknowledged(self) -> set[str]:
        """Return the given ids in the model's words; an edit of the spec is a new version already."""
        header = self.header().header
        attributes, match = self.spec().active_directory.image_attributes, self.settings.match
        ahead = header.with_lists(attributes, [f"{a}=email" for a in match])
        changes = Acknowledgements(ahead, ())
        means = {
            changes.attributes_change: f"attributes {ahead.image_attributes_version}",
            changes.match_change: f"match {ahead.match_version}",
            header.brake.id if header.brake else "": "brake",
        }
        return {means[given] for given in self.settings.acknowledge if given in means}

    def sync(self) -> Run:
        """Run both; compare who got which picture, what is recorded, what is reported, what stopped."""
        expected = Run(
            copy.deepcopy(self.memory),
            copy.deepcopy(self.world),
            self.settings,
            self.acknowledged(),
        )
        expected.apply()
        before = dict(self.store.shards), self.store.header
        highq = FakeHighQ(self.world, self.settings)
        report = self.execute(highq).report
        stop = expected.stop()
        assert (report.reason, bool(report.message)) == (stop, bool(stop)), report.message
        assert Counter(highq.uploads) == self.expected_uploads(expected)
        if not stop:
            self.compare_counts(expected, report.run.model_dump())
        if self.settings.dry_run:
            assert before == (dict(self.store.shards), self.store.header)
        self.memory = expected.memory
        self.compare_memory()
        return expected

    def expected_uploads(self, expected: Run) -> Counter[tuple[int, int]]:
        """Return account and picture of every attempt."""
        uploads = Counter[tuple[int, int]]()
        if expected.stop() or self.settings.dry_run:
            return uploads
        for guid, done in expected.done.items():
            image = expected.images[guid]
            if done.action.startswith("Upload") and image:
                ours = len(refusal(image[1], self.settings)) == 1
                uploads[done.account, image[1]] += not ours
        return +uploads

    def compare_counts(self, expected: Run, numbers: dict[str, Any]) -> None:
        """Check that the numbers add up to people, each person where the rules put them."""
        counts = Counter[str]()
        for guid, done in expected.done.items():
            word, image = ACTIONS[done.action], expected.images[guid]
            if word == "uploaded" and image:
                refused = refusal(image[1], self.settings)
                if len(refused) == 1 or (refused and not self.settings.dry_run):
                    word = "refused"
                elif self.settings.dry_run:
                    word = "to_upload"
                elif expected.world.accounts[done.account].denied:
                    word = "failed"
            counts[word] += 1
        shown = {name: numbers[name] for name in {*ACTIONS.values(), "to_upload", "failed"}}
        assert +Counter(shown) == counts
        assert numbers["people"] == counts.total()

    def compare_memory(self) -> None:
        """Check that what is stored is what the rules say must be remembered."""
        actual = self.stored()
        assert actual.rows == self.memory.rows
        assert {g: p for g, (p, _) in actual.refused.items()} == {
            g: p for g, (p, _) in self.memory.refused.items()
        }
        assert actual.waiting == self.memory.waiting
        assert actual.first_sync == self.memory.first_sync

    def stored(self) -> Memory:
        """Read the rows back as the model has them."""
        ledger = Ledger.open(self.store, expected_id=STATE)
        memory = copy.deepcopy(self.memory)
        memory.rows, memory.waiting, refused = {}, set(), {}
        for guid, record in ledger.items():
            if row := record.accepted:
                memory.rows[guid.int] = Row(
                    PICTURE_OF[row.md5],
                    row.attribute.lower(),
                    row.account_id,
                    row.attributes_version,
                    row.unconfirmed,
                    row.resend,
                    row.gone,
                )
            if record.refused:
                number = PICTURE_OF[record.refused.md5]
                settings = memory.refused.get(guid.int, (None, ()))
                refused[guid.int] = (number, settings[1] if settings[0] == number else ())
            if record.waiting:
                memory.waiting.add(guid.int)
        memory.refused = refused
        done = ledger.header.first_sync
        memory.first_sync = (done.policy, done.time, done.highest_account_id) if done else None
        return memory


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


class Silence:
    """A logger that says nothing: thousands of runs would fill the screen."""

    def info(self, *_: object, **__: object) -> None:
        """Say nothing."""

    warning = error = info


@pytest.fixture(autouse=True)
def small_firms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let brakes count from a few people on: sequences with twenty are long."""
    monkeypatch.setattr(brakes, "MIN_PEOPLE_FOR_PERCENT", FROM_PEOPLE)
    monkeypatch.setattr(brakes, "MIN_COUNT_TO_COMPARE", COMPARE_FROM)
    monkeypatch.setattr(run, "log", Silence())
    monkeypatch.setattr(uploader, "log", Silence())


def test_the_real_run_does_what_the_rules_say_in_every_order_of_events() -> None:
    """Design, section 1: who got which picture, what is recorded, reported and stopped."""
    run_state_machine_as_test(
        SyncStateMachine,
        settings=settings(
            max_examples=int(os.environ.get("N", "300")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
