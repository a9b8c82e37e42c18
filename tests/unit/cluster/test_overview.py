"""One line a resource, and the way out of whatever waits for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from profile_image_sync.cluster.overview import ResourceOverview, age, need, overview
from tests.unit.cluster.resource import NOW, condition, resource, run

STALLED = "Stalled"
READY = condition("Ready", "True", "Ready")
BRAKE = {"id": "3f9a2c71", "reason": "MassChange", "message": "80 of 100"}
AUTHORISE = (
    "profile-image-sync authorize --url https://acme.highq.com/acme --client-id CLIENT_ID --name highq-oauth "
    "--apply --replace --namespace tenant-acme"
)
IMPORT = "profile-image-sync state import FILE --in-cluster tenant-acme/acme"


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("BrakeTripped", "profile-image-sync acknowledge acme 3f9a2c71 --namespace tenant-acme"),
        ("AuthorisationExpired", AUTHORISE),
        ("AuthorisationRefused", AUTHORISE),
        ("StateMissing", IMPORT),
        ("StateDamaged", IMPORT),
        ("StateMismatch", IMPORT),
        ("StateExists", "profile-image-sync state list --namespace tenant-acme"),
        ("BindRefused", "profile-image-sync logs acme --namespace tenant-acme"),  # told by a run
        ("NameConflict", "kubectl describe profileimagesync acme --namespace tenant-acme"),
    ],
)
def test_whatever_waits_for_a_person_has_a_command(reason: str, command: str) -> None:
    """The way out where there is one, else where to look."""
    waiting = resource(
        condition(STALLED, "True", reason, "why, and what to do"),
        lastRun=run("Failed", reason="BindRefused"),
        brake=BRAKE,
    )
    found = need(waiting, NOW)
    assert found
    assert (found.reason, found.message) == (reason, "why, and what to do")
    assert found.command == command


def test_a_command_that_the_condition_names_is_given_with_the_namespace() -> None:
    """It can be copied, from whatever namespace."""
    message = "Job j gets no pod: a quota; see `kubectl describe job j`"
    found = need(resource(condition(STALLED, "True", "NoPod", message)), NOW)
    assert found
    assert found.command == "kubectl describe job j --namespace tenant-acme"


def test_a_reason_with_a_way_out_wins_over_a_quoted_command() -> None:
    """A state that is gone is imported, whatever else the message says."""
    message = "gone: see `kubectl get configmaps`"
    found = need(resource(condition(STALLED, "True", "StateMissing", message)), NOW)
    assert found
    assert found.command == IMPORT


def test_without_a_brake_in_status_its_id_is_left_out() -> None:
    """`acknowledge NAME` then shows what there is."""
    found = need(resource(condition(STALLED, "True", "BrakeTripped")), NOW)
    assert found
    assert found.command.split() == [
        "profile-image-sync",
        "acknowledge",
        "acme",
        "--namespace",
        "tenant-acme",
    ]


def test_a_spec_that_cannot_be_read_has_a_command_all_the_same() -> None:
    """Another version's, or nothing at all."""
    found = need(resource(condition(STALLED, "True", "AuthorisationRefused"), spec={}), NOW)
    assert found
    assert found.command.startswith("profile-image-sync authorize --url  --client-id")


def test_nothing_waits_where_nobody_needs_to_act() -> None:
    """A failure that is tried again is no need."""
    failed = condition("Ready", "False", "HighQUnavailable", "retries at 12:05")
    assert need(resource(failed, condition(STALLED, "False", "NotStalled")), NOW) is None
    assert need(resource(READY), NOW) is None


@pytest.mark.parametrize("conditions", [(), (condition("Ready", "Unknown", "Pending"),)])
@pytest.mark.parametrize(("minutes", "waits"), [(5, False), (6, True)])
def test_a_resource_that_no_operator_looks_at_waits_for_a_person(
    conditions: Any, minutes: int, *, waits: bool
) -> None:
    """After five minutes: the operator is not there, or does not watch the namespace."""
    found = need(resource(*conditions, minutes_old=minutes), NOW)
    if not waits:
        assert found is None
        return
    assert found
    assert found.reason == "Pending"
    assert found.message.startswith("no operator has looked at this resource")
    assert found.command == (
        "kubectl get deployments --all-namespaces -l app.kubernetes.io/name=profile-image-sync"
    )


def test_a_line_tells_the_last_run_and_counts_who_was_not_served() -> None:
    """Refused, unmatched, ambiguous and failed people; those without a picture are none of them."""
    counted = {"people": 100, "refused": 1, "unmatched": 20, "ambiguous": 3, "failed": 4}
    others = {"noImage": 50, "uploaded": 7}
    line = overview(
        resource(
            READY,
            condition("Synced", "True", "Succeeded"),
            lastRun={**run(), **counted, **others},
            lastSuccessTime="2026-05-04T11:00:00Z",
            nextRunTime="2026-05-04T13:00:00Z",
        ),
        NOW,
    )
    hour = timedelta(hours=1)
    assert line == ResourceOverview(
        namespace="tenant-acme",
        name="acme",
        ready="True",
        status="Succeeded",
        outcome=line.outcome,
        last_success=NOW - hour,
        next_run=NOW + hour,
        people=100,
        not_served=28,
        need=None,
    )
    assert line.outcome == "Succeeded"


def test_a_resource_without_a_run_has_a_line() -> None:
    """As the API server stores it before any operator has looked."""
    line = overview(resource(minutes_old=1), NOW)
    told = (line.ready, line.status, line.outcome, line.people, line.not_served, line.need)
    assert told == ("Unknown", "Pending", None, 0, 0, None)
    waiting = overview(resource(condition(STALLED, "True", "NameConflict")), NOW)
    assert waiting.need
    assert waiting.need.reason == "NameConflict"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),  # a clock that is ahead
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (8_640_000, "100d"),
    ],
)
def test_an_age_is_written_as_kubectl_writes_it(seconds: int, text: str) -> None:
    """Two digits are enough."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_never_was_has_no_age() -> None:
    """No success yet."""
    assert age(None, NOW) == "never"
