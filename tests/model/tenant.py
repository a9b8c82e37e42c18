"""One tenant of the model: the real run on fakes, the reference beside it, and their comparison."""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import cast
from uuid import UUID

from profile_image_sync.api.report import PeopleLists
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import encode_header, new_header
from profile_image_sync.api.status import Trigger
from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.plan import has_failed, waits_for_account
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.run import RunContext, execute
from profile_image_sync.worker.token_store import TokenStore
from tests.model.fakes import PICTURE_OF, FakeDirectory, FakeHighQ, NoReferences
from tests.model.memory import Memory, Row
from tests.model.reference import Run
from tests.model.stores import HEADER, KillableStore, Killed
from tests.model.words import ACTIONS, FINGERPRINTS, cause_of, changes_of, counted
from tests.model.world import Settings, World, refusal

STATE = UUID(int=1)


@cache
def spec_of(s: Settings) -> ProfileImageSyncSpec:
    """Return the spec that the settings stand for."""
    return ProfileImageSyncSpec.model_validate(
        {
            "mode": s.mode,
            "firstSync": s.first_sync,
            "schedule": "@hourly",
            "dryRun": s.dry_run,
            "activeDirectory": {
                "servers": ["ldaps://dc1.corp.example"],
                "searchBases": [f"OU={unit},DC=corp,DC=example" for unit in s.units],
                "imageAttributes": list(s.attributes),
                "credentialsSecretRef": {"name": "ad"},
            },
            "highq": {
                "url": f"https://{s.highq}.highq.com/{s.highq}",
                "endpoint": s.endpoint,
                "credentialsSecretRef": {"name": "highq"},
                "match": [{"activeDirectory": a, "highq": "email"} for a in s.match],
            },
            "image": {"minSourceSize": s.smallest},
            "safety": {"acknowledge": " ".join(s.acknowledge)},
        }
    )


