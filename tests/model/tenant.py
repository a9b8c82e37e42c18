"""One tenant of the model: the real run on fakes, the reference beside it, and their comparison."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import Sweep, new_header
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.plan import settings_fingerprint
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.run import RunContext, execute
from profile_image_sync.worker.token_store import TokenStore
from tests.model.fakes import PICTURE_OF, FakeDirectory, FakeHighQ, NoReferences
from tests.model.memory import Memory, Row
from tests.model.reference import Run
from tests.model.remembering import remember
from tests.model.world import Settings, World, refusal
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


class Silence:
    """A logger that says nothing: thousands of runs would fill the screen."""

    def info(self, *_: object, **__: object) -> None:
        """Say nothing."""

    warning = error = info


class Tenant:
    """The real run on fakes, and the model beside it."""

    def __init__(self) -> None:
        self.world = World()
        self.settings = Settings()
        self.store = MemoryStore(new_header(STATE))
        self.memory = Memory()
        self.saved: tuple[MemoryStore, Memory] | None = None
        self.runs = 0
        self.output: RunOutput | None = None  # of the last comparison
        self.uploads: list[
            tuple[int, int]
        ] = []  # account and picture: those of the last comparison

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

    def plan(self) -> Run:
        """Return what the rules say about a run now, on copies."""
        memory, world = copy.deepcopy((self.memory, self.world))
        return Run(memory, world, self.settings, self.acknowledged())

    def sync(self) -> Run:
        """Run both; compare who got which picture, what is recorded, what is reported, what stopped."""
        expected = self.plan()
        before = dict(self.store.shards), self.store.header
        highq = FakeHighQ(self.world, self.settings)
        self.output, self.uploads = self.execute(highq), highq.uploads
        report = self.output.report
        stop = expected.stop()
        assert (report.reason, bool(report.message)) == (stop, bool(stop)), report.message
        assert Counter(highq.uploads) == self.expected_uploads(expected)
        if not stop:
            self.compare_counts(expected, report.run.model_dump())
        if self.settings.dry_run:
            assert before[0] == self.store.shards
            assert before[1] == self.store.header or expected.found
        remember(expected)
        self.memory = expected.memory
        assert self.stored() == self.memory
        return expected

    def interrupted(self, highq: FakeHighQ, write: int = 0) -> None:
        """Run until HighQ is down, or until a kill at an upload or a write.

        Nothing goes up that the rules do not want; what is stored of a person is the old or the new; and
        unless the run was killed, each picture that HighQ took is recorded.
        """
        expected, before = self.plan(), self.memory
        self.store.fail_at, self.store.error = write, KeyboardInterrupt
        killed = True
        try:
            self.execute(highq)
            killed = False
        except KeyboardInterrupt:
            pass
        finally:
            self.store.fail_at = 0
        uploads = Counter(highq.uploads)
        assert uploads <= self.expected_uploads(expected)
        remember(expected)
        now, after = self.stored(), expected.memory
        for guid in {*before.rows, *now.rows, *after.rows}:
            old = before.rows.get(guid)
            returned = old and replace(old, gone=guid not in expected.people)
            assert now.rows.get(guid) in (old, returned, after.rows.get(guid))
        for guid in {*before.refused, *now.refused, *after.refused}:
            assert now.refused.get(guid) in (before.refused.get(guid), after.refused.get(guid))
        taken = {(row.account, row.picture) for row in now.rows.values()}
        if not killed:
            shown = [(n, p) for n, p in uploads if self.world.accounts[n].shows == f"AD {p}"]
            assert taken.issuperset(shown)
        if now.first_sync and not before.first_sync and not expected.stop():
            attempted = {*now.rows, *now.refused, *(now.waiting & before.waiting), *now.waiting}
            wanted = (g for g, done in expected.done.items() if done.action.startswith("Upload"))
            assert attempted.issuperset(wanted)
        self.memory = now

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
                elif expected.world.accounts[done.account].deaf:
                    word = "unchanged"  # and listed as unconfirmed
            counts[word] += 1
        shown = {name: numbers[name] for name in {*ACTIONS.values(), "to_upload", "failed"}}
        assert +Counter(shown) == counts
        assert numbers["people"] == counts.total()

    def stored(self) -> Memory:
        """Read the whole state back, in the model's words."""
        ledger = Ledger.open(self.store, expected_id=STATE)
        header, done = ledger.header, ledger.header.first_sync
        memory = Memory(
            attributes=tuple(name.lower() for name in header.image_attributes or ()),
            version=header.image_attributes_version,
            match=tuple(rule.removesuffix("=email") for rule in header.match or ()),
            match_version=header.match_version,
            first_sync=(done.policy, done.time, done.highest_account_id) if done else None,
            sweeps=[counted(sweep) for sweep in header.sweeps],
            brake={CAUSES(c): n for c, n in header.brake.figures.items()} if header.brake else None,
            spent={CHANGES[each] for each in header.spent_acknowledgements if each in CHANGES},
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
            if record.waiting:
                memory.waiting.add(guid.int)
        return memory

    def change_record(self, guid: int, change: Callable[[PersonRecord], PersonRecord]) -> None:
        """Change one person's record by a state command."""
        ledger = Ledger.open(self.store, expected_id=STATE)
        ledger.put(UUID(int=guid), change(ledger.get(UUID(int=guid))))
        ledger.commit(ledger.header)


def CAUSES(cause: str) -> str:  # noqa: N802  # a table
    """Return the model's word for the cause of a brake."""
    words = {"TooFewPeople": "people", "TooFewMatched": "matched", "TooManyChanges": "changed"}
    return words.get(cause) or cause.replace("TooFewImages/", "image ")


def counted(sweep: Sweep) -> Counter[str]:
    """Return a sweep as the model counts it."""
    counts = Counter(people=sweep.people, matched=sweep.matched)
    counts["with image"] = sweep.with_image
    counts.update({f"image {name.lower()}": count for name, count in sweep.images.items()})
    return counts


FINGERPRINTS: dict[bytes, tuple[object, ...]] = {
    settings_fingerprint(ImageSettings(min_source_size=smallest), endpoint): (
        (smallest, endpoint) if endpoint else (smallest,)
    )
    for smallest in (48, 96)
    for endpoint in (None, *Endpoint)
}
CHANGES = {
    change: f"{field} {version}"
    for version in range(2, 60)
    for field, change in {
        "attributes": Acknowledgements(
            new_header(STATE).model_copy(update={"image_attributes_version": version}), ()
        ).attributes_change,
        "match": Acknowledgements(
            new_header(STATE).model_copy(update={"match_version": version}), ()
        ).match_change,
    }.items()
}
