"""The rules of the sync, one row each (design, section 1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import Fit, Focus, ImageSettings
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.api.state_header import CompletedFirstSync
from profile_image_sync.worker.ledger import Accepted, PersonRecord, Refused
from profile_image_sync.worker.matching import Match, MatchOutcome
from profile_image_sync.worker.people import Account, Person, Source
from profile_image_sync.worker.plan import (
    PersonPlan,
    Policy,
    Verdict,
    classify,
    plan_person,
    record_after,
    replan,
    settings_fingerprint,
    was_attempted,
)

THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"
SETTINGS, UPLOAD_SETTINGS, OTHER_SETTINGS = b"set1", b"set2", b"set3"


def digest(word: str) -> bytes:
    """Stand in for the MD5 of an image."""
    return md5(word.encode(), usedforsecurity=False).digest()


def image(word: str, attribute: str = THUMB) -> Source:
    """Return an image of AD's."""
    return Source(attribute, digest(word))


def accepted(word: str, attribute: str = THUMB, account: int = 7) -> Accepted:
    """Record that HighQ took an image."""
    return Accepted(digest(word), attribute, account, 1)


def refused(word: str, settings: bytes = UPLOAD_SETTINGS) -> Refused:
    """Record that an image was refused."""
    return Refused(digest(word), "TooSmall", settings)


def policy(mode: Mode = Mode.CONTINUOUS, **facts: Any) -> Policy:
    """Say what holds for everyone of a run."""
    known = Policy(
        mode=mode,
        first_sync=FirstSync.OVERRIDE,
        completed=None,
        image_attributes=(THUMB,),
        attributes_version=1,
        upload_moved=False,
        image_settings=SETTINGS,
        upload_settings=UPLOAD_SETTINGS,
    )
    return replace(known, **facts)


NOTHING = PersonRecord(None, None)
ONE_OFF = policy(Mode.ONE_OFF)
BOTH = policy(image_attributes=(JPEG, THUMB))
EDITED = policy(image_attributes=(JPEG, THUMB), attributes_version=2)

