"""What is uploaded, counted and recorded for each plan, and what ends a run."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

import pytest
from PIL import Image

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.status import Run
from profile_image_sync.errors import (
    AuthorisationRefused,
    DeadlineReached,
    HighQUnavailable,
    Interrupted,
    StateUnavailable,
    UploadDenied,
    UploadFailed,
    UploadRefused,
    UploadRejected,
    UploadsRejected,
    UploadUnconfirmed,
)
from profile_image_sync.worker import pipeline
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.failure_streaks import MAX_STREAK
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.images import source_md5
from profile_image_sync.worker.ledger import Accepted, Ledger, PersonRecord, Refused
from profile_image_sync.worker.people import Avatar, Person, Source
from profile_image_sync.worker.pipeline import IN_FLIGHT
from profile_image_sync.worker.plan import (
    PersonPlan,
    Policy,
    Verdict,
    classify,
    settings_fingerprint,
)
from profile_image_sync.worker.uploader import (
    FLUSH_SECONDS,
    Uploader,
)
from testkit import pictures
from tests.support.memory_store import MemoryStore
from tests.unit.worker.fakes import FakeDirectory, FakeHighQ

STATE = UUID(int=0xACE)
SETTINGS = ImageSettings()
UPLOADS = [Verdict.UPLOAD_FIRST, Verdict.UPLOAD_CHANGED, Verdict.UPLOAD_NEW_ACCOUNT]


def png(shade: int) -> bytes:
    """Return a small picture."""
    return pictures.png(Image.new("RGB", (64, 64), (shade % 256, shade // 256, 0)))


def guid(number: int) -> UUID:
    """Return a GUID that is spread over the shards."""
    return UUID(int=number * 0x01010101_01010101_01010101_01010101 % 2**128)


@dataclass
class Scenario:
    """An uploader with fakes at its edges and a real ledger."""

    mode: Mode = Mode.CONTINUOUS
    dry_run: bool = False
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    highq: FakeHighQ = field(default_factory=FakeHighQ)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(new_header(STATE)))
    counters: RunCounters = field(default_factory=RunCounters)
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    deadline: float = math.inf
    progress: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger.open(self.store, expected_id=STATE)

    def plan(
        self,
        number: int,
        verdict: Verdict = Verdict.UPLOAD_FIRST,
        picture: bytes | None = None,
        reason: str = "",
    ) -> PersonPlan:
        """Return a plan about person `number`, whose account has the same number."""
        picture = png(number) if picture is None else picture
        self.directory.pictures[guid(number)] = picture
        source = Source("thumbnailPhoto", source_md5(picture)) if picture else None
        images = ("thumbnailPhoto",) if picture else ()
        person = Person(guid(number), (None,), source, images, f"p{number}@ad.test")
        return PersonPlan(person, verdict, number, reason)

    @property
    def policy(self) -> Policy:
        """The policy of the run."""
        return Policy(
            mode=self.mode,
            first_sync=FirstSync.OVERRIDE,
            completed=None,
            image_attributes=("thumbnailPhoto",),
            upload_moved=False,
            attributes_version=1,
            image_settings=settings_fingerprint(SETTINGS),
            upload_settings=settings_fingerprint(SETTINGS, Endpoint.AVATAR),
        )

    def upload_all(self, plans: Sequence[PersonPlan]) -> None:
        """Process the plans as a run does."""
        Uploader(
            directory=cast("Directory", self.directory),
            highq=cast("HighQClient", self.highq),
            ledger=self.ledger,
            counters=self.counters,
            policy=self.policy,
            still_leads=lambda _guid, _account, keys: keys == (None,),
            settings=SETTINGS,
            dry_run=self.dry_run,
            stop=self.stop,
            clock=lambda: self.seconds,
            deadline=self.deadline,
            progress=lambda done, total: self.progress.append((done, total)),
        ).upload_all(iter(plans), len(plans))

    @property
    def numbers(self) -> Run:
        """The numbers of the run, as the report has them."""
        return self.counters.filled(Run(id="run"))

    def stored(self, number: int) -> PersonRecord:
        """Return the record of a person as the next run will find it."""
        return Ledger.open(self.store, expected_id=STATE).get(guid(number))

    def listed(self, kind: PeopleKind) -> list[tuple[str, str]]:
        """Return label and reason of the people in one list."""
        people = self.counters.lists("run").people.get(kind, ())
        return [(person.label, person.reason) for person in people]


@pytest.fixture
def scenario() -> Scenario:
    """Give an uploader of a Continuous sync."""
    return Scenario()


def accepted(picture: bytes, account: int) -> PersonRecord:
    """Return the record of an accepted upload."""
    return PersonRecord(Accepted(source_md5(picture), "thumbnailPhoto", account, 1))


@pytest.mark.parametrize("verdict", UPLOADS)
def test_an_accepted_picture_is_recorded_with_its_account(
    scenario: Scenario, verdict: Verdict
) -> None:
    """Rule 4: recorded as accepted after HighQ's yes, and counted with the reason of the upload."""
    scenario.upload_all([scenario.plan(7, verdict)])
    ((account, avatar),) = scenario.highq.uploads
    assert (account, avatar.side) == (7, 256)
    assert scenario.stored(7) == accepted(png(7), 7)
    assert scenario.listed(PeopleKind.UPLOADED) == [("p7@ad.test", verdict.value)]


