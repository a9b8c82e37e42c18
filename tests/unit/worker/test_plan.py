"""The rules of the sync, one row each (design, section 1)."""

from __future__ import annotations

from hashlib import md5
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import Fit, Focus, ImageSettings
from profile_image_sync.api.spec import Mode
from profile_image_sync.worker.ledger import Accepted, PersonRecord, Refused
from profile_image_sync.worker.matching import Match, MatchOutcome
from profile_image_sync.worker.people import Person, Source
from profile_image_sync.worker.plan import (
    Policy,
    Verdict,
    classify,
    plan_person,
    resolve_account,
    settings_fingerprint,
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


def policy(
    mode: Mode = Mode.CONTINUOUS,
    *,
    adopting: bool = False,
    attributes: tuple[str, ...] = (THUMB,),
    rerecord: bool = False,
) -> Policy:
    """Say what holds for everyone of a run."""
    return Policy(mode, adopting, attributes, rerecord, 1, SETTINGS, UPLOAD_SETTINGS)


NOTHING = PersonRecord(None, None)
ONE_OFF = policy(Mode.ONE_OFF)
BOTH = policy(attributes=(JPEG, THUMB))

TRIAGE = {
    "a person without a record gets the AD image": (image("a"), NOTHING, policy(), Verdict.UPLOAD_FIRST),
    "one-off too": (image("a"), NOTHING, ONE_OFF, Verdict.UPLOAD_FIRST),
    "adopting only records": (image("a"), NOTHING, policy(adopting=True), Verdict.ADOPT),
    "the same image is no change": (
        image("a"), PersonRecord(accepted("a"), None), policy(), Verdict.UNCHANGED,
    ),
    "the same image from another attribute is no change": (
        image("a", JPEG), PersonRecord(accepted("a", THUMB), None), BOTH, Verdict.UNCHANGED,
    ),
    "a new image goes up": (image("b"), PersonRecord(accepted("a"), None), policy(), Verdict.UPLOAD_CHANGED),
    "adopting ends where a hash is recorded": (
        image("b"), PersonRecord(accepted("a"), None), policy(adopting=True), Verdict.UPLOAD_CHANGED,
    ),
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
        policy(attributes=(JPEG, THUMB), rerecord=True),
        Verdict.RERECORD,
    ),
    "a changed list still uploads what changed in the same attribute": (
        image("b", THUMB),
        PersonRecord(accepted("a", THUMB), None),
        policy(attributes=(JPEG, THUMB), rerecord=True),
        Verdict.UPLOAD_CHANGED,
    ),
    "a new image in a new attribute, long after the list changed, goes up": (
        image("b", JPEG), PersonRecord(accepted("a", THUMB), None), policy(attributes=(JPEG,)),
        Verdict.UPLOAD_CHANGED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRIAGE.values(), ids=TRIAGE.keys())
def test_a_person_is_judged_by_image_and_record(
    case: tuple[Source | None, PersonRecord, Policy, Verdict],
) -> None:
    """Each rule of the design gives its verdict."""
    source, entry, rules, verdict = case
    assert classify(source, entry, rules) is verdict


WORDS = st.sampled_from(["a", "b", "c"])
SOURCES = st.none() | st.builds(image, WORDS, st.sampled_from([THUMB, JPEG]))
ENTRIES = st.builds(
    PersonRecord,
    st.none() | st.builds(accepted, WORDS, st.sampled_from([THUMB, JPEG])),
    st.none()
    | st.builds(refused, WORDS, st.sampled_from([UPLOAD_SETTINGS, SETTINGS, OTHER_SETTINGS])),
)
POLICIES = st.builds(
    policy,
    st.sampled_from(Mode),
    adopting=st.booleans(),
    attributes=st.sampled_from([(THUMB, JPEG), (JPEG, THUMB)]),
    rerecord=st.booleans(),
)


@given(SOURCES, ENTRIES, POLICIES)
def test_what_was_accepted_is_never_sent_again(
    source: Source | None, entry: PersonRecord, rules: Policy
) -> None:
    """Whatever else is recorded, the accepted image causes no upload and no new record."""
    if source and entry.accepted and entry.accepted.md5 == source.md5:
        assert classify(source, entry, rules) is Verdict.UNCHANGED


@given(SOURCES, ENTRIES, POLICIES)
def test_after_an_upload_the_next_run_has_nothing_to_do(
    source: Source | None, entry: PersonRecord, rules: Policy
) -> None:
    """Recording what a verdict uploads settles the person, in every mode."""
    verdict = classify(source, entry, rules)
    if source and (verdict.uploads or verdict in (Verdict.ADOPT, Verdict.RERECORD)):
        after = PersonRecord(rules.accepted(source, 7))
        assert classify(source, after, rules) is Verdict.UNCHANGED


@given(SOURCES, ENTRIES, POLICIES)
def test_adopting_uploads_nothing_for_people_without_a_record(
    source: Source | None, entry: PersonRecord, rules: Policy
) -> None:
    """`firstSync: Adopt` never overrides a picture that is in HighQ already."""
    if rules.adopting and entry.accepted is None:
        assert not classify(source, entry, rules).uploads


def person(source: Source | None) -> Person:
    """Invent somebody with this image."""
    return Person(UUID(int=1), ("ann@x",), source, (THUMB,) if source else (), "ann@x")


MATCHED = Match(MatchOutcome.MATCHED, 7)
ASSIGN = {
    "an upload goes to the matched account": (
        image("a"), NOTHING, policy(), MATCHED, (Verdict.UPLOAD_FIRST, 7, ""),
    ),
    "no account: no upload, and the reason": (
        image("a"), NOTHING, policy(), Match(MatchOutcome.NO_ACCOUNT),
        (Verdict.UNMATCHED, 0, "NoAccount"),
    ),
    "an archived account is no account": (
        image("a"), NOTHING, policy(), Match(MatchOutcome.INACTIVE),
        (Verdict.UNMATCHED, 0, "AccountInactive"),
    ),
    "not surely theirs: no face": (
        image("b"), PersonRecord(accepted("a"), None), policy(), Match(MatchOutcome.SEVERAL_PEOPLE),
        (Verdict.AMBIGUOUS, 0, "SeveralPeople"),
    ),
    "a re-created account is a new first upload": (
        image("a"), PersonRecord(accepted("a", account=3), None), policy(), MATCHED,
        (Verdict.UPLOAD_NEW_ACCOUNT, 7, ""),
    ),
    "also in one-off mode": (
        image("b"), PersonRecord(accepted("a", account=3), None), ONE_OFF, MATCHED,
        (Verdict.UPLOAD_NEW_ACCOUNT, 7, ""),
    ),
    "adopted without a known account stays as it is": (
        image("a"), PersonRecord(accepted("a", account=0), None), policy(), MATCHED,
        (Verdict.UNCHANGED, 0, ""),
    ),
    "unchanged people need no account": (
        image("a"), PersonRecord(accepted("a"), None), policy(), Match(MatchOutcome.SEVERAL_PEOPLE),
        (Verdict.UNCHANGED, 7, ""),
    ),
    "adopting records who is matched": (
        image("a"), NOTHING, policy(adopting=True), MATCHED, (Verdict.ADOPT, 7, ""),
    ),
    "adopting records also where the account is in doubt": (
        image("a"), NOTHING, policy(adopting=True), Match(MatchOutcome.SEVERAL_ACCOUNTS),
        (Verdict.ADOPT, 0, ""),
    ),
    "who has no account yet is not adopted, so that they get theirs when it comes": (
        image("a"), NOTHING, policy(adopting=True), Match(MatchOutcome.NO_ACCOUNT),
        (Verdict.UNMATCHED, 0, "NoAccount"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ASSIGN.values(), ids=ASSIGN.keys())
def test_the_account_decides_what_goes_up(
    case: tuple[Source | None, PersonRecord, Policy, Match, tuple[Verdict, int, str]],
) -> None:
    """Rule 11: the right face on the right person, or no face."""
    source, entry, rules, match, expected = case
    proposal = plan_person(person(source), entry, rules)
    (decision,) = resolve_account([proposal], lambda _: entry, {proposal.person.guid: match})
    assert (decision.verdict, decision.account_id, decision.reason) == expected


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
