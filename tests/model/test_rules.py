"""Section 1, rule by rule: the real run in the orders of events that broke it, and the model beside it.

Each docstring quotes the rule; docs/rules.md names these tests. `Tenant.sync` compares run and model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5
from uuid import UUID

import pytest

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.worker import pipeline
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.state_operations import released, resent
from tests.model.fakes import known_avatar, picture
from tests.model.machine import SyncStateMachine
from tests.model.memory import Row
from tests.model.tenant import Tenant
from tests.model.world import JPEG, THUMB, ADPerson, Settings

SMALL, REFUSED_BY_HIGHQ = 3, 4  # pictures: under 96 pixels; refused by the Avatar endpoint


def firm(
    people: int = 3, *, shows: str | None = None, first_sync: FirstSync = FirstSync.OVERRIDE
) -> Tenant:
    """Set up a firm: person n has picture 0 and, in HighQ, user 100 + n."""
    tenant = Tenant()
    tenant.settings = Settings(first_sync=first_sync)
    for number in range(1, people + 1):
        hire(tenant, f"p{number}@x", shows=shows)
    return tenant


def hire(tenant: Tenant, mail: str, picture: int = 0, *, shows: str | None = None) -> int:
    """Let somebody join, with a HighQ user."""
    tenant.world.add_account(mail, shows=shows)
    return tenant.world.add_person(ADPerson(mail, f"upn-{mail}", {THUMB.lower(): picture}))


def sync(tenant: Tenant, **settings: object) -> RunOutput:
    """Do a real run and hold it against the model; `settings` are edits of the spec."""
    tenant.settings = replace(tenant.settings, **settings)  # type: ignore[arg-type]
    tenant.sync()
    assert tenant.output
    return tenant.output


def shown(tenant: Tenant) -> dict[int, str | None]:
    """Return what people see in HighQ."""
    return {number: account.shows for number, account in tenant.world.accounts.items()}


def listed(output: RunOutput, kind: PeopleKind) -> dict[str, str]:
    """Return label and reason of one list; everyone in it has a sentence."""
    people = output.people.people.get(kind, ())
    assert all(len(person.detail) > 20 for person in people)
    return {person.label: person.reason for person in people}


def change_pictures(tenant: Tenant, guids: Sequence[int], picture: int) -> None:
    """Give people another picture in AD."""
    for guid in guids:
        tenant.world.change_person(guid, images={THUMB.lower(): picture})


def test_rule_1_a_married_name_in_ad_only_keeps_the_account() -> None:
    """Rule 1: "even when their own match attributes lead nowhere any more"."""
    tenant = firm()
    sync(tenant)
    tenant.world.change_person(1, mail="married@x")
    assert sync(tenant).report.run.unchanged == 3
    change_pictures(tenant, [1], 1)
    assert sync(tenant).report.run.uploaded == 1
    assert shown(tenant)[101] == "AD 1"


def test_rule_1_a_face_never_goes_to_a_second_account_by_inference() -> None:
    """Rule 1: "When the attributes lead to *another* active account …: never a second account"."""
    tenant = firm()
    tenant.world.add_account("other@x", shows="own")
    sync(tenant)
    tenant.world.change_person(1, mail="other@x")
    change_pictures(tenant, [1], 1)
    output = sync(tenant)
    assert listed(output, PeopleKind.AMBIGUOUS) == {"other@x": "LeadsToOtherAccount"}
    assert (shown(tenant)[101], shown(tenant)[104]) == ("AD 0", "own")


def test_rule_1_two_who_swap_mails_are_served_once_both_are_released() -> None:
    """Rule 1: "A released person's next match is uploaded whatever `firstSync` says"."""
    tenant = firm(first_sync=FirstSync.ADOPT, shows="own")
    change_pictures(tenant, [2], 1)
    sync(tenant)
    tenant.world.change_person(1, mail="p2@x")
    tenant.world.change_person(2, mail="p1@x")
    assert len(listed(sync(tenant), PeopleKind.AMBIGUOUS)) == 2
    for guid in (1, 2):
        tenant.change_record(guid, released)
        tenant.memory.rows[guid] = replace(tenant.memory.rows[guid], account=0, resend=True)
        tenant.memory.waiting.discard(guid)
    sync(tenant)
    assert (shown(tenant)[101], shown(tenant)[102]) == ("AD 1", "AD 0")


def test_rule_1_an_edit_of_match_releases_everyone_once_it_is_acknowledged() -> None:
    """Rule 1: "After an edit of `match` …, acknowledging that change's id releases all of them"."""
    tenant = firm()
    sync(tenant)
    for number in (1, 2, 3):
        tenant.world.add_account(f"upn-p{number}@x", shows="own")
    output = sync(tenant, match=("userPrincipalName",))
    assert output.report.run.ambiguous == 3
    change = tenant.header().match_change
    assert any(change in note for note in output.report.notes)
    sync(tenant, acknowledge=(change,))
    assert [shown(tenant)[number] for number in (104, 105, 106)] == ["AD 0"] * 3


def test_rule_2_a_new_version_of_the_image_code_uploads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 2: "A new version of the image code never causes an upload by itself"."""
    tenant = firm()
    sync(tenant)
    record = tenant.ledger().get(UUID(int=1)).accepted
    assert record
    assert record.md5 == md5(picture(0), usedforsecurity=False).digest()
    monkeypatch.setattr(
        pipeline, "make_avatar", lambda _raw, settings: known_avatar(picture(5), settings)
    )
    assert sync(tenant).report.run.unchanged == 3
    assert tenant.uploads == []