def test_the_hash_recorded_is_that_of_the_bytes_sent_not_of_the_plan(scenario: Scenario) -> None:
    """A picture that changes between plan and upload is sent and recorded as it is then (rule 2)."""
    plan = scenario.plan(7)
    scenario.directory.pictures[guid(7)] = png(99)
    scenario.upload_all([plan])
    assert scenario.stored(7) == accepted(png(99), 7)


def test_a_picture_that_changed_back_meanwhile_is_not_sent(scenario: Scenario) -> None:
    """A person whose picture is the accepted one again is unchanged (rule 3)."""
    scenario.ledger.put(guid(7), accepted(png(1), 7))
    plan = scenario.plan(7, Verdict.UPLOAD_CHANGED, png(2))
    scenario.directory.pictures[guid(7)] = png(1)
    scenario.upload_all([plan])
    assert scenario.highq.uploads == []
    assert scenario.numbers.unchanged == 1
    assert scenario.stored(7) == accepted(png(1), 7)


def test_a_picture_that_vanished_meanwhile_is_no_upload(scenario: Scenario) -> None:
    """Somebody who left or lost the picture between plan and upload is counted as without one."""
    plan = scenario.plan(7)
    del scenario.directory.pictures[guid(7)]
    scenario.upload_all([plan])
    assert scenario.highq.uploads == []
    assert scenario.listed(PeopleKind.NO_IMAGE) == [("p7@ad.test", "NoImage")]
    assert scenario.stored(7) == PersonRecord(waiting="NoImage")


def test_an_adopted_picture_is_recorded_and_not_sent(scenario: Scenario) -> None:
    """`firstSync: Adopt` (rule 5)."""
    scenario.upload_all([scenario.plan(7, Verdict.ADOPT)])
    assert scenario.highq.uploads == []
    assert scenario.listed(PeopleKind.ADOPTED) == [("p7@ad.test", "Adopt")]
    assert scenario.stored(7) == accepted(png(7), 7)


def test_a_rerecorded_picture_counts_as_unchanged(scenario: Scenario) -> None:
    """A changed `imageAttributes` moves the hash without an upload (rule 5)."""
    scenario.upload_all([scenario.plan(7, Verdict.RERECORD)])
    assert scenario.highq.uploads == []
    assert scenario.numbers.unchanged == 1
    assert scenario.stored(7) == accepted(png(7), 7)


@pytest.mark.parametrize(
    ("verdict", "reason", "kind", "listed"),
    [
        (Verdict.NO_IMAGE, "", PeopleKind.NO_IMAGE, "NoImage"),
        (Verdict.REMOVED, "", PeopleKind.NO_IMAGE, "RemovedInSource"),
        (Verdict.REFUSED, "TooSmall", PeopleKind.REFUSED, "TooSmall"),
        (Verdict.UNMATCHED, "NoAccount", PeopleKind.UNMATCHED, "NoAccount"),
        (Verdict.AMBIGUOUS, "SeveralPeople", PeopleKind.AMBIGUOUS, "SeveralPeople"),
    ],
)
def test_people_who_are_not_served_are_listed_with_their_reason(
    scenario: Scenario, verdict: Verdict, reason: str, kind: PeopleKind, listed: str
) -> None:
    """They cost no call, and what was accepted stays recorded."""
    scenario.ledger.put(guid(7), accepted(png(1), 7))
    scenario.upload_all([scenario.plan(7, verdict, reason=reason)])
    assert scenario.listed(kind) == [("p7@ad.test", listed)]
    assert (scenario.highq.uploads, scenario.directory.reads) == ([], [])
    waiting = reason if verdict in (Verdict.UNMATCHED, Verdict.AMBIGUOUS) else verdict.value
    assert scenario.stored(7) == replace(accepted(png(1), 7), waiting=waiting)


