"""What a worker's ServiceAccount may do, asked with its real token: its own named objects, no more."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from profile_image_sync.kube.errors import ApiForbidden
from profile_image_sync.kube.resources import ObjectRef
from testkit.control_plane import ControlPlane
from tests.support.worker_environment import WorkerEnvironment

CORE, LEASES = "/api/v1/namespaces/{}", "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


@pytest.fixture
def neighbour(control_plane: ControlPlane, tmp_path: Path) -> Iterator[WorkerEnvironment]:
    """Give another tenant, in a namespace of its own."""
    (tmp_path / "neighbour").mkdir()
    place = WorkerEnvironment.create(control_plane, tmp_path / "neighbour")
    yield place
    place.close()


def answer(worker: WorkerEnvironment, method: str, path: str) -> int:
    """Ask with the token of the worker's ServiceAccount; return the status."""
    token = worker.kubectl("create", "token", "pisync-acme").strip()
    with httpx.Client(
        base_url=worker.control_plane.url,
        verify=ssl.create_default_context(cafile=worker.control_plane.ca_file),
        trust_env=False,
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        return client.request(method, path).status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{CORE}/secrets"),
        ("GET", f"{CORE}/secrets/ad-bind"),
        ("GET", f"{CORE}/secrets/highq-oauth"),
        ("GET", f"{CORE}/configmaps"),
        ("GET", f"{CORE}/configmaps/kube-root-ca.crt"),
        ("DELETE", f"{CORE}/configmaps/pisync-acme-state"),
        ("DELETE", f"{CORE}/configmaps/pisync-acme-state-000"),
        ("PATCH", f"{CORE}/secrets/pisync-token-highq-oauth"),
        ("POST", f"{CORE}/secrets"),
        ("GET", LEASES),
        ("POST", LEASES),
        ("GET", f"{CORE}/pods"),
        ("GET", "/apis/profileimagesync.io/v1alpha1/namespaces/{}/profileimagesyncs/acme"),
    ],
)
def test_what_is_not_needed_is_not_allowed(
    worker: WorkerEnvironment, method: str, path: str
) -> None:
    """Neither the credentials (they are mounted) nor lists, nor deleting anything at all."""
    worker.kubectl("create", "secret", "generic", "ad-bind", "--from-literal=password=x")
    assert answer(worker, method, path.format(worker.namespace)) == 403


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ConfigMap", "pisync-acme-state"),
        ("ConfigMap", "pisync-acme-state-255"),
        ("ConfigMap", "pisync-acme-report"),
        ("Secret", "pisync-acme-people"),
        ("Secret", "pisync-token-highq-oauth"),
    ],
)
def test_a_neighbours_objects_cannot_be_read(
    worker: WorkerEnvironment, neighbour: WorkerEnvironment, kind: str, name: str
) -> None:
    """Two tenants in two namespaces: the same names, and neither sees the other's; each its own."""
    worker.client().get(ObjectRef(kind, worker.namespace, name))
    with pytest.raises(ApiForbidden, match=f"{neighbour.namespace}.*not allowed to get it.*403"):
        worker.client().get(ObjectRef(kind, neighbour.namespace, name))