def test_rule_3_a_run_in_which_nothing_changed_makes_no_avatar_call() -> None:
    """Rule 3: "Upload only when that hash differs from the recorded one"."""
    tenant = firm()
    sync(tenant)
    assert sync(tenant).report.run.unchanged == 3
    assert tenant.uploads == []


def test_rule_4_a_refusal_of_highqs_does_not_outlive_its_cause() -> None:
    """Rule 4: "with the settings that led to it (image settings; for HighQ's refusals endpoint too)"."""
    tenant = firm()
    change_pictures(tenant, [1], REFUSED_BY_HIGHQ)
    assert sync(tenant).report.run.refused == 1
    sync(tenant)
    assert tenant.uploads == []
    sync(tenant, endpoint=Endpoint.PROFILE_IMAGE)
    assert shown(tenant)[101] == f"AD {REFUSED_BY_HIGHQ}"


def test_rule_4_a_refused_picture_is_not_sent_again_to_an_account_that_was_re_created() -> None:
    """Rule 4: "not sent again until either changes", although HighQ took it once, on another account."""
    tenant = firm()
    change_pictures(tenant, [1], REFUSED_BY_HIGHQ)
    sync(tenant, endpoint=Endpoint.PROFILE_IMAGE)
    del tenant.world.accounts[101]
    tenant.world.add_account("p1@x")
    assert listed(sync(tenant, endpoint=Endpoint.AVATAR), PeopleKind.REFUSED) == {
        "p1@x": "NotSquare"
    }
    assert listed(sync(tenant), PeopleKind.REFUSED) == {"p1@x": "NotSquare"}
    assert tenant.uploads == []


def test_rule_4_a_refused_picture_has_its_remedy_in_every_run() -> None:
    """Not "refused before": reason and remedy, also when a later run only remembers a word."""
    tenant = firm()
    change_pictures(tenant, [1], SMALL)
    for _ in range(2):
        output = sync(tenant, smallest=96)
        (person,) = output.people.people[PeopleKind.REFUSED]
        assert (person.reason, "larger" in person.detail) == ("TooSmall", True)


