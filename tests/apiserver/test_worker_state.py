"""The state in ConfigMaps of a real API server, under the rights of the worker's ServiceAccount."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync import names
from profile_image_sync.errors import (
    PermanentError,
    StateDamaged,
    StateMismatch,
    StateMissing,
    StateUnavailable,
)
from profile_image_sync.kube.conflicts import read
from profile_image_sync.kube.errors import ApiForbidden
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.worker.ledger import PEOPLE_A_SHARD, Accepted, Ledger, PersonRecord
from profile_image_sync.worker.shards import Shard, encode_shard
from testkit.waiting import wait_for
from tests.support.operator import install_crd
from tests.support.worker_environment import SPEC, STATE, WorkerEnvironment

ADA, BEN = UUID(int=1), UUID(int=2)
SHARD = "pisync-acme-state-000"
HEADER = "pisync-acme-state"


def entry(number: int) -> PersonRecord:
    """Invent what is remembered of someone."""
    return PersonRecord(Accepted(bytes([number]) * 16, "thumbnailPhoto", number, 1))


@contextmanager
def holding(worker: WorkerEnvironment, job: str = "job-1") -> Iterator[ConfigMapStore]:
    """Hold the Lease as a run does, and give its store."""
    config = LeaseConfig(lambda: datetime.now(UTC), monotonic)
    lease = worker.lease(names.child("acme"), job, config)
    with lease.held(threading.Event()):
        yield store_of(worker, STATE, lease)


def store_of(
    worker: WorkerEnvironment, state_id: UUID, lease: Lease, owner_uid: str = ""
) -> ConfigMapStore:
    """Return what a run has of a state."""
    return ConfigMapStore(
        worker.client(),
        namespace=worker.namespace,
        resource="acme",
        state_id=state_id,
        lease=lease,
        owner_uid=owner_uid,
    )


def resource_uid(worker: WorkerEnvironment) -> str:
    """Make the resource and return its uid: what bears the uid of an owner that is gone is collected."""
    install_crd(worker.control_plane)
    resource = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "acme", "namespace": worker.namespace},
        "spec": SPEC,
    }
    worker.kubectl("apply", "--filename=-", text=json.dumps(resource))
    uid: str = worker.get("profileimagesync", "acme")["metadata"]["uid"]
    return uid


@pytest.fixture
def store(worker: WorkerEnvironment) -> Iterator[ConfigMapStore]:
    """Give the store of a run under way."""
    with holding(worker) as ready:
        yield ready


def opened(store: ConfigMapStore) -> Ledger:
    """Open the ledger as a run does."""
    ledger = Ledger.open(store, expected_id=STATE)
    ledger.load()
    return ledger


def test_what_is_recorded_is_there_in_the_next_run(worker: WorkerEnvironment) -> None:
    """Header and shards survive the pod; nothing else remembers them."""
    with holding(worker) as store:
        ledger = opened(store)
        ledger.put(ADA, entry(1))
        ledger.commit(ledger.header.having_handled("once").model_copy(update={"highq": "a/b"}))
        ledger.put(BEN, entry(2))
        ledger.flush()
    with holding(worker, "job-2") as store:
        ledger = opened(store)
        assert {ADA: entry(1), BEN: entry(2)} == dict(ledger.items())
        assert ledger.header.handled_requests == ("once",)


def test_a_shard_bears_our_labels_and_no_owner(
    worker: WorkerEnvironment, store: ConfigMapStore
) -> None:
    """It is found by label, and it outlives the resource."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.flush()
    metadata = worker.get("configmap", SHARD)["metadata"]
    assert metadata["labels"]["profileimagesync.io/sync"] == "acme"
    assert metadata["labels"]["app.kubernetes.io/component"] == "state"
    assert "ownerReferences" not in metadata


def test_a_shard_that_is_to_go_with_its_resource_is_made_so(
    worker: WorkerEnvironment, store: ConfigMapStore
) -> None:
    """`deletionPolicy: Delete`: no operator need be there when the resource goes."""
    uid = resource_uid(worker)
    ledger = opened(store_of(worker, STATE, store._lease, owner_uid=uid))
    ledger.put(ADA, entry(1))
    ledger.flush()
    (owner,) = worker.get("configmap", SHARD)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ProfileImageSync", "acme", uid)
    assert owner["controller"]
    assert not owner["blockOwnerDeletion"]


