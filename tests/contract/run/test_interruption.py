"""Runs that are killed, asked to stop, or meet each other."""

from __future__ import annotations

import signal
import subprocess

import pytest

from profile_image_sync.worker.pipeline import IN_FLIGHT, SENDERS
from testkit.sync_command import LocalTenant, ordinary, picture
from testkit.waiting import wait_for

PEOPLE = 200
LATENCY = 1.0  # seconds an upload: SENDERS at a time make as many a second
BATCH = (
    SENDERS * 6 + IN_FLIGHT
)  # what five seconds upload, and a little for the clock; what is in flight


@pytest.fixture
def firm(tenant: LocalTenant) -> LocalTenant:
    """Give a tenant with two hundred people."""
    photo = picture("XX", 5, 64)
    people = [
        ordinary(f"Person {n:03d}", n, photos={"thumbnailPhoto": (photo + bytes([n]),)})
        for n in range(PEOPLE)
    ]
    tenant.add_people(people)
    tenant.highq.knobs(latency=LATENCY)
    return tenant


def test_a_killed_run_repeats_at_most_one_batch(firm: LocalTenant) -> None:
    """Kill -9 amid 200 uploads: the next run does the rest, and everyone has the right picture."""
    run = subprocess.Popen(firm.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("uploads", lambda: len(firm.highq.uploads()) >= PEOPLE // 2 + 10)
    run.kill()
    run.wait()
    before = firm.uploads()
    firm.highq.knobs(latency=0)

    ran = firm.sync()

    uploads = firm.uploads()
    assert ran.exit_code == 0
    assert sorted(set(uploads)) == sorted(firm.ids.values())
    assert len(uploads) - PEOPLE <= BATCH
    assert len(before) < PEOPLE
    assert firm.sync().numbers == {"people": PEOPLE, "unchanged": PEOPLE}
    assert len(firm.uploads()) == len(uploads)


def test_a_run_that_is_asked_to_stop_repeats_nothing(firm: LocalTenant) -> None:
    """SIGTERM: uploads under way end and are recorded, exit code 30; the next run does only the rest."""
    run = subprocess.Popen(
        firm.command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for("uploads", lambda: len(firm.highq.uploads()) >= PEOPLE // 4)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)

    assert run.returncode == 30
    assert "Interrupted" in errors
    firm.highq.knobs(latency=0)
    assert firm.sync().exit_code == 0
    assert sorted(firm.uploads()) == sorted(firm.ids.values())


def test_a_second_run_beside_the_first_steps_back(firm: LocalTenant) -> None:
    """Two runs on one state: the second ends with exit code 10 and touches nothing."""
    with subprocess.Popen(
        firm.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        wait_for("uploads", lambda: bool(firm.highq.uploads()))
        second = firm.sync()
        assert second.exit_code == 10
        assert "Busy" in second.errors
        firm.highq.knobs(latency=0)
    assert run.returncode == 0
    assert sorted(firm.uploads()) == sorted(firm.ids.values())


def test_highq_going_down_amid_a_run_keeps_what_was_accepted(firm: LocalTenant) -> None:
    """When everybody fails, the run ends with 30 instead of trying all; the next one does the rest."""
    firm.highq.knobs(latency=0)
    firm.highq.fail_next("avatar", "status", status=503, skip=50, times=10_000)

    ran = firm.sync()

    assert (ran.exit_code, ran.report["reason"]) == (30, "HighQUnavailable")
    assert ran.numbers["uploaded"] == 50
    firm.highq.clear_faults()
    assert firm.sync().numbers == {"people": PEOPLE, "uploaded": PEOPLE - 50, "unchanged": 50}