def test_rule_4_a_picture_whose_answer_was_lost_is_not_sent_again_by_itself() -> None:
    """Rule 4: "*unconfirmed* for that hash: not sent again by itself, listed, and sent by `resend`"."""
    tenant = firm()
    tenant.world.change_account(101, deaf=True)
    assert listed(sync(tenant), PeopleKind.UNCONFIRMED) == {"p1@x": "ResponseLost"}
    tenant.world.change_account(101, deaf=False, shows="own")
    assert listed(sync(tenant), PeopleKind.UNCONFIRMED) == {"p1@x": "Unconfirmed"}
    assert shown(tenant)[101] == "own"
    tenant.change_record(1, resent)
    tenant.memory.rows[1] = replace(tenant.memory.rows[1], resend=True, unconfirmed=False)
    sync(tenant)
    assert shown(tenant)[101] == "AD 0"


@pytest.mark.parametrize("first_sync", [FirstSync.ADOPT, FirstSync.FILL_EMPTY])
def test_rule_5_a_corrected_match_rule_overrides_nobody(first_sync: FirstSync) -> None:
    """Rule 5: "protect **every account that existed when this state's first sync was complete**"."""
    tenant = firm(shows="own", first_sync=first_sync)
    assert sync(tenant, match=("userPrincipalName",)).report.run.unmatched == 3
    tenant.world.later(days=30)
    assert sync(tenant, match=("mail",), first_sync=FirstSync.OVERRIDE).report.run.adopted == 3
    assert set(shown(tenant).values()) == {"own"}


def test_rule_5_a_joiner_gets_theirs_after_an_adopting_first_sync() -> None:
    """Rule 5: "only accounts made later (`createddate` after it …) are joiners, who get theirs"."""
    tenant = firm(shows="own", first_sync=FirstSync.ADOPT)
    sync(tenant)
    tenant.world.later(days=3)
    hire(tenant, "jo@x", shows="own")
    assert sync(tenant).report.run.uploaded == 1
    assert shown(tenant)[104] == "AD 0"


def test_rule_5_fill_empty_fills_what_is_empty() -> None:
    """Rule 5: "uploaded where HighQ's user list … says that the account has no picture"."""
    tenant = firm(2, shows="own", first_sync=FirstSync.FILL_EMPTY)
    hire(tenant, "jo@x")
    sync(tenant)
    assert shown(tenant) == {101: "own", 102: "own", 103: "AD 0"}


def test_rule_5_fill_empty_stops_where_the_list_does_not_tell() -> None:
    """Rule 5: "a list that does not say so stops the run before its first upload"."""
    tenant = firm(first_sync=FirstSync.FILL_EMPTY)
    tenant.world.tells_pictures = False
    assert sync(tenant).report.reason == "PicturesUnknown"
    assert set(shown(tenant).values()) == {None}


def test_rule_5_an_edit_of_first_sync_after_it_changes_nothing_and_is_told() -> None:
    """Rule 5: "editing the field later changes nothing, and the run says so"."""
    tenant = firm(shows="own", first_sync=FirstSync.ADOPT)
    sync(tenant)
    tenant.world.add_person(ADPerson("late@x", None, {THUMB.lower(): 0}))
    output = sync(tenant, first_sync=FirstSync.OVERRIDE)
    assert any(note.startswith("firstSync is Override now") for note in output.report.notes)


def test_rule_5_who_was_away_while_image_attributes_changed_is_recorded_anew() -> None:
    """Rule 5: "Changing `imageAttributes` never uploads what merely moved …, however much later"."""
    tenant = firm()
    sync(tenant)
    tenant.world.change_person(1, in_scope=False)
    sync(tenant, attributes=(JPEG, THUMB))
    tenant.world.change_person(1, in_scope=True, images={THUMB.lower(): 0, JPEG.lower(): 1})
    sync(tenant)
    assert shown(tenant)[101] == "AD 0"
    tenant.world.change_person(1, images={THUMB.lower(): 0, JPEG.lower(): 2})
    sync(tenant)
    assert shown(tenant)[101] == "AD 2"


