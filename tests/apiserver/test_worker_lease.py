"""One run at a time, by a Lease of a real API server; what takes 30 s in earnest takes one here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from profile_image_sync.errors import Busy, Interrupted, StateUnavailable
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.pod.main import is_still_ours
from testkit.waiting import wait_for
from tests.support.worker_environment import WorkerEnvironment

NAME = "pisync-acme"
DURATION = 2  # seconds; a whole number, as Leases have it


def config(**changes: Any) -> LeaseConfig:
    """Return short times on real clocks."""
    quick = {"renew_seconds": 0.2, "trusted_seconds": 1.5, "poll_seconds": 0.05}
    facts = {"now": lambda: datetime.now(UTC), "clock": time.monotonic, **quick}
    return LeaseConfig(**{"duration_seconds": DURATION, **facts, **changes})


def lease(worker: WorkerEnvironment, job: str, **changes: Any) -> Lease:
    """Return the Lease as a Job's pod has it."""
    return worker.lease(NAME, job, config(**changes))


def spec(worker: WorkerEnvironment) -> dict[str, Any]:
    """Return what everyone sees of the Lease."""
    found: dict[str, Any] = worker.get("lease", NAME)["spec"]
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give what holds Leases until the test ends."""
    with ExitStack() as holding:
        yield holding


@pytest.fixture
def stop() -> threading.Event:
    """Give an event that nobody sets."""
    return threading.Event()


def test_a_free_lease_is_taken_and_given_back(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """While a run is under way everyone can see whose it is; afterwards the next one starts at once."""
    ours = lease(worker, "job-1")
    with ours.held(stop):
        ours.require()
        ours.confirm()
        assert spec(worker)["holderIdentity"] == "job-1"
        assert spec(worker)["leaseDurationSeconds"] == DURATION
    assert "holderIdentity" not in spec(worker)
    assert not ours.ours
    with lease(worker, "job-2").held(stop):
        assert spec(worker)["holderIdentity"] == "job-2"
        assert spec(worker)["leaseTransitions"] == 2


def test_a_live_holder_keeps_others_out(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event
) -> None:
    """Scheduled and requested runs meet: the second steps back, and says whose run it met."""
    stack.enter_context(lease(worker, "job-1").held(stop))
    with (
        pytest.raises(Busy, match=f"Job job-1.*Lease {NAME} in namespace"),
        lease(worker, "job-2").held(stop),
    ):
        pass
    assert spec(worker)["holderIdentity"] == "job-1"


def test_the_holder_renews(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event
) -> None:
    """Long runs keep the Lease: its renewTime moves while the pod lives."""
    stack.enter_context(lease(worker, "job-1").held(stop))
    first = spec(worker)["renewTime"]
    wait_for("a renewal", lambda: bool(spec(worker)["renewTime"] > first))


def abandoned(worker: WorkerEnvironment, job: str, **changes: Any) -> Lease:
    """Take the Lease and die: it is never renewed nor given back."""
    left = lease(worker, job, renew_seconds=3600.0, **changes)
    left._acquire(threading.Event(), 0)
    return left


def test_a_dead_holder_is_waited_out(worker: WorkerEnvironment, stop: threading.Event) -> None:
    """A node died: after as long as the Lease was good for, the next run takes it."""
    abandoned(worker, "job-1")
    began = time.monotonic()
    with lease(worker, "job-2").held(stop):
        assert time.monotonic() - began >= DURATION
        assert spec(worker)["holderIdentity"] == "job-2"


@pytest.mark.parametrize("skew", [timedelta(minutes=-3), timedelta(minutes=3)])
def test_a_holder_with_a_wrong_clock_is_alive(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event, skew: timedelta
) -> None:
    """Clocks of nodes differ: alive is who renews, whatever time he writes."""
    wrong = lease(worker, "job-1", now=lambda: datetime.now(UTC) + skew)
    stack.enter_context(wrong.held(stop))
    with pytest.raises(Busy), lease(worker, "job-2").held(stop):
        pass


def test_a_holder_of_long_ago_is_not_waited_for(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """After a night without a cluster the first run need not wait."""
    abandoned(
        worker,
        "job-1",
        duration_seconds=3600,
        now=lambda: datetime.now(UTC) - timedelta(hours=2),
    )
    with lease(worker, "job-2").held(stop):
        assert spec(worker)["holderIdentity"] == "job-2"


def test_a_retry_of_the_same_job_goes_on_at_once(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """The Job's first pod was killed; its second one is the same holder, and a lost first one knows."""
    first = abandoned(worker, "job-1", duration_seconds=3600)
    with lease(worker, "job-1").held(stop):
        with pytest.raises(StateUnavailable, match="no longer this run's"):
            first.confirm()
        assert spec(worker)["leaseTransitions"] == 1


