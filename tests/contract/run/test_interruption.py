"""Runs that are killed, asked to stop, or meet each other."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter

import pytest

from profile_image_sync.worker.uploader import FLUSH_SECONDS
from testkit.sync_command import LocalTenant, ordinary, picture
from testkit.waiting import wait_for

PEOPLE = 200
LATENCY = 1.0  # seconds an upload
SLACK = 5.0  # seconds that a busy machine may add to a flush


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


def test_a_killed_run_repeats_seconds_of_work_and_no_more(firm: LocalTenant) -> None:
    """Kill -9 amid 200 uploads: what was flushed is not sent again, and everyone has the right picture."""
    with subprocess.Popen(firm.command(), stderr=subprocess.DEVNULL) as run:
        wait_for("a flush", (firm.state / "state-000").exists)
        flushed = len(firm.uploads())
        wait_for("uploads after it", lambda: len(firm.uploads()) >= flushed + 10)
        run.kill()
    before = firm.highq.uploads()
    firm.highq.knobs(latency=0)

    ran = firm.sync()

    uploads = Counter(firm.uploads())
    assert ran.exit_code == 0
    assert sorted(uploads) == sorted(firm.ids.values())
    repeated = [upload.at for upload in before if uploads[upload.user_id or 0] > 1]
    assert len(repeated) < len(before) < PEOPLE
    assert before[-1].at - min(repeated) <= FLUSH_SECONDS + SLACK
    assert firm.sync().numbers == {"people": PEOPLE, "unchanged": PEOPLE}
    assert Counter(firm.uploads()) == uploads


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
