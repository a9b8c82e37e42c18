"""A local copy of objects against a real API server: what it sees, and what it survives."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from profile_image_sync.kube import client
from profile_image_sync.kube.client import ONCE, ApiClient
from profile_image_sync.kube.informer import Informer
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import Change, Selection
from testkit.control_plane import ControlPlane, run_control_plane
from testkit.relay import Relay
from testkit.waiting import wait_for

LABEL = "example.com/sync"
LABELS = (("app", "sync"),)


class Admin:
    """What an administrator does in one namespace."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.namespace = f"n-{uuid4().hex[:8]}"
        self.kubectl("create", "namespace", self.namespace)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl; return what it prints."""
        where = [] if self.namespace in arguments else [f"--namespace={self.namespace}"]
        kubeconfig = f"--kubeconfig={self.control_plane.kubeconfig}"
        command = [str(self.control_plane.kubectl), kubeconfig, *where, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, name: str, sync: str = "acme", kind: str = "ConfigMap", **labels: str) -> None:
        """Make an object of a resource."""
        metadata = {"name": name, "labels": {"app": "sync", LABEL: sync, **labels}}
        body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"k": "dmFsdWU="}}
        self.kubectl("create", "-f", "-", text=json.dumps(body))


class Watched:
    """An informer under test, and the changes that it told of."""

    def __init__(self, kubeconfig: Path, *selections: Selection) -> None:
        environment = {"KUBECONFIG": str(kubeconfig)}
        self.client = ApiClient.connect(environment, field_manager="test", retry=ONCE)
        self.changes: list[Change] = []
        self.informer = Informer(
            self.client, selections, label=LABEL, on_change=self.changes.append
        )
        self.informer.start()

    def wait_for_sync(self, namespace: str) -> None:
        """Wait for the first listing."""
        wait_for("sync", lambda: self.informer.synced(namespace), interval=0.05)

    def names(self, namespace: str) -> set[str]:
        """Return what it knows of the resource acme."""
        return {e["metadata"]["name"] for e in self.informer.store.labelled(namespace, "acme")}

    def wait_for_names(self, namespace: str, *names: str, seconds: float = 30) -> None:
        """Wait until it knows of these and no others."""
        wait_for(f"{names}", lambda: self.names(namespace) == set(names), seconds, interval=0.05)


@pytest.fixture(scope="module")
def restartable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane of our own: one test stops its API server."""
    with run_control_plane(tmp_path_factory.mktemp("informer") / "data") as running:
        yield running


@pytest.fixture
def admin(restartable: ControlPlane) -> Admin:
    """Give a new namespace."""
    return Admin(restartable)


@pytest.fixture
def watched(admin: Admin) -> Iterator[Watched]:
    """Give an informer of our ConfigMaps everywhere."""
    ready = Watched(admin.control_plane.kubeconfig, Selection("ConfigMap", "", LABELS))
    ready.wait_for_sync(admin.namespace)
    yield ready
    ready.informer.stop()


def test_what_is_there_and_what_comes_is_seen(admin: Admin) -> None:
    """Objects of before the start, then those made, changed and removed; others' never."""
    admin.make("before")
    admin.kubectl("create", "configmap", "foreign")
    watched = Watched(admin.control_plane.kubeconfig, Selection("ConfigMap", "", LABELS))
    watched.wait_for_names(admin.namespace, "before")
    admin.make("after")
    watched.wait_for_names(admin.namespace, "before", "after")
    admin.kubectl("delete", "configmap", "before")
    watched.wait_for_names(admin.namespace, "after")
    kept = watched.informer.store.get(ObjectRef("ConfigMap", admin.namespace, "after"))
    assert kept
    assert (kept["apiVersion"], kept["kind"], kept["data"]) == (
        "v1",
        "ConfigMap",
        {"k": "dmFsdWU="},
    )
    mine = [each for each in watched.changes if each.ref.namespace == admin.namespace]
    assert [(each.ref.name, each.after is None) for each in mine] == [
        ("before", False),
        ("after", False),
        ("before", True),
    ]
    watched.informer.stop()


def test_an_object_that_loses_our_label_is_gone_for_us(admin: Admin, watched: Watched) -> None:
    """The API server shows it as deleted; it is no longer ours to look after."""
    admin.make("one")
    watched.wait_for_names(admin.namespace, "one")
    admin.kubectl("label", "configmap", "one", "app-")
    watched.wait_for_names(admin.namespace)


def test_of_state_only_the_metadata_is_transferred(admin: Admin) -> None:
    """Shards are large and are never compared: their bodies neither travel nor stay."""
    only = Selection("ConfigMap", admin.namespace, LABELS, metadata_only=True)
    admin.make("listed")
    watched = Watched(admin.control_plane.kubeconfig, only)
    watched.wait_for_names(admin.namespace, "listed")
    admin.make("watched")
    watched.wait_for_names(admin.namespace, "listed", "watched")
    for name in ("listed", "watched"):
        kept = watched.informer.store.get(ObjectRef("ConfigMap", admin.namespace, name))
        assert kept
        assert set(kept) == {"apiVersion", "kind", "metadata"}
        assert kept["kind"] == "ConfigMap"
    watched.informer.stop()