def test_a_quota_is_told_as_a_quota(worker: WorkerEnvironment, store: ConfigMapStore) -> None:
    """A namespace may hold only so many ConfigMaps: the message names the quota, and what it is about."""
    worker.kubectl("create", "quota", "few", "--hard=count/configmaps=1")
    wait_for(
        "the quota's count",
        lambda: worker.get("resourcequota", "few").get("status", {}).get("used"),
    )
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    with pytest.raises(
        ApiForbidden, match=rf"ConfigMap {SHARD} in .*exceeded quota: few"
    ) as caught:
        ledger.flush()
    assert caught.value.exit_code == 30


def test_nothing_new_is_nothing_written(worker: WorkerEnvironment, store: ConfigMapStore) -> None:
    """A run in which nothing changed leaves the objects as they are."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.commit(ledger.header)
    before = [worker.get("configmap", name) for name in (HEADER, SHARD)]
    ledger.put(ADA, entry(1))
    ledger.commit(ledger.header)
    assert before == [worker.get("configmap", name) for name in (HEADER, SHARD)]


def test_state_grows_to_more_shards(worker: WorkerEnvironment) -> None:
    """Twice as many ConfigMaps when the people need them; everyone is found again."""
    people = [UUID(int=number) for number in range(1, 60)]
    with holding(worker) as store:
        ledger = opened(store)
        for number, guid in enumerate(people):
            ledger.put(guid, entry(number))
        ledger.flush()
        ledger.reserve(3 * PEOPLE_A_SHARD)
        ledger.put(ADA, entry(77))
        ledger.commit(ledger.header)
    with holding(worker, "job-2") as store:
        ledger = opened(store)
        assert ledger.header.shards == 4
        assert ledger.get(ADA) == entry(77)
        assert {guid for guid, _ in ledger.items()} == set(people)
    stored = worker.kubectl("get", "configmaps", "--output=name").split()
    assert sum("state-0" in name for name in stored) == 4


class KilledError(BaseException):
    """Stands for the end of the process."""


class DyingStore(ConfigMapStore):
    """Is killed after so many writes."""

    left = 0

    def write_shard(self, index: int, data: bytes) -> None:
        """Write, if still alive."""
        self._live()
        super().write_shard(index, data)

    def write_header(self, data: bytes) -> None:
        """Write, if still alive."""
        self._live()
        super().write_header(data)

    def _live(self) -> None:
        if not self.left:
            raise KilledError
        self.left -= 1


@pytest.mark.parametrize("writes", range(7))
def test_a_kill_between_two_writes_loses_nothing(worker: WorkerEnvironment, writes: int) -> None:
    """Growth from one shard to four: whichever write was the last, the old rows are all there."""
    people = [UUID(int=number) for number in range(1, 30)]
    with holding(worker) as store:
        ledger = opened(store)
        for guid in people:
            ledger.put(guid, entry(1))
        ledger.commit(ledger.header)
    with holding(worker, "job-2") as store:
        store.__class__ = DyingStore
        assert isinstance(store, DyingStore)
        store.left = writes
        ledger = opened(store)
        with pytest.raises(KilledError):
            _grow_and_change(ledger)
    with holding(worker, "job-3") as store:
        ledger = opened(store)
        assert {guid for guid, _ in ledger.items()} == set(people)
        _grow_and_change(ledger)
    with holding(worker, "job-4") as store:
        assert opened(store).get(ADA) == entry(2)


def _grow_and_change(ledger: Ledger) -> None:
    ledger.reserve(4 * PEOPLE_A_SHARD)
    for guid in [UUID(int=number) for number in range(1, 30)]:
        ledger.put(guid, entry(2))
    ledger.commit(ledger.header.having_handled("x"))


@pytest.mark.parametrize("name", [HEADER, SHARD])
def test_a_touched_label_stops_nobody(
    worker: WorkerEnvironment, store: ConfigMapStore, name: str
) -> None:
    """GitOps tools and backup software label what they see, at any moment of a run."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.commit(ledger.header)
    worker.kubectl("label", "configmap", name, "backup=nightly")
    worker.kubectl("annotate", "configmap", name, "noted=yes")
    ledger.put(ADA, entry(2))
    ledger.commit(ledger.header.having_handled("x"))
    assert opened(store).get(ADA) == entry(2)
    assert worker.get("configmap", name)["metadata"]["labels"]["backup"] == "nightly"


def rewrite(worker: WorkerEnvironment, name: str) -> None:
    """Write other content into an object of the state, as somebody with all rights."""
    client = worker.administrator()
    stored = read(client, ObjectRef("ConfigMap", worker.namespace, name))
    assert stored
    other = {key: value + b"!" for key, value in stored.binary.items()}
    text = {key: f"{value} " for key, value in stored.text.items()}
    client.replace(DataObject(stored.ref, text, other, stored.metadata).body())