def test_an_unchanged_person_costs_nothing(scenario: Scenario) -> None:
    """Neither a read nor a call nor a write (rule 3)."""
    scenario.upload_all([scenario.plan(7, Verdict.UNCHANGED)])
    assert (scenario.highq.uploads, scenario.directory.reads, scenario.store.log) == ([], [], [])
    assert scenario.numbers.unchanged == 1


def test_an_image_refused_by_us_is_recorded_with_the_image_settings(scenario: Scenario) -> None:
    """It is not tried again until the picture or the settings change (rule 4); others go on."""
    scenario.upload_all([scenario.plan(1, picture=b"no image"), scenario.plan(2)])
    refused = Refused(source_md5(b"no image"), "NotAnImage", settings_fingerprint(SETTINGS))
    assert scenario.stored(1) == PersonRecord(None, refused, "Refused")
    assert scenario.listed(PeopleKind.REFUSED) == [("p1@ad.test", "NotAnImage")]
    assert [account for account, _ in scenario.highq.uploads] == [2]


def test_a_refusal_keeps_the_picture_that_was_accepted_before(scenario: Scenario) -> None:
    """Accepted A, refused B, back to A: nothing to do (rule 4)."""
    scenario.ledger.put(guid(1), accepted(png(1), 1))

    def refuse(_account: int) -> None:
        raise UploadRefused("NotSquare", "HighQ refuses it")

    scenario.highq.respond = refuse
    scenario.upload_all([scenario.plan(1, Verdict.UPLOAD_CHANGED, png(2))])
    entry = scenario.stored(1)
    assert entry.accepted == accepted(png(1), 1).accepted
    assert entry.refused is not None
    assert (entry.refused.md5, entry.refused.reason) == (source_md5(png(2)), "NotSquare")


def test_a_failed_upload_is_not_recorded_as_accepted(scenario: Scenario) -> None:
    """The next run tries again (rule 4); that it was attempted is remembered (rule 7)."""

    def fail(account: int) -> None:
        if account == 1:
            raise UploadFailed("HighQTrouble", "HTTP 503")

    scenario.highq.respond = fail
    scenario.upload_all([scenario.plan(1), scenario.plan(2)])
    assert scenario.stored(1) == PersonRecord(waiting="HighQTrouble")
    assert scenario.stored(2) == accepted(png(2), 2)
    assert scenario.listed(PeopleKind.FAILED) == [("p1@ad.test", "HighQTrouble")]
    assert scenario.numbers.failed == 1


def test_many_failures_in_a_row_end_the_run(scenario: Scenario) -> None:
    """HighQ is down: the people who are left would fail as well."""

    def fail(_account: int) -> None:
        raise UploadFailed("HighQTrouble", "HTTP 503")

    scenario.highq.respond = fail
    with pytest.raises(HighQUnavailable, match=r"10 uploads failed by HighQ.* HTTP 503"):
        scenario.upload_all([scenario.plan(number) for number in range(1, 201)])
    assert MAX_STREAK <= scenario.numbers.failed <= MAX_STREAK + IN_FLIGHT


def test_people_whom_highq_denies_do_not_keep_others_from_being_served(scenario: Scenario) -> None:
    """Forty denied people, sorted before the others: each is counted, nobody else suffers (rule 14)."""

    def deny(account: int) -> None:
        if account <= 40:
            raise UploadDenied("AccessDenied", "HTTP 403")

    scenario.highq.respond = deny
    scenario.upload_all([scenario.plan(number) for number in range(1, 81)])
    assert scenario.numbers.failed == 40
    assert sorted(account for account, _ in scenario.highq.uploads) == list(range(41, 81))


def test_a_request_that_highq_blames_is_never_recorded(scenario: Scenario) -> None:
    """Refs 396, 397, 402 and 403 are ours, not the picture's (rule 4)."""

    def reject(_account: int) -> None:
        raise UploadRejected("FileMissing", "ref 397")

    scenario.highq.respond = reject
    with pytest.raises(UploadsRejected, match="ref 397"):
        scenario.upload_all([scenario.plan(number) for number in range(1, 101)])
    assert all(scenario.stored(number) == PersonRecord() for number in range(1, 101))