def test_what_we_wrote_is_known_before_the_watch_shows_it(admin: Admin, watched: Watched) -> None:
    """The next reconcile may follow at once."""
    ref = ObjectRef("ConfigMap", admin.namespace, "own")
    metadata = {"name": "own", "namespace": admin.namespace, "labels": {"app": "sync"}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    watched.informer.store.take_written(watched.client.create(body))
    assert watched.informer.store.get(ref)
    watched.client.delete(ref)
    wait_for("the removal", lambda: watched.informer.store.get(ref) is None, interval=0.05)


def test_a_restart_of_the_api_server_is_survived(admin: Admin, watched: Watched) -> None:
    """Nothing is forgotten meanwhile, nothing is missed afterwards, and no change is told twice."""
    admin.make("old")
    watched.wait_for_names(admin.namespace, "old")
    with admin.control_plane.api_server_down():
        wait_for("trouble", lambda: watched.informer.health()[0].problem, interval=0.05)
        assert watched.names(admin.namespace) == {"old"}
        assert watched.informer.health()[0].failing_seconds is not None
    admin.make("new")
    watched.wait_for_names(admin.namespace, "old", "new", seconds=60)
    assert watched.informer.health()[0].failing_seconds is None
    told = [each.ref.name for each in watched.changes if each.ref.namespace == admin.namespace]
    assert told == ["old", "new"]


def test_a_version_that_the_server_has_forgotten_is_listed_anew(
    admin: Admin, watched: Watched
) -> None:
    """After a long absence: 410 Gone, one listing, and only what differs is told."""
    admin.make("one")
    watched.wait_for_names(admin.namespace, "one")
    store = watched.informer.store
    reflector = watched.informer._reflectors[0]
    store.advance(reflector.selection, 1)  # as if the last we heard was at the server's beginning
    assert reflector._stream
    reflector._stream.shut_down()
    admin.make("two")
    watched.wait_for_names(admin.namespace, "one", "two")
    told = [each.ref.name for each in watched.changes if each.ref.namespace == admin.namespace]
    assert told == ["one", "two"]
    known = store.version(reflector.selection)
    assert known
    assert known > 1


@pytest.fixture
def stranger(restartable: ControlPlane, admin: Admin, tmp_path: Path) -> Path:
    """Give the kubeconfig of a ServiceAccount that may watch ConfigMaps in this namespace only."""
    admin.kubectl("create", "serviceaccount", "operator")
    admin.kubectl("create", "role", "watcher", "--verb=list,watch", "--resource=configmaps")
    allow(admin, "watcher", f"{admin.namespace}:operator")
    config: dict[str, Any] = json.loads(restartable.kubeconfig.read_text())
    token = admin.kubectl("create", "token", "operator").strip()
    config["users"] = [{"name": "administrator", "user": {"token": token}}]
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def allow(admin: Admin, role: str, account: str) -> None:
    """Bind a Role of this namespace to a ServiceAccount."""
    admin.kubectl("create", "rolebinding", role, f"--role={role}", f"--serviceaccount={account}")


def test_one_forbidden_namespace_harms_nobody_else(
    restartable: ControlPlane, admin: Admin, stranger: Path
) -> None:
    """It is told, the others are served; and it is served itself as soon as it lets us in."""
    closed = Admin(restartable)
    watched = Watched(
        stranger,
        *(Selection("ConfigMap", name, LABELS) for name in (admin.namespace, closed.namespace)),
    )
    admin.make("one")
    watched.wait_for_names(admin.namespace, "one")
    assert watched.informer.synced(admin.namespace)
    assert not watched.informer.synced(closed.namespace)
    wait_for("its refusal", lambda: watched.informer.health()[1].problem, interval=0.05)
    well, forbidden = watched.informer.health()
    assert well.failing_seconds is None
    assert "not allowed to get it (403 Forbidden" in forbidden.problem
    assert closed.namespace in forbidden.problem
    closed.make("two")
    closed.kubectl("create", "role", "watcher", "--verb=list,watch", "--resource=configmaps")
    allow(closed, "watcher", f"{admin.namespace}:operator")
    watched.wait_for_names(closed.namespace, "two", seconds=40)
    watched.informer.stop()


def test_a_namespace_that_is_gone_is_a_quiet_one(admin: Admin, restartable: ControlPlane) -> None:
    """A list of namespaces may name one that does not exist yet: it is served when it is made."""
    later = f"later-{uuid4().hex[:8]}"
    watched = Watched(restartable.kubeconfig, Selection("ConfigMap", later, LABELS))
    watched.wait_for_sync(later)
    admin.namespace = later
    admin.kubectl("create", "namespace", later)
    admin.make("first")
    watched.wait_for_names(later, "first")
    watched.informer.stop()


def test_stopping_ends_all_threads_at_once(admin: Admin) -> None:
    """An operator that is told to stop does not wait for the next event."""
    watched = Watched(admin.control_plane.kubeconfig, Selection("ConfigMap", admin.namespace))
    watched.wait_for_sync(admin.namespace)
    path = Selection("ConfigMap", admin.namespace).ref.path
    thread = next(each for each in threading.enumerate() if each.name == path)
    watched.informer.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_a_watch_that_goes_blind_is_replaced(
    admin: Admin, restartable: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall forgot the connection: no byte comes, and no end. What happened is seen all the same."""
    monkeypatch.setattr(client, "SILENT_SECONDS", 2.0)
    with Relay(int(restartable.url.rpartition(":")[2])) as relay:
        config = json.loads(restartable.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        watched = Watched(tmp_path / "kubeconfig", Selection("ConfigMap", admin.namespace, LABELS))
        admin.make("seen")
        watched.wait_for_names(admin.namespace, "seen")
        assert relay.freeze()
        admin.make("unseen")
        watched.wait_for_names(admin.namespace, "seen", "unseen", seconds=10)
        assert watched.informer.health()[0].failing_seconds is None
        watched.informer.stop()


def test_silence_is_longer_than_the_pause_between_two_bookmarks() -> None:
    """The API server sends one a minute; and a blind watch is noticed within a minute and a half."""
    assert 60 < client.SILENT_SECONDS <= 90