def test_rule_5_another_spelling_of_an_attribute_is_no_edit() -> None:
    """`ThumbNailPhoto` for `thumbnailPhoto` is the same attribute: what changed there goes up."""
    tenant = firm()
    sync(tenant)
    change_pictures(tenant, [1], 1)
    assert sync(tenant, attributes=("ThumbNailPhoto",)).report.run.uploaded == 1


def test_rule_6_what_somebody_chose_in_highq_stays() -> None:
    """Rule 6: "never overridden"; `OneOff`: "never again for that person on that account"."""
    tenant = firm()
    sync(tenant)
    tenant.world.change_account(101, shows="own")
    sync(tenant)
    assert shown(tenant)[101] == "own"
    change_pictures(tenant, [1], 1)
    sync(tenant, mode=Mode.ONE_OFF)
    assert shown(tenant)[101] == "own"
    sync(tenant, mode=Mode.CONTINUOUS)
    assert shown(tenant)[101] == "AD 1"


def test_rule_7_one_person_who_fails_for_ever_keeps_no_first_sync_open() -> None:
    """Rule 7: "complete when a run has attempted everyone in scope, whatever came of each"."""
    tenant = firm(shows="own")
    tenant.world.change_account(101, denied=True)
    assert sync(tenant, mode=Mode.ONE_OFF).report.first_sync_completed
    assert sync(tenant).report.run.failed == 1


def test_rule_7_attempts_count_across_runs_that_ended_early() -> None:
    """Rule 7: "attempts count across runs that ended early"."""
    tenant = firm(2)
    tenant.world.change_account(101, denied=True)
    tenant.interrupted("down", 1)
    tenant.interrupted("down", 2)
    assert tenant.memory.first_sync is None or tenant.memory.waiting == {1}


def test_rule_8_a_sabbatical_changes_nothing() -> None:
    """Rule 8: "a full sweep marks them *gone* …, but its hash and account id wait for the return"."""
    tenant = firm()
    sync(tenant)
    tenant.world.change_person(1, in_scope=False)
    sync(tenant)
    assert tenant.memory.rows[1] == Row(0, THUMB.lower(), 101, 1, gone=True)
    tenant.world.change_person(1, in_scope=True)
    assert sync(tenant).report.run.unchanged == 3
    assert tenant.uploads == []


def test_rule_8_an_image_that_disappears_deletes_nothing() -> None:
    """Rule 8: "its hash is kept, so that the same image coming back is no change"."""
    tenant = firm()
    sync(tenant)
    tenant.world.change_person(1, images={})
    assert listed(sync(tenant), PeopleKind.NO_IMAGE) == {"p1@x": "RemovedInSource"}
    change_pictures(tenant, [1], 0)
    assert sync(tenant).report.run.unchanged == 3


def test_rule_8_a_forgotten_person_is_as_new() -> None:
    """Rule 8: "Only `state forget` drops a row": then the first match obeys `firstSync` again."""
    tenant = firm(first_sync=FirstSync.ADOPT, shows="own")
    sync(tenant)
    tenant.change_record(1, lambda _: PersonRecord())
    del tenant.memory.rows[1]
    assert sync(tenant).report.run.adopted == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("header", "StateMissing"),
        ("shard", "StateMissing"),
        ("older shard", "StateDamaged"),
        ("other shard", "StateMismatch"),
        ("other state", "StateMismatch"),
    ],
)
def test_rule_9_a_run_that_does_not_find_its_whole_state_stops(how: str, reason: str) -> None:
    """Rule 9: "a run that should have state and finds none, or another one, or a shard missing, stops"."""
    machine = SyncStateMachine()
    machine.begin(3, FirstSync.OVERRIDE, own=False, attributes=(THUMB,), tick=0)
    tenant = machine.tenant
    sync(tenant)
    machine.save()
    change_pictures(tenant, [1], 1)
    sync(tenant)
    machine.damage(how, which=0)
    change_pictures(tenant, [1, 2, 3], 5)
    assert sync(tenant).report.reason == reason
    assert tenant.uploads == []
    machine.import_copy(rebind=how == "other state")
    assert sync(tenant).report.run.uploaded == 3