CLASSIFY = {
    "a person without a record gets the AD image": (image("a"), NOTHING, policy(), Verdict.UPLOAD_FIRST),
    "one-off too": (image("a"), NOTHING, ONE_OFF, Verdict.UPLOAD_FIRST),
    "the same image is no change": (
        image("a"), PersonRecord(accepted("a"), None), policy(), Verdict.UNCHANGED,
    ),
    "the same image from another attribute is no change": (
        image("a", JPEG), PersonRecord(accepted("a", THUMB), None), BOTH, Verdict.UNCHANGED,
    ),
    "a new image goes up": (image("b"), PersonRecord(accepted("a"), None), policy(), Verdict.UPLOAD_CHANGED),
    "one-off never uploads a second time": (
        image("b"), PersonRecord(accepted("a"), None), ONE_OFF, Verdict.UNCHANGED,
    ),
    "no image and no record": (None, NOTHING, policy(), Verdict.NO_IMAGE),
    "an image that disappears deletes nothing": (
        None, PersonRecord(accepted("a"), None), policy(), Verdict.REMOVED,
    ),
    "a refused image is not sent again": (
        image("b"), PersonRecord(accepted("a"), refused("b")), policy(), Verdict.REFUSED,
    ),
    "a person whose first image was refused has not had theirs": (
        image("b"), PersonRecord(None, refused("a")), ONE_OFF, Verdict.UPLOAD_FIRST,
    ),
    "accepted A, refused B, back to A is nothing to do": (
        image("a"), PersonRecord(accepted("a"), refused("b")), policy(), Verdict.UNCHANGED,
    ),
    "after a refusal another image goes up": (
        image("c"), PersonRecord(accepted("a"), refused("b")), policy(), Verdict.UPLOAD_CHANGED,
    ),
    "our own refusal holds under the same image settings": (
        image("b"), PersonRecord(None, refused("b", SETTINGS)), policy(), Verdict.REFUSED,
    ),
    "our own refusal is judged again under other image settings": (
        image("b"), PersonRecord(None, refused("b", OTHER_SETTINGS)), policy(), Verdict.UPLOAD_FIRST,
    ),
    "a vanished attribute is not served from the next in the list": (
        image("b", THUMB), PersonRecord(accepted("a", JPEG), None), BOTH, Verdict.REMOVED,
    ),
    "a preferred attribute that appears is a change": (
        image("b", JPEG), PersonRecord(accepted("a", THUMB), None), BOTH, Verdict.UPLOAD_CHANGED,
    ),
    "a changed list of attributes re-records": (
        image("b", JPEG),
        PersonRecord(accepted("a", THUMB), None),
        EDITED,
        Verdict.RERECORD,
    ),
    "a changed list still uploads what changed in the same attribute": (
        image("b", THUMB),
        PersonRecord(accepted("a", THUMB), None),
        EDITED,
        Verdict.UPLOAD_CHANGED,
    ),
    "a new image in a new attribute, long after the list changed, goes up": (
        image("b", JPEG), PersonRecord(accepted("a", THUMB), None), policy(image_attributes=(JPEG,)),
        Verdict.UPLOAD_CHANGED,
    ),
    "an acknowledged change of the list uploads": (
        image("b", JPEG), PersonRecord(accepted("a", THUMB)), replace(EDITED, upload_moved=True),
        Verdict.UPLOAD_CHANGED,
    ),
    "an attribute that is only spelled in another case is the same": (
        image("b", "ThumbnailPHOTO"), PersonRecord(accepted("a", THUMB)),
        policy(image_attributes=("ThumbnailPHOTO",), attributes_version=2), Verdict.UPLOAD_CHANGED,
    ),
    "a vanished attribute is known in whatever case it is spelled": (
        image("b", THUMB), PersonRecord(accepted("a", "JPEGPhoto")), BOTH, Verdict.REMOVED,
    ),
    "who is seen under the edited list with the same image is recorded anew": (
        image("a"), PersonRecord(accepted("a")), EDITED, Verdict.RERECORD,
    ),
    "an unconfirmed image is not sent again by itself": (
        image("a"), PersonRecord(replace(accepted("a"), unconfirmed=True)), policy(),
        Verdict.UNCONFIRMED,
    ),
    "after an unconfirmed image the former one is a change": (
        image("a"), PersonRecord(replace(accepted("b"), unconfirmed=True)), policy(),
        Verdict.UPLOAD_CHANGED,
    ),
    "who is to be sent again is, in one-off mode too": (
        image("a"), PersonRecord(replace(accepted("a"), resend=True)), ONE_OFF, Verdict.UPLOAD_AGAIN,
    ),
    "what HighQ refused once more is not sent a third time": (
        image("a"), PersonRecord(replace(accepted("a"), resend=True), refused("a")), policy(),
        Verdict.REFUSED,
    ),
    "a one-off leaves an image of another attribute alone": (
        image("b", JPEG), PersonRecord(accepted("a", THUMB)),
        policy(Mode.ONE_OFF, image_attributes=(JPEG, THUMB)), Verdict.UNCHANGED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASSIFY.values(), ids=CLASSIFY.keys())
def test_a_person_is_judged_by_image_and_record(
    case: tuple[Source | None, PersonRecord, Policy, Verdict],
) -> None:
    """Each rule of the design gives its verdict."""
    source, entry, rules, verdict = case
    assert classify(source, entry, rules) is verdict


WORDS = st.sampled_from(["a", "b", "c"])
SOURCES = st.none() | st.builds(image, WORDS, st.sampled_from([THUMB, JPEG]))
RECORDS = st.builds(
    PersonRecord,
    st.none()
    | st.builds(
        Accepted,
        WORDS.map(digest),
        st.sampled_from([THUMB, JPEG]),
        st.sampled_from([0, 7, 8]),
        st.integers(1, 2),
        unconfirmed=st.booleans(),
    ),
    st.none() | st.builds(refused, WORDS, st.sampled_from([UPLOAD_SETTINGS, SETTINGS, b"set3"])),
)
COMPLETED = CompletedFirstSync(
    policy=FirstSync.ADOPT, time=datetime(2026, 5, 4, 12, tzinfo=UTC), highest_account_id=100
)
POLICIES = st.builds(
    policy,
    st.sampled_from(Mode),
    first_sync=st.sampled_from(FirstSync),
    completed=st.sampled_from([None, COMPLETED]),
    image_attributes=st.sampled_from([(THUMB, JPEG), (JPEG, THUMB)]),
    attributes_version=st.integers(1, 2),
    upload_moved=st.booleans(),
)


def account(number: int = 7, **facts: Any) -> Account:
    """Invent a HighQ user."""
    return replace(Account(number, True, "ann@x", None), **facts)


def matched(number: int = 7, **facts: Any) -> Match:
    """Say that this account is theirs."""
    return replace(Match(MatchOutcome.MATCHED, account(number), 0), **facts)


MATCHES = st.builds(matched, st.sampled_from([7, 8, 300])) | st.builds(
    Match, st.sampled_from([outcome for outcome in MatchOutcome if outcome.value != "Matched"])
)


def person(source: Source | None) -> Person:
    """Invent somebody with this image."""
    return Person(UUID(int=1), ("ann@x",), source, (THUMB,) if source else (), "ann@x")


@given(SOURCES, RECORDS, MATCHES, POLICIES)
def test_what_was_accepted_for_an_account_is_never_sent_there_again(
    source: Source | None, record: PersonRecord, match: Match, rules: Policy
) -> None:
    """Rule 3: "Upload only when that hash differs from the recorded one"."""
    plan = plan_person(person(source), record, match, rules)
    if source and record.accepted and record.accepted.md5 == source.md5 and plan.verdict.uploads:
        assert record.accepted.account_id != plan.account_id


@given(SOURCES, RECORDS, MATCHES, POLICIES)
def test_after_an_upload_or_a_record_the_next_run_has_nothing_to_do(
    source: Source | None, record: PersonRecord, match: Match, rules: Policy
) -> None:
    """Recording what a verdict uploads settles the person, in every mode."""
    plan = plan_person(person(source), record, match, rules)
    after = record_after(plan, record, rules)
    if source and plan.verdict.uploads:
        after = PersonRecord(rules.accepted(source, plan.account_id))
    again = plan_person(person(source), after, match, rules).verdict
    assert not again.uploads
    assert again not in (Verdict.ADOPT, Verdict.RERECORD) or not plan.account_id


@given(SOURCES, RECORDS, MATCHES, POLICIES)
def test_adopting_uploads_nothing_over_an_account_that_was_there(
    source: Source | None, record: PersonRecord, match: Match, rules: Policy
) -> None:
    """Rule 5: "Adopt and FillEmpty protect every account that existed", whenever its person is matched."""
    rules = replace(rules, first_sync=FirstSync.ADOPT)
    plan = plan_person(person(source), replace(record, accepted=None), match, rules)
    if plan.verdict.uploads:
        assert plan.account_id > COMPLETED.highest_account_id
        assert rules.completed


ADOPT = policy(first_sync=FirstSync.ADOPT)
ADOPTED = policy(first_sync=FirstSync.ADOPT, completed=COMPLETED)
FILL = policy(first_sync=FirstSync.FILL_EMPTY)
FILLED = policy(first_sync=FirstSync.FILL_EMPTY, completed=COMPLETED)
LONG_BEFORE, LONG_AFTER = COMPLETED.time - timedelta(days=2), COMPLETED.time + timedelta(days=2)
SOON_AFTER = COMPLETED.time + timedelta(hours=23)

FIRST_MATCHES = {
    "Override replaces": (policy(), account(has_picture=True), Verdict.UPLOAD_FIRST),
    "Adopt records": (ADOPT, account(has_picture=False), Verdict.ADOPT),
    "FillEmpty fills what is empty": (FILL, account(has_picture=False), Verdict.UPLOAD_FIRST),
    "FillEmpty leaves a picture alone": (FILL, account(has_picture=True), Verdict.ADOPT),
    "FillEmpty leaves alone what it does not know": (FILL, account(), Verdict.ADOPT),
    "later too, whatever the account's age": (
        FILLED, account(300, has_picture=True, created=LONG_AFTER), Verdict.ADOPT,
    ),
    "and fills what is empty then": (FILLED, account(has_picture=False), Verdict.UPLOAD_FIRST),
    "an account from before is protected for ever": (
        ADOPTED, account(300, created=LONG_BEFORE), Verdict.ADOPT,
    ),
    "one made later is a joiner's": (ADOPTED, account(7, created=LONG_AFTER), Verdict.UPLOAD_FIRST),
    "within a day the id decides: a new one": (
        ADOPTED, account(101, created=SOON_AFTER), Verdict.UPLOAD_FIRST,
    ),
    "within a day the id decides: an old one": (
        ADOPTED, account(100, created=SOON_AFTER), Verdict.ADOPT,
    ),
    "without dates the id decides: a new one": (ADOPTED, account(101), Verdict.UPLOAD_FIRST),
    "without dates the id decides: an old one": (ADOPTED, account(100), Verdict.ADOPT),
}  # fmt: skip


@pytest.mark.parametrize("case", FIRST_MATCHES.values(), ids=FIRST_MATCHES.keys())
@pytest.mark.parametrize("record", [NOTHING, PersonRecord(accepted("z", account=9))])
def test_a_first_match_obeys_first_sync(
    record: PersonRecord, case: tuple[Policy, Account, Verdict]
) -> None:
    """Rule 5: "Every first match obeys it, rule 11's too" (an account that was created anew)."""
    rules, there, expected = case
    found = Match(MatchOutcome.MATCHED, there, 0)
    verdict = plan_person(person(image("a")), record, found, rules).verdict
    if record.accepted and expected is Verdict.UPLOAD_FIRST:
        expected = Verdict.UPLOAD_NEW_ACCOUNT
    assert verdict is expected


KEPT = PersonRecord(accepted("a"))
PLANS = {
    "an upload goes to the matched account": (
        image("b"), KEPT, matched(), policy(), (Verdict.UPLOAD_CHANGED, 7, ""),
    ),
    "no account: no upload, and the reason": (
        image("a"), NOTHING, Match(MatchOutcome.NO_ACCOUNT), policy(),
        (Verdict.UNMATCHED, 0, "NoAccount"),
    ),
    "an archived account is no account": (
        image("a"), NOTHING, Match(MatchOutcome.INACTIVE), ADOPT,
        (Verdict.UNMATCHED, 0, "AccountInactive"),
    ),
    "not surely theirs: no face": (
        image("b"), KEPT, Match(MatchOutcome.SEVERAL_PEOPLE, kept=True), policy(),
        (Verdict.AMBIGUOUS, 0, "SeveralPeople"),
    ),
    "unchanged on their account, whoever else leads there": (
        image("a"), KEPT, Match(MatchOutcome.SEVERAL_PEOPLE, kept=True), policy(),
        (Verdict.UNCHANGED, 7, ""),
    ),
    "unchanged, but leading to another account, is said": (
        image("a"), KEPT, Match(MatchOutcome.LEADS_ELSEWHERE, kept=True), policy(),
        (Verdict.AMBIGUOUS, 0, "LeadsToOtherAccount"),
    ),
    "unchanged, but the account is gone, is said": (
        image("a"), KEPT, Match(MatchOutcome.NO_ACCOUNT), policy(),
        (Verdict.UNMATCHED, 0, "NoAccount"),
    ),
    "a re-created account is a new first upload, in one-off mode too": (
        image("b"), PersonRecord(accepted("a", account=3)), matched(), ONE_OFF,
        (Verdict.UPLOAD_NEW_ACCOUNT, 7, ""),
    ),
    "what the first delivery adopted without an account is recorded with it": (
        image("a"), PersonRecord(accepted("a", account=0)), matched(), policy(),
        (Verdict.RERECORD, 7, ""),
    ),
    "and goes up when it changes": (
        image("b"), PersonRecord(accepted("a", account=0)), matched(), ADOPT,
        (Verdict.UPLOAD_CHANGED, 7, ""),
    ),
    "released by an acknowledged change of match, whatever firstSync says": (
        image("a"), KEPT, matched(8, released=True), ADOPT, (Verdict.UPLOAD_AGAIN, 8, ""),
    ),
    "released by hand": (
        image("a"), PersonRecord(replace(accepted("a", account=0), resend=True)), matched(8), ADOPT,
        (Verdict.UPLOAD_AGAIN, 8, ""),
    ),
    "a re-created person with the same hash takes the row over": (
        image("a"), NOTHING, matched(former=(accepted("a"),)), policy(),
        (Verdict.RERECORD, 7, ""),
    ),
    "a re-created person with another hash counts as changed": (
        image("b"), NOTHING, matched(former=(accepted("a"),)), policy(),
        (Verdict.UPLOAD_NEW_PERSON, 7, ""),
    ),
    "a re-created person on a protected account is adopted": (
        image("b"), NOTHING, matched(former=(accepted("a"),)), ADOPT, (Verdict.ADOPT, 7, ""),
    ),
    "who has a refused image needs no account": (
        image("b"), PersonRecord(None, refused("b")), Match(MatchOutcome.NO_ACCOUNT), policy(),
        (Verdict.REFUSED, 0, "TooSmall"),
    ),
    "nor has who has none": (
        None, KEPT, Match(MatchOutcome.NO_ACCOUNT), policy(), (Verdict.REMOVED, 7, ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANS.values(), ids=PLANS.keys())
def test_the_account_decides_what_goes_up(
    case: tuple[Source | None, PersonRecord, Match, Policy, tuple[Verdict, int, str]],
) -> None:
    """Rule 11: "The right face on the right person, or no face"."""
    source, record, match, rules, expected = case
    plan = plan_person(person(source), record, match, rules)
    assert (plan.verdict, plan.account_id, plan.reason) == expected


def test_every_upload_but_a_first_one_counts_for_the_brake() -> None:
    """Rule 13: "Brakes count every picture that would replace one"."""
    uploads = {verdict for verdict in Verdict if verdict.uploads}
    assert {verdict for verdict in Verdict if verdict.replaces} == uploads - {Verdict.UPLOAD_FIRST}
    assert len(uploads) == 5


REPLANS = {
    "another new picture still goes up": (image("c"), KEPT, 7, Verdict.UPLOAD_CHANGED),
    "the accepted one again does not": (image("a"), KEPT, 7, Verdict.UNCHANGED),
    "but does on an account that has not had it": (image("a"), KEPT, 8, Verdict.UPLOAD_CHANGED),
    "a refused one does not": (
        image("c"), replace(KEPT, refused=refused("c")), 8, Verdict.REFUSED,
    ),
    "none does not": (None, KEPT, 7, Verdict.REMOVED),
}  # fmt: skip


@pytest.mark.parametrize("case", REPLANS.values(), ids=REPLANS.keys())
def test_a_picture_that_changed_meanwhile_is_judged_again(
    case: tuple[Source | None, PersonRecord, int, Verdict],
) -> None:
    """Rule 2: the hash that counts is that of the bytes sent, so they are judged before."""
    source, record, number, expected = case
    plan = PersonPlan(person(image("b")), Verdict.UPLOAD_CHANGED, number)
    again = replan(plan, source, record, policy())
    assert (again.verdict, again.person.source, again.account_id) == (expected, source, number)
    assert again.reason == ("TooSmall" if expected is Verdict.REFUSED else "")


@pytest.mark.parametrize(
    ("record", "attempted"),
    [
        (PersonRecord(), False),
        (KEPT, True),
        (PersonRecord(None, refused("a")), True),
        (PersonRecord(waiting="HighQTrouble"), True),
        (PersonRecord(waiting="NoAccount"), False),
        (PersonRecord(waiting="SeveralPeople"), False),
        (PersonRecord(waiting="NoImage"), False),
    ],
)
def test_an_attempt_counts_whatever_came_of_it(record: PersonRecord, attempted: bool) -> None:
    """Rule 7: who still waited for an account when a run ended early has not been attempted."""
    assert was_attempted(record) is attempted


def test_what_is_remembered_without_an_upload() -> None:
    """Adopted and re-recorded images are recorded, who waits is marked, a refusal is kept."""
    record = replace(KEPT, refused=refused("z"), waiting="NoAccount")
    rules = policy(attributes_version=5)
    adopted = PersonPlan(person(image("b")), Verdict.ADOPT, 9)
    expected = PersonRecord(Accepted(digest("b"), THUMB, 9, 5), refused("z"))
    assert record_after(adopted, record, rules) == expected
    waits = PersonPlan(person(image("b")), Verdict.AMBIGUOUS, reason="SeveralPeople")
    assert record_after(waits, record, rules) == replace(record, waiting="SeveralPeople")
    refuses = PersonPlan(person(image("z")), Verdict.REFUSED, reason="TooSmall")
    assert record_after(refuses, record, rules) == replace(record, waiting="Refused")
    unchanged = PersonPlan(person(image("a")), Verdict.UNCHANGED, 7)
    assert record_after(unchanged, record, rules) == replace(record, waiting="")


def test_a_refusal_holds_until_a_setting_that_led_to_it_changes() -> None:
    """Rule 4: "with the settings that led to it (image settings; for HighQ's refusals endpoint too)"."""
    variants = [
        ImageSettings(),
        ImageSettings(fit=Fit.PAD),
        ImageSettings(focus=Focus.CENTER),
        ImageSettings(max_size=513),
        ImageSettings(min_source_size=49),
    ]
    endpoints = (None, Endpoint.AVATAR, Endpoint.PROFILE_IMAGE)
    fingerprints = {settings_fingerprint(image, end) for image in variants for end in endpoints}
    assert len(fingerprints) == len(variants) * len(endpoints)
    assert {len(fingerprint) for fingerprint in fingerprints} == {4}