def test_a_lost_answer_is_recorded_as_unconfirmed_and_listed(scenario: Scenario) -> None:
    """It is not sent again by itself: the person may have chosen another picture since (rule 4)."""

    def lose(account: int) -> None:
        if account == 1:
            raise UploadUnconfirmed("ResponseLost", "no answer")

    scenario.highq.respond = lose
    scenario.upload_all([scenario.plan(1), scenario.plan(2)])
    record = scenario.stored(1)
    assert record.accepted is not None
    assert record.accepted.unconfirmed
    assert (record.accepted.md5, record.accepted.account_id) == (source_md5(png(1)), 1)
    assert scenario.listed(PeopleKind.UNCONFIRMED) == [("p1@ad.test", "ResponseLost")]
    assert scenario.numbers.failed == 0
    assert not classify(scenario.plan(1).person.source, record, scenario.policy).uploads


def test_highqs_refusal_holds_for_the_endpoint_and_image_settings_that_led_to_it(
    scenario: Scenario,
) -> None:
    """Rule 4: another endpoint or other image settings may do what these did not."""

    def refuse(_account: int) -> None:
        raise UploadRefused("NotSquare", "ref 404")

    scenario.highq.respond = refuse
    scenario.upload_all([scenario.plan(1)])
    record, source = scenario.stored(1), scenario.plan(1).person.source
    assert classify(source, record, scenario.policy) is Verdict.REFUSED
    other = settings_fingerprint(SETTINGS, Endpoint.PROFILE_IMAGE)
    changed = replace(scenario.policy, upload_settings=other)
    assert classify(source, record, changed) is Verdict.UPLOAD_FIRST


def test_failures_with_a_success_between_them_do_not_end_the_run(scenario: Scenario) -> None:
    """Only an unbroken row of failures says that HighQ is down."""

    def fail(account: int) -> None:
        if account % 2:
            raise UploadFailed("HighQTrouble", "HTTP 503")

    scenario.highq.respond = fail
    scenario.upload_all([scenario.plan(number) for number in range(1, 61)])
    assert scenario.numbers.failed == 30
    assert len(scenario.highq.uploads) == 30


def test_an_error_that_ends_the_run_leaves_every_accepted_upload_recorded(
    scenario: Scenario,
) -> None:
    """What is in flight when HighQ refuses our token is waited for and written (rule 4)."""

    def revoke(account: int) -> None:
        if account == 5:
            raise AuthorisationRefused("revoked")

    scenario.highq.respond = revoke
    with pytest.raises(AuthorisationRefused):
        scenario.upload_all([scenario.plan(number) for number in range(1, 201)])
    sent = {account for account, _ in scenario.highq.uploads}
    assert len(sent) < 150
    for number in range(1, 201):
        expected = accepted(png(number), number) if number in sent else PersonRecord(None, None)
        assert scenario.stored(number) == expected


def test_a_stopped_run_starts_no_further_upload_and_records_what_was_accepted(
    scenario: Scenario,
) -> None:
    """SIGTERM."""
    scenario.highq.respond = lambda _account: scenario.stop.set()
    with pytest.raises(Interrupted):
        scenario.upload_all([scenario.plan(number) for number in range(1, 201)])
    sent = {account for account, _ in scenario.highq.uploads}
    assert 0 < len(sent) <= IN_FLIGHT + 1
    assert all(scenario.stored(number) == accepted(png(number), number) for number in sent)


def test_a_run_ends_by_itself_before_its_deadline(scenario: Scenario) -> None:
    """Accepted uploads are recorded; everyone else is counted as still to upload."""

    def tick(_account: int) -> None:
        scenario.seconds += 1

    scenario.highq.respond = tick
    scenario.deadline = 20
    with pytest.raises(DeadlineReached, match="activeDeadlineSeconds") as caught:
        scenario.upload_all([scenario.plan(number) for number in range(1, 201)])
    assert caught.value.exit_code == 0
    sent = {account for account, _ in scenario.highq.uploads}
    assert 20 <= len(sent) <= 20 + IN_FLIGHT + 1
    assert all(scenario.stored(number) == accepted(png(number), number) for number in sent)
    numbers = scenario.counters.filled(Run(id="r"))
    assert (numbers.uploaded, numbers.to_upload) == (len(sent), 200 - len(sent))


