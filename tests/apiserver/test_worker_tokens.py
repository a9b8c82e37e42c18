"""HighQ's tokens in a Secret of a real API server, shared by all resources that name the same seed."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from profile_image_sync import names
from profile_image_sync.errors import StateDamaged, StateUnavailable
from profile_image_sync.kube.lease import LeaseConfig
from profile_image_sync.pod.secret_token_store import SecretTokenStore
from profile_image_sync.worker.token_store import StoredTokens, fingerprint
from testkit.control_plane import ControlPlane
from tests.support.worker_environment import SEED, WorkerEnvironment

SECRET = "pisync-token-highq-oauth"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONFIG = LeaseConfig(lambda: datetime.now(UTC), time.monotonic, poll_seconds=0.05)


def pair(number: int) -> StoredTokens:
    """Invent the pair that HighQ issued as its so manieth."""
    expires = START + timedelta(hours=number)
    return StoredTokens(f"access-{number}", expires, f"refresh-{number}", None, fingerprint("seed"))


def store_of(worker: WorkerEnvironment, job: str = "job-1") -> SecretTokenStore:
    """Return what a run of this resource has."""
    return SecretTokenStore(
        worker.client(),
        namespace=worker.namespace,
        seed=SEED,
        lease=worker.lease(names.token(SEED), job, CONFIG),
        stop=threading.Event(),
    )


@pytest.fixture
def store(worker: WorkerEnvironment) -> SecretTokenStore:
    """Give the store of a run."""
    return store_of(worker)


@pytest.fixture
def neighbour(
    control_plane: ControlPlane, worker: WorkerEnvironment, tmp_path: Path
) -> Iterator[WorkerEnvironment]:
    """Give another resource of the same namespace with the same seed."""
    place = WorkerEnvironment.create(control_plane, tmp_path, worker.namespace, resource="beta")
    yield place
    place.close()


def test_before_the_first_refresh_there_is_no_pair(store: SecretTokenStore) -> None:
    """The operator makes the Secret empty: the seed is spent then."""
    assert store.read() is None


def test_a_pair_is_kept_for_the_next_run(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """In a Secret of its own; the seed Secret, which Git may own, is never written."""
    store.check_writable()
    store.write(pair(1), replaces=None)
    store.check_writable()
    store.write(pair(2), replaces=pair(1))
    assert store_of(worker, "job-2").read() == pair(2)
    assert list(worker.get("secret", SECRET)["data"]) == ["tokens"]


def test_a_proof_changes_nothing(worker: WorkerEnvironment, store: SecretTokenStore) -> None:
    """It is asked before each refresh."""
    store.write(pair(1), replaces=None)
    before = worker.get("secret", SECRET)
    store.check_writable()
    assert worker.get("secret", SECRET) == before


def test_a_proof_fails_when_the_write_would(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """Before HighQ forgets the old refresh token: no right to write, no refresh."""
    worker.kubectl("delete", "rolebinding", "pisync-acme")
    with pytest.raises(
        StateUnavailable, match=f"Secret {SECRET} in namespace.*not allowed to get it"
    ):
        store.check_writable()
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": rules,
    }
    worker.kubectl("create", "-f", "-", text=json.dumps(role))
    who = f"--serviceaccount={worker.namespace}:pisync-acme"
    worker.kubectl("create", "rolebinding", "reader", "--role=reader", who)
    with pytest.raises(StateUnavailable, match=r"not allowed to update it.*403"):
        store.check_writable()


def test_a_proof_goes_through_quotas_and_webhooks(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """An immutable Secret stands for whatever an admission may refuse."""
    worker.kubectl("patch", "secret", SECRET, "--type=merge", '-p={"immutable":true}')
    with pytest.raises(StateUnavailable, match=r"refuses to update it.*422"):
        store.check_writable()


def test_a_missing_secret_is_the_operators_to_make(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """The message names it and who makes it."""
    worker.kubectl("delete", "secret", SECRET)
    for ask in (store.read, store.check_writable, lambda: store.write(pair(1), replaces=None)):
        with pytest.raises(StateUnavailable, match=f"Secret {SECRET} in namespace.*operator makes"):
            ask()


def test_a_damaged_pair_is_named_and_not_shown(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """Somebody edited the Secret by hand."""
    damaged = base64.b64encode(b"hush-hush").decode()
    patch = json.dumps({"data": {"tokens": damaged}})
    worker.kubectl("patch", "secret", SECRET, "--type=merge", f"-p={patch}")
    with pytest.raises(StateDamaged, match=f"Secret {SECRET}") as caught:
        store.read()
    assert "hush" not in str(caught.value)


def test_a_touched_label_does_not_cost_the_pair(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """HighQ has forgotten the old pair: the new one is written whatever happens to metadata."""
    stop, touches = threading.Event(), iter(range(10**6))

    def touch() -> None:
        while not stop.is_set():
            label = f"touched={next(touches)}"
            worker.kubectl("label", "--overwrite", "secret", SECRET, label)

    toucher = threading.Thread(target=touch)
    toucher.start()
    before = None
    for number in range(1, 30):
        store.check_writable()
        store.write(pair(number), replaces=before)
        before = pair(number)
        assert store.read() == before
    stop.set()
    toucher.join()


def test_a_pair_stored_meanwhile_stays(store: SecretTokenStore) -> None:
    """Two refreshed in spite of the Lease: what is stored is younger than what we refreshed from."""
    store.write(pair(1), replaces=None)
    store.write(pair(3), replaces=pair(1))
    store.write(pair(2), replaces=pair(1))
    assert store.read() == pair(3)


def test_a_pair_that_ends_sooner_is_stored_all_the_same(store: SecretTokenStore) -> None:
    """A new consent, or a shortened lifetime: HighQ has forgotten the pair that would last longer."""
    store.write(pair(9), replaces=None)
    store.write(pair(2), replaces=pair(9))
    assert store.read() == pair(2)


def test_a_pair_damaged_meanwhile_is_no_younger_pair(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """Somebody edits the Secret while HighQ answers: the new pair must not be lost for it."""
    damaged = base64.b64encode(b"hush-hush").decode()
    patch = json.dumps({"data": {"tokens": damaged}})
    worker.kubectl("patch", "secret", SECRET, "--type=merge", f"-p={patch}")
    store.write(pair(1), replaces=None)
    assert store.read() == pair(1)


def test_one_worker_refreshes_and_the_other_takes_it_over(
    worker: WorkerEnvironment, neighbour: WorkerEnvironment
) -> None:
    """Two resources, one seed: both want a new pair at once, HighQ is asked once."""
    refreshes: list[str] = []
    together = threading.Barrier(2)

    def run(place: WorkerEnvironment, job: str) -> None:
        store = store_of(place, job)
        together.wait(20)
        with store.exclusive():
            if store.read() is None:
                refreshes.append(job)
                time.sleep(0.3)  # HighQ's answer
                store.write(replace(pair(1), access_token=job), replaces=None)

    runs = [
        threading.Thread(target=run, args=(worker, "job-1")),
        threading.Thread(target=run, args=(neighbour, "job-2")),
    ]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    kept = store_of(worker).read()
    assert kept
    assert [kept.access_token] == refreshes


def test_no_lease_is_held_but_while_refreshing(
    worker: WorkerEnvironment, store: SecretTokenStore
) -> None:
    """Long runs side by side do not keep each other from it."""
    with store.exclusive():
        assert worker.get("lease", SECRET)["spec"]["holderIdentity"] == "job-1"
    assert "holderIdentity" not in worker.get("lease", SECRET)["spec"]