def test_rule_9_a_loss_that_is_acknowledged_begins_anew() -> None:
    """Rule 9: "the one way to begin anew is `state.acknowledgeLoss: ID` with the lost state's id"."""
    machine = SyncStateMachine()
    machine.begin(3, FirstSync.OVERRIDE, own=False, attributes=(THUMB,), tick=0)
    sync(machine.tenant)
    machine.damage("header", which=0)
    machine.acknowledge_loss()
    machine.edit(first_sync=FirstSync.ADOPT)
    assert sync(machine.tenant).report.run.adopted == 3


def test_rule_9_a_state_is_bound_to_one_highq() -> None:
    """Rule 9: "bound to one HighQ": another address stops the run, until a copy is imported for it."""
    machine = SyncStateMachine()
    machine.begin(3, FirstSync.OVERRIDE, own=False, attributes=(THUMB,), tick=0)
    sync(machine.tenant)
    machine.save()
    assert sync(machine.tenant, highq="renamed").report.reason == "StateMismatch"
    machine.import_copy(rebind=True)
    assert sync(machine.tenant).report.run.unchanged == 3


def test_rule_10_forty_nine_percent_fewer_at_each_run_trips() -> None:
    """Rule 10: "far fewer people … than in the largest of the last eight full sweeps, stops the run"."""
    tenant = firm(16)
    sync(tenant)
    for guid in range(1, 8):
        tenant.world.change_person(guid, in_scope=False)
    assert sync(tenant).report.reason == ""
    for guid in range(8, 10):
        tenant.world.change_person(guid, in_scope=False)
    assert sync(tenant).report.reason == "BrakeTripped"


def test_rule_10_one_attributes_figure_hides_no_other() -> None:
    """Rule 10: "images (per attribute)": both are missing, and both figures must be acknowledged."""
    tenant = firm(8)
    for guid in range(1, 9):
        tenant.world.change_person(guid, images={THUMB.lower(): 0, JPEG.lower(): 1})
    sync(tenant, attributes=(JPEG, THUMB))
    for guid in range(1, 9):
        images = {THUMB.lower(): 0} if guid < 3 else {}
        tenant.world.change_person(guid, images=images)
    assert sync(tenant).report.reason == "BrakeTripped"
    assert tenant.memory.brake == {"image jpegphoto": 8, "image thumbnailphoto": 6, "matched": 6}


def test_rule_11_a_re_created_account_alone_is_noticed() -> None:
    """Rule 11: "absent or inactive in a complete listing and who matches another is a new first upload"."""
    tenant = firm()
    sync(tenant)
    del tenant.world.accounts[101]
    tenant.world.add_account("p1@x")
    sync(tenant)
    assert shown(tenant)[104] == "AD 0"


def test_rule_11_letters_that_only_look_alike_are_two_people() -> None:
    """Rule 11: "Compared exactly but for ASCII case and surrounding blanks": `maße@` is not `masse@`."""
    tenant = Tenant()
    hire(tenant, "masse@x", shows="own")
    tenant.world.add_person(ADPerson("maße@x", None, {THUMB.lower(): 1}))
    tenant.world.people.pop(1)
    assert sync(tenant).report.run.unmatched == 1


def test_rule_13_re_created_people_with_the_same_pictures_cost_nothing() -> None:
    """Rule 13: "with the same hash the row passes on without an upload, with another it counts"."""
    tenant = firm(24, shows="own")
    sync(tenant)
    tenant.world.change_account(101, shows="own")
    for guid in range(1, 25):
        tenant.world.add_person(tenant.world.people.pop(guid))
    assert sync(tenant).report.run.unchanged == 24
    assert shown(tenant)[101] == "own"
    change_pictures(tenant, range(25, 49), 1)
    for guid in range(25, 49):
        tenant.world.add_person(tenant.world.people.pop(guid))
    assert sync(tenant).report.brake is not None


