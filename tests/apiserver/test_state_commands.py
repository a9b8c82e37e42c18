"""`state …` on the ConfigMaps of a real API server, through its real process and under the Lease."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync import names
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.worker.ledger import Accepted, Ledger, PersonRecord
from tests.support.operator import install_crd
from tests.support.worker_environment import SPEC, STATE, WorkerEnvironment
from tests.unit.cli.command import CommandResult, command

ADA, BEN = UUID(int=1), UUID(int=2)
ACCEPTED = PersonRecord(Accepted(b"a" * 16, "thumbnailPhoto", 5, 1))


def store_of(worker: WorkerEnvironment, lease: Lease) -> ConfigMapStore:
    """Return what a run has of the state."""
    client, namespace = worker.client(), worker.namespace
    return ConfigMapStore(client, namespace=namespace, resource="acme", state_id=STATE, lease=lease)


def lease_of(worker: WorkerEnvironment) -> Lease:
    """Return the Lease as a run has it."""
    config = LeaseConfig(lambda: datetime.now(UTC), monotonic)
    return worker.lease(names.child("acme"), "job-1", config)


@pytest.fixture
def served(worker: WorkerEnvironment) -> WorkerEnvironment:
    """Give a resource whose state holds two people."""
    install_crd(worker.control_plane)
    metadata = {"name": "acme", "namespace": worker.namespace}
    body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": SPEC}
    worker.kubectl("apply", "-f", "-", text=json.dumps(body))
    lease = lease_of(worker)
    with lease.held(threading.Event()):
        ledger = Ledger.open(store_of(worker, lease), expected_id=STATE)
        for guid in (ADA, BEN):
            ledger.put(guid, ACCEPTED)
        ledger.commit(ledger.header.bound_to_highq("acme.highq.com/acme"))
    return worker


def state(worker: WorkerEnvironment, *arguments: str | Path) -> CommandResult:
    """Run `state …` with the administrator's kubeconfig."""
    target = ("--in-cluster", f"{worker.namespace}/acme")
    kubeconfig = str(worker.control_plane.kubeconfig)
    return command("state", *arguments, *target, KUBECONFIG=kubeconfig)


def records(worker: WorkerEnvironment) -> dict[UUID, PersonRecord]:
    """Read the state as the next run does."""
    return dict(Ledger.open(store_of(worker, lease_of(worker)), expected_id=STATE).items())


def test_a_state_is_exported_lost_and_imported(served: WorkerEnvironment, tmp_path: Path) -> None:
    """A backup brings a lost state back: header and shards, with the same id."""
    out = tmp_path / "acme.state"
    assert state(served, "export", "--out", out).exit_code == 0
    served.kubectl("delete", "configmap", names.state("acme"), names.shard("acme", 0))
    lost = state(served, "verify")
    assert (lost.exit_code, lost.errors.partition(":")[0]) == (20, "StateMissing")

    restored = state(served, "import", out, "--yes")

    assert restored.exit_code == 0, restored.errors
    assert "may be uploaded once more" in restored.errors
    assert "The domain is checked by the next run" in restored.errors
    assert records(served) == {ADA: ACCEPTED, BEN: ACCEPTED}
    labels = served.get("configmap", names.state("acme"))["metadata"]["labels"]
    assert labels[names.SYNC_LABEL] == "acme"


def test_an_import_for_another_highq_is_refused(served: WorkerEnvironment, tmp_path: Path) -> None:
    """Unless the address is only another name: then `--rebind` says so."""
    out = tmp_path / "acme.state"
    state(served, "export", "--out", out)
    patch = {"spec": {"highq": {"url": "https://renamed.highq.com/acme"}}}
    served.kubectl("patch", names.PLURAL, "acme", "--type=merge", "-p", json.dumps(patch))

    refused = state(served, "import", out, "--yes")
    assert (refused.exit_code, refused.errors.partition(":")[0]) == (20, "StateMismatch")

    assert state(served, "import", out, "--yes", "--rebind").exit_code == 0
    header = json.loads(served.get("configmap", names.state("acme"))["data"]["header"])
    assert header["highq"] == "renamed.highq.com/acme"


def test_a_change_is_refused_while_a_run_holds_the_lease(served: WorkerEnvironment) -> None:
    """Reading is possible at any time."""
    with lease_of(served).held(threading.Event()):
        busy = state(served, "forget", str(ADA))
        assert (busy.exit_code, busy.errors.partition(":")[0]) == (10, "Busy")
        assert state(served, "show").exit_code == 0
    assert state(served, "forget", str(ADA)).exit_code == 0
    assert records(served) == {BEN: ACCEPTED}


def test_all_states_are_listed_also_without_a_resource(served: WorkerEnvironment) -> None:
    """How many people, how big, whose, and which of them cannot be read."""
    kubeconfig = str(served.control_plane.kubeconfig)
    where = ("state", "list", "--namespace", served.namespace)

    def listed() -> dict[str, Any]:
        (found,) = json.loads(command(*where, "-o", "json", KUBECONFIG=kubeconfig).output)
        return dict(found)

    assert listed() | {"lastRun": None, "bytes": 0} == {
        "namespace": served.namespace,
        "name": "acme",
        "hasResource": True,
        "state": str(STATE),
        "highq": "acme.highq.com/acme",
        "people": 2,
        "shards": 1,
        "bytes": 0,
        "lastRun": None,
        "problem": "",
    }
    assert listed()["bytes"] > 0
    served.kubectl("delete", names.PLURAL, "acme")
    gone = listed()
    assert (gone["hasResource"], gone["people"]) == (False, 2)
    assert datetime.now(UTC) - datetime.fromisoformat(gone["lastRun"]) < timedelta(hours=1)
    table = command(*where, KUBECONFIG=kubeconfig)
    assert (table.exit_code, table.errors) == (0, "")
    assert table.output.splitlines()[1].split()[:5] == [served.namespace, "acme", "gone", "2", "1"]

    served.kubectl("delete", "configmap", names.shard("acme", 0))
    assert listed()["problem"].startswith(
        "StateMissing: shard 000 of the state is not in ConfigMaps"
    )
    served.kubectl("delete", "configmap", names.state("acme"))
    none = command(*where, KUBECONFIG=kubeconfig)
    assert (none.output, none.errors) == ("", f"no state in {served.namespace}\n")


def test_no_cluster_is_one_line(tmp_path: Path) -> None:
    """Never a traceback."""
    lost = command("state", "show", "--in-cluster", "a/b", KUBECONFIG=str(tmp_path / "none"))
    assert lost.exit_code == 30
    assert lost.errors.startswith("ApiUnavailable: no cluster to talk to")
    assert len(lost.errors.splitlines()) == 1