def test_a_dry_run_converts_pictures_but_sends_and_records_nothing(scenario: Scenario) -> None:
    """It tells who would be uploaded and who would be refused (design: dryRun)."""
    scenario.dry_run = True
    plans = [scenario.plan(1), scenario.plan(2, picture=b"no image")]
    scenario.upload_all([*plans, scenario.plan(3, Verdict.ADOPT)])
    assert (scenario.highq.uploads, scenario.store.log) == ([], [])
    assert scenario.listed(PeopleKind.TO_UPLOAD) == [("p1@ad.test", "UploadFirst")]
    assert scenario.listed(PeopleKind.REFUSED) == [("p2@ad.test", "NotAnImage")]


def test_records_are_written_every_few_seconds_while_uploads_go_on(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run repeats at most the uploads of the last seconds."""
    monkeypatch.setattr(
        pipeline, "IN_FLIGHT", 1
    )  # one after the other: else they may all end at once
    writes: list[int] = []

    def tick(_account: int) -> None:
        scenario.seconds += FLUSH_SECONDS
        writes.append(len(scenario.store.log))

    scenario.highq.respond = tick
    scenario.upload_all([scenario.plan(number) for number in range(1, 31)])
    assert len(set(writes)) > 3


def test_records_are_not_written_one_by_one(scenario: Scenario) -> None:
    """Thirty uploads within five seconds are one write of shard and header."""
    scenario.upload_all([scenario.plan(number) for number in range(1, 31)])
    assert scenario.store.log == ["shard 0", "header"]


def test_a_store_that_fails_ends_the_run(scenario: Scenario) -> None:
    """Uploads that cannot be recorded would be sent again by every run."""
    scenario.store.fail_at = 1
    with pytest.raises(StateUnavailable):
        scenario.upload_all([scenario.plan(1)])


def test_progress_counts_decisions_to_the_last(scenario: Scenario) -> None:
    """What a terminal's progress bar shows."""
    scenario.upload_all([scenario.plan(n, Verdict.UNCHANGED) for n in range(1, 4)])
    assert scenario.progress == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_picture_that_the_pod_died_on_is_refused_at_the_next_try(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that takes much memory is marked in the state while it is decoded; others go on."""

    class PodDied(BaseException):
        """What a pod's memory limit does, as far as a test can show it."""

    states: list[PersonRecord] = []

    def die(_raw: bytes, _settings: ImageSettings) -> Avatar:
        states.append(scenario.stored(7))
        raise PodDied

    large = pictures.png(Image.new("RGB", (2500, 2500)))
    monkeypatch.setattr("profile_image_sync.worker.pipeline.make_avatar", die)
    with pytest.raises(PodDied):
        scenario.upload_all([scenario.plan(7, picture=large)])
    (state,) = states
    assert state.refused == Refused(
        source_md5(large), "DiedDecoding", settings_fingerprint(SETTINGS)
    )
    assert classify(scenario.plan(7, picture=large).person.source, state, scenario.policy) is (
        Verdict.REFUSED
    )


def test_a_large_picture_that_is_converted_leaves_no_mark(scenario: Scenario) -> None:
    """Neither when HighQ accepts it, nor when the upload fails: then the person waits."""
    large = pictures.png(Image.new("RGB", (2500, 2500)))

    def fail(account: int) -> None:
        if account == 2:
            raise UploadFailed("HighQTrouble", "HTTP 503")

    scenario.highq.respond = fail
    scenario.upload_all([scenario.plan(1, picture=large), scenario.plan(2, picture=large)])
    assert scenario.stored(1) == accepted(large, 1)
    assert scenario.stored(2) == PersonRecord(waiting="HighQTrouble")
    assert len(scenario.store.log) >= 4


def test_a_dry_run_marks_nothing(scenario: Scenario) -> None:
    """It writes nothing at all."""
    scenario.dry_run = True
    scenario.upload_all([scenario.plan(1, picture=pictures.png(Image.new("RGB", (2500, 2500))))])
    assert scenario.store.log == []


def test_a_mail_that_changed_since_the_plan_is_no_upload(scenario: Scenario) -> None:
    """Rule 11: the read before an upload verifies whose account it is; the next run looks again."""
    plan = scenario.plan(7)
    scenario.directory.keys[guid(7)] = ("another@ad.test",)
    scenario.upload_all([plan, scenario.plan(8)])
    assert [account for account, _ in scenario.highq.uploads] == [8]
    assert scenario.listed(PeopleKind.FAILED) == [("p7@ad.test", "MatchChanged")]
    assert scenario.stored(7) == PersonRecord(waiting="MatchChanged")