class Tenant:
    """The real run on fakes, and the model beside it."""

    def __init__(self, store: KillableStore | None = None, tick: float = 0) -> None:
        """Keep the state there; `tick`: seconds that pass whenever a run looks at its clock."""
        self.world = World()
        self.settings = Settings()
        self.store = store or KillableStore()
        self.tick = tick
        self.state, self.states, self.trouble = STATE, 1, ""  # trouble: why the state is not whole
        self.begin_state(STATE)
        self.memory = Memory()
        self.runs = 0
        self.lists = PeopleLists(run="")  # of the last run
        self.output: RunOutput | None = None  # of the last comparison
        self.uploads: list[
            tuple[int, int]
        ] = []  # account and picture: those of the last comparison

    def begin_state(self, state: UUID, replaces: UUID | None = None) -> None:
        """Begin a state in an empty place."""
        self.state = state
        self.store.replace({HEADER: encode_header(new_header(state, replaces))})

    def execute(
        self,
        highq: FakeHighQ,
        *,
        stop: threading.Event | None = None,
        deadline: float = math.inf,
        trigger: Trigger = Trigger.REQUEST,
    ) -> RunOutput:
        """Do one real run: a full sweep unless the trigger leaves it the choice."""
        self.runs += 1
        number, ids = self.runs, iter(range(99))
        seconds = itertools.count()
        spec = spec_of(self.settings)
        context = RunContext(
            run_id=f"run {number}",
            job="",
            store=self.store,
            tokens=cast("TokenStore", None),
            references=NoReferences(),
            now=lambda: self.world.now,
            clock=lambda: next(seconds) * self.tick,
            new_id=lambda: f"brake-{number}-{next(ids)}",
            stop=stop or threading.Event(),
            deadline=deadline,
            former_lists=lambda: self.lists,
            progress=lambda _done, _total: None,
            open_directory=lambda *_: cast(
                "Directory", FakeDirectory(self.world, self.settings, spec)
            ),
            open_highq=lambda *_, **__: cast("HighQClient", highq),
        )
        run_spec = RunSpec(
            namespace="t",
            name="acme",
            generation=1,
            trigger=trigger,
            state_id=self.state,
            spec=spec,
        )
        output = execute(run_spec, context)
        self.lists = output.people
        return output

    def header(self) -> Acknowledgements:
        """Return what the ids in the spec mean to the state as it is stored."""
        return Acknowledgements(self.ledger().header, ())

    def ledger(self) -> Ledger:
        """Open the state as it is stored."""
        return Ledger.open(self.store, expected_id=self.state)

    def acknowledged(self) -> set[str]:
        """Return the given ids in the model's words; an edit of the spec is a new version already."""
        header = self.header().header
        attributes, match = self.settings.attributes, self.settings.match
        ahead = header.with_lists(attributes, [f"{a}=email" for a in match])
        changes = Acknowledgements(ahead, ())
        means = {
            changes.attributes_change: f"attributes {ahead.image_attributes_version}",
            changes.match_change: f"match {ahead.match_version}",
            header.brake.id if header.brake else "": "brake",
        }
        return {means[given] for given in self.settings.acknowledge if given in means}

    def plan(self) -> Run:
        """Return what the rules say about a run now, on copies."""
        if self.trouble:
            return Run(self.memory, self.world, self.settings, set(), self.trouble)
        return Run(self.memory.copy(), self.world.copy(), self.settings, self.acknowledged())

    def sync(self) -> Run:
        """Run both; compare who got which picture, what is recorded, what is reported, what stopped."""
        expected, before = self.plan(), self.store.contents
        highq = FakeHighQ(self.world, self.settings)
        self.output, self.uploads = self.execute(highq), highq.uploads
        report = self.output.report
        stop = expected.stop()
        assert (report.reason, bool(report.message)) == (stop, bool(stop)), report.message
        assert Counter(highq.uploads) == self.expected_uploads(expected)
        if self.trouble:
            assert self.store.contents == before
            return expected
        if not stop:
            self.compare_people(expected, self.output)
        if self.settings.dry_run:
            assert before == self.store.contents | {HEADER: before[HEADER]}
            assert before == self.store.contents or expected.found
        expected.remember()
        self.memory = expected.memory
        assert self.stored() == self.memory
        return expected

    def interrupted(self, by: str, after: int) -> None:
        """Run until something ends the run early: `by` what, `after` how many uploads, writes or seconds.

        Nothing goes up that the rules do not want; what is stored of a person, and of everyone, is the old or
        the new; and unless the run was killed, each picture that HighQ took is recorded.
        """
        expected, before, stop = self.plan(), self.memory, threading.Event()
        highq = FakeHighQ(
            self.world, self.settings, before_upload=_ends(by, after, self.store, stop)
        )
        if by.startswith("write"):
            self.store.writes_left, self.store.lands = after, by == "write that lands"
        with suppress(Killed):
            self.execute(highq, stop=stop, deadline=after if by == "deadline" else math.inf)
        killed = self.store.writes_left < 0
        self.store.writes_left = math.inf
        uploads = Counter(highq.uploads)
        assert uploads <= self.expected_uploads(expected)
        if self.trouble:
            return
        expected.remember()
        now, after_all = self.stored(), expected.memory
        for guid in {*before.rows, *now.rows, *after_all.rows}:
            old = before.rows.get(guid)
            returned = old and replace(old, gone=guid not in expected.people)
            assert now.rows.get(guid) in (old, returned, after_all.rows.get(guid))
        for guid in {*before.refused, *now.refused, *after_all.refused}:
            assert now.refused.get(guid) in (before.refused.get(guid), after_all.refused.get(guid))
        for fact in ("attributes", "match", "sweeps", "brake", "spent", "highq"):
            assert getattr(now, fact) in (getattr(before, fact), getattr(after_all, fact)), fact
        recorded = {(row.account, row.picture) for row in now.rows.values()}
        assert killed or recorded.issuperset(highq.taken)
        if now.first_sync and not before.first_sync and not expected.stop():
            attempted = {*now.rows, *now.refused, *now.waiting}
            wanted = (g for g, (action, _) in expected.done.items() if action.startswith("Upload"))
            assert attempted.issuperset(wanted)
        self.memory = now

    def expected_uploads(self, expected: Run) -> Counter[tuple[int, int]]:
        """Return account and picture of every attempt."""
        uploads = Counter[tuple[int, int]]()
        if expected.stop() or self.settings.dry_run:
            return uploads
        for guid, (action, account) in expected.done.items():
            image = expected.images[guid]
            if action.startswith("Upload") and image:
                ours = len(refusal(image[1], self.settings)) == 1
                uploads[account, image[1]] += not ours
        return +uploads

    def compare_people(self, expected: Run, output: RunOutput) -> None:
        """Check that the numbers add up to people, each counted and listed where the rules put them."""
        kinds: dict[str, set[str]] = defaultdict(set)
        for guid, (action, account) in expected.done.items():
            word, image = ACTIONS[action], expected.images[guid]
            if word == "uploaded" and image:
                refused = refusal(image[1], self.settings)
                if len(refused) == 1 or (refused and not self.settings.dry_run):
                    word = "refused"
                elif self.settings.dry_run:
                    word = "to_upload"
                elif expected.world.accounts[account].denied:
                    word = "failed"
                elif expected.world.accounts[account].deaf:
                    word = "unchanged"  # and listed as unconfirmed
            kinds[word].add(str(UUID(int=guid)))
        numbers = output.report.run.model_dump()
        assert numbers["people"] == len(expected.people)
        for name in {*ACTIONS.values(), "to_upload", "failed"}:
            assert numbers[name] == len(kinds[name]), name
        lists = {kind.name.lower(): people for kind, people in output.people.people.items()}
        for name in {*lists} - {"unconfirmed"}:
            assert {person.guid for person in lists[name]} == kinds[name], name

    def stored(self) -> Memory:
        """Read the whole state back, in the model's words."""
        ledger = self.ledger()
        header, done, edits = ledger.header, ledger.header.first_sync, changes_of(self.state)
        memory = Memory(
            attributes=tuple(name.lower() for name in header.image_attributes or ()),
            version=header.image_attributes_version,
            match=tuple(rule.removesuffix("=email") for rule in header.match or ()),
            match_version=header.match_version,
            first_sync=(done.policy, done.time, done.highest_account_id) if done else None,
            sweeps=[counted(sweep) for sweep in header.sweeps],
            brake={cause_of(c): n for c, n in header.brake.figures.items()}
            if header.brake
            else None,
            highq=header.highq or "",
            spent={edits[each] for each in header.spent_acknowledgements if each in edits},
        )
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
            if refused := record.refused:
                memory.refused[guid.int] = PICTURE_OF[refused.md5], FINGERPRINTS[refused.settings]
            if waits_for_account(record) or has_failed(record):
                memory.waiting.add(guid.int)
        return memory

    def change_record(self, guid: int, change: Callable[[PersonRecord], PersonRecord]) -> None:
        """Change one person's record by a state command."""
        ledger = self.ledger()
        ledger.put(UUID(int=guid), change(ledger.get(UUID(int=guid))))
        ledger.commit(ledger.header)


def _ends(
    by: str, after: int, store: KillableStore, stop: threading.Event
) -> Callable[[int], None]:
    """Return what happens at each upload."""

    def before_upload(attempted: int) -> None:
        if attempted < after:
            return
        match by:
            case "down":
                raise HighQUnavailable("down")
            case "stop":
                stop.set()
            case "kill":
                store.writes_left = -1
                raise Killed

    return before_upload