def test_rule_13_an_acknowledgement_holds_while_the_number_grows_a_little() -> None:
    """Rule 13: "at most 5 % above those when the id was given"; then it is spent."""
    tenant = firm(60)
    sync(tenant)
    change_pictures(tenant, range(1, 41), 1)
    brake = sync(tenant).report.brake
    assert brake
    change_pictures(tenant, range(1, 43), 1)
    again = sync(tenant).report.brake
    assert again
    assert again.id == brake.id
    assert sync(tenant, acknowledge=(brake.id,)).report.run.uploaded == 42
    change_pictures(tenant, range(1, 41), 2)
    assert sync(tenant).report.reason == "BrakeTripped"


def test_rule_13_a_brake_and_the_edit_that_trips_it_are_acknowledged_together() -> None:
    """Rule 13: "several ids may be acknowledged together": jpegPhoto for everyone, uploaded in one run."""
    tenant = firm(24)
    for guid in range(1, 25):
        tenant.world.change_person(guid, images={THUMB.lower(): 0, JPEG.lower(): 1})
    sync(tenant)
    edit = "attributes-"
    notes = sync(tenant, attributes=(JPEG, THUMB), dry_run=True).report.notes
    edit = next(note for note in notes if edit in note).split('"')[1]
    stopped = sync(tenant, dry_run=False, acknowledge=(edit,))
    assert stopped.report.brake
    assert len(listed(stopped, PeopleKind.TO_UPLOAD)) == 24
    assert sync(tenant, acknowledge=(stopped.report.brake.id, edit)).report.run.uploaded == 24


def test_rule_13_a_brake_that_a_dry_run_tells_of_can_be_acknowledged_for_the_real_run() -> None:
    """A dry run names the brake ahead with its id; that id holds for the run that follows."""
    tenant = firm(24)
    sync(tenant)
    change_pictures(tenant, range(1, 25), 1)
    ahead = sync(tenant, dry_run=True).report
    assert ahead.brake
    assert any(ahead.brake.id in note for note in ahead.notes)
    done = sync(tenant, dry_run=False, acknowledge=(ahead.brake.id,))
    assert done.report.run.uploaded == 24


def test_rule_13_an_unknown_id_is_named() -> None:
    """An id with a typing mistake is not accepted in silence."""
    tenant = firm()
    output = sync(tenant, acknowledge=("3f9a2c71",))
    assert any("3f9a2c71" in note for note in output.report.notes)


def test_rule_14_one_person_never_stops_the_others() -> None:
    """Rule 14: "denied, failing, odd or hostile people and accounts are counted and passed over"."""
    tenant = firm(30)  # in whatever order they come: ten or more of the denied follow each other
    for number in range(101, 130):
        tenant.world.change_account(number, denied=True)
    output = sync(tenant)
    assert (output.report.run.failed, output.report.run.uploaded) == (29, 1)
    assert output.report.reason == ""


def test_an_override_says_how_many_pictures_it_replaces() -> None:
    """Before the first upload: how many of those to be served have a picture in HighQ already."""
    tenant = firm(2, shows="own")
    hire(tenant, "jo@x")
    output = sync(tenant, dry_run=True)
    assert any("3 people get their first picture" in note for note in output.report.notes)
    assert any("2 of them have a picture in HighQ" in note for note in output.report.notes)


def test_the_match_report_tells_a_wrong_rule_before_a_picture_moves() -> None:
    """By rule, by mail domain, by cause; a first sync that matches too few stops."""
    tenant = firm(20)
    output = sync(tenant, match=("userPrincipalName",))
    assert output.report.reason == "BrakeTripped"
    assert output.report.matching
    assert output.report.matching.unmatched_by_domain == {"x": 20}
    assert output.report.matching.by_rule == {}
    matched = sync(tenant, match=("mail",)).report.matching
    assert matched
    assert matched.by_rule == {"mail=email": 20}