@pytest.mark.parametrize("job", ["other", None])
def test_a_lease_taken_away_stops_the_run(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event, job: str | None
) -> None:
    """The holder notices at its next renewal, and leaves the Lease to who has it now."""
    lost = threading.Event()
    ours = lease(worker, "job-1")
    stack.enter_context(ours.held(stop, on_lost=lost.set))
    if job:
        patch = '-p={"spec":{"holderIdentity":"other"}}'
        worker.kubectl("patch", "lease", NAME, "--type=merge", patch)
    else:
        worker.kubectl("delete", "lease", NAME)
    assert lost.wait(20)
    with pytest.raises(StateUnavailable, match="no longer this run's"):
        ours.require()
    stack.close()
    if job:
        assert spec(worker)["holderIdentity"] == "other"


def test_a_lease_taken_unawares_is_noticed_before_the_last_report(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event
) -> None:
    """A run that ends between two renewals asks: its report could hide that of the run that follows."""
    ours = lease(worker, "job-1", renew_seconds=3600.0)
    stack.enter_context(ours.held(stop))
    assert is_still_ours(ours)
    patch = '-p={"spec":{"holderIdentity":"other"}}'
    worker.kubectl("patch", "lease", NAME, "--type=merge", patch)
    assert not is_still_ours(ours)


def test_a_lease_that_cannot_be_renewed_is_lost_before_others_take_it(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event
) -> None:
    """No right to update any more stands for no API server: the holder gives up in time, unasked."""
    lost = threading.Event()
    ours = lease(worker, "job-1")
    stack.enter_context(ours.held(stop, on_lost=lost.set))
    worker.kubectl("delete", "rolebinding", NAME)
    administrator, quick = worker.administrator(), config()
    other = Lease(
        administrator, namespace=worker.namespace, name=NAME, holder="job-2", config=quick
    )
    with other.held(stop, wait_seconds=60):
        assert lost.is_set()
        assert not ours.ours


def test_a_touched_label_does_not_cost_the_lease(
    worker: WorkerEnvironment, stack: ExitStack, stop: threading.Event
) -> None:
    """GitOps tools label what they see."""
    ours = lease(worker, "job-1")
    stack.enter_context(ours.held(stop))
    worker.kubectl("label", "lease", NAME, "backup=nightly")
    labelled = spec(worker)["renewTime"]
    wait_for("a renewal", lambda: bool(spec(worker)["renewTime"] > labelled))
    ours.confirm()
    assert worker.get("lease", NAME)["metadata"]["labels"]["backup"] == "nightly"


def test_a_live_holder_is_waited_for_if_asked(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """A refresh of tokens is over in seconds: the other worker waits for its turn."""
    entered, leave, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with lease(worker, "job-1").held(stop):
            entered.set()
            leave.wait(20)
            order.append("job-1")

    holder = threading.Thread(target=first)
    holder.start()
    assert entered.wait(20)
    threading.Timer(1.0, leave.set).start()
    with lease(worker, "job-2").held(stop, wait_seconds=60):
        order.append("job-2")
    holder.join()
    assert order == ["job-1", "job-2"]


def test_of_two_that_come_together_one_gets_it(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """Whoever writes first has it, by the object's version; the other steps back."""
    ended = []
    together, done = threading.Barrier(5), threading.Barrier(5)

    def come(job: str) -> None:
        ours = lease(worker, job)
        together.wait(20)
        try:
            with ours.held(stop):
                ended.append("held")
                done.wait(20)
        except Busy:
            ended.append("busy")
            done.wait(20)

    threads = [threading.Thread(target=come, args=(f"job-{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["busy"] * 4 + ["held"]


def test_a_run_asked_to_stop_does_not_wait(worker: WorkerEnvironment) -> None:
    """SIGTERM while another run holds the Lease."""
    stopped = threading.Event()
    abandoned(worker, "job-1", duration_seconds=3600)
    stopped.set()
    with pytest.raises(Interrupted), lease(worker, "job-2").held(stopped):
        pass


def test_a_lease_that_is_not_there_is_the_operators_to_make(
    worker: WorkerEnvironment, stop: threading.Event
) -> None:
    """The worker may not make Leases; it says who does."""
    worker.kubectl("delete", "lease", NAME)
    with (
        pytest.raises(StateUnavailable, match=f"Lease {NAME} in namespace.*operator makes it"),
        lease(worker, "job-1").held(stop),
    ):
        pass