@pytest.mark.parametrize("name", [HEADER, SHARD])
def test_what_someone_else_wrote_is_not_overwritten(
    worker: WorkerEnvironment, store: ConfigMapStore, name: str
) -> None:
    """Two writers of one state would lose people's rows: the run stops, to be tried again."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.commit(ledger.header)
    rewrite(worker, name)
    theirs = worker.get("configmap", name)
    ledger.put(ADA, entry(2))
    with pytest.raises(StateUnavailable, match=f"{name} in namespace.*someone else"):
        ledger.commit(ledger.header.having_handled("x"))
    assert worker.get("configmap", name) == theirs


@pytest.mark.parametrize("name", [HEADER, SHARD])
def test_what_someone_removed_is_not_made_again(
    worker: WorkerEnvironment, store: ConfigMapStore, name: str
) -> None:
    """Lost state must be noticed: a new shard with a part of the rows would hide the loss."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.commit(ledger.header)
    worker.kubectl("delete", "configmap", name)
    ledger.put(ADA, entry(2))
    with pytest.raises(StateUnavailable, match="written or removed by someone else"):
        ledger.commit(ledger.header.having_handled("x"))
    with pytest.raises(StateMissing):
        opened(store)


def test_a_write_whose_answer_was_lost_is_recognised(store: ConfigMapStore) -> None:
    """The connection broke after the write: written again, it is found to be our own."""
    ledger = opened(store)
    ledger.put(ADA, entry(1))
    ledger.flush()
    cached = dict(store._cached_versions)
    ledger.put(ADA, entry(2))
    ledger.flush()
    written = store.read_shard(0)
    assert written
    store._cached_versions = cached  # as if the answer had never come
    store.write_shard(0, written)
    assert opened(store).get(ADA) == entry(2)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"data": {"precious": "yes"}}, StateMismatch),
        ({"binaryData": {"shard": "cHJlY2lvdXM="}}, StateDamaged),
    ],
)
def test_a_stranger_of_a_shards_name_is_left_alone(
    worker: WorkerEnvironment,
    store: ConfigMapStore,
    content: dict[str, Any],
    error: type[PermanentError],
) -> None:
    """A name is no proof: what does not hold our state's id is never written to."""
    ledger = opened(store)
    name = names.shard("acme", 1)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **content}
    worker.kubectl("create", "-f", "-", text=json.dumps(body))
    theirs = worker.get("configmap", name)
    with pytest.raises(error, match="in namespace tenant-"):
        ledger.reserve(2 * PEOPLE_A_SHARD)
    assert worker.get("configmap", name) == theirs


def test_a_shard_of_another_state_is_left_alone(
    worker: WorkerEnvironment, store: ConfigMapStore
) -> None:
    """One left behind by a former state of the same name holds people of that one."""
    foreign = store_of(worker, UUID(int=9), store._lease)
    foreign.write_shard(1, encode_shard(Shard(UUID(int=9), 1, 2, 1)))
    theirs = worker.get("configmap", names.shard("acme", 1))
    with pytest.raises(StateMismatch, match="belongs to state"):
        opened(store).reserve(2 * PEOPLE_A_SHARD)
    assert worker.get("configmap", names.shard("acme", 1)) == theirs


def test_without_the_lease_nothing_is_written(worker: WorkerEnvironment) -> None:
    """Someone else took the Lease while we were away: the state is theirs now."""
    with holding(worker) as store:
        ledger = opened(store)
        ledger.put(ADA, entry(1))
        ledger.commit(ledger.header)
        worker.kubectl(
            "patch",
            "lease",
            "pisync-acme",
            "--type=merge",
            '-p={"spec":{"holderIdentity":"other"}}',
        )
        rewrite(worker, SHARD)
        theirs = worker.get("configmap", SHARD)
        ledger.put(ADA, entry(2))
        with pytest.raises(StateUnavailable, match="no longer this run's"):
            ledger.flush()
        assert worker.get("configmap", SHARD) == theirs
    assert worker.get("lease", "pisync-acme")["spec"]["holderIdentity"] == "other"


def test_a_missing_header_is_missing_state(
    worker: WorkerEnvironment, store: ConfigMapStore
) -> None:
    """The operator makes it once; the worker never does."""
    worker.kubectl("delete", "configmap", HEADER)
    with pytest.raises(StateMissing, match=r"ConfigMaps pisync-acme-state\* in namespace tenant-"):
        opened(store)
