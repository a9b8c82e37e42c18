"""The states of a cluster: opens one, and lists all, those whose resource is gone, too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from profile_image_sync import names
from profile_image_sync.api.state_header import StateHeader, decode_header
from profile_image_sync.cluster.resources import read_all
from profile_image_sync.errors import StateDamaged, StateMismatch, StateMissing
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.kube.resources import Body, ObjectRef
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.worker.ledger import Ledger

_LABELS = f"{names.MANAGED_BY_LABEL}={names.PRODUCT},{names.COMPONENT_LABEL}=state"


def open_store(client: ApiClient, namespace: str, name: str) -> tuple[ConfigMapStore, Lease]:
    """Return a resource's state, and the Lease to hold before anything is written."""
    config = LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic)
    holder = f"command {uuid4()}"
    lease = Lease(client, namespace=namespace, name=names.child(name), holder=holder, config=config)
    state_id = _state_id(client, namespace, name)
    store = ConfigMapStore(
        client, namespace=namespace, resource=name, state_id=state_id, lease=lease
    )
    return store, lease


def read_header(client: ApiClient, namespace: str, name: str) -> StateHeader | None:
    """Return the header of a resource's state; None: there is none. Raises StateDamaged, StateMismatch."""
    ref = ObjectRef("ConfigMap", namespace, names.state(name))
    found = read(client, ref)
    text = found.text.get(names.HEADER_KEY) if found else None
    return decode_header(text.encode(), ref.description) if text else None


@dataclass(frozen=True, slots=True)
class ListedState:
    """One state of a cluster."""

    namespace: str
    name: str  # of its resource
    has_resource: bool
    last_run: datetime | None  # of the resource; without one, when the state was last written
    id: UUID | None = None
    highq: str = ""  # "host/path" that it is bound to; "": to none yet
    people: int = 0  # with a record
    shards: int = 0
    bytes: int = 0
    problem: str = ""  # why it cannot be read; "": it can


def list_states(client: ApiClient, namespace: str) -> Iterator[ListedState]:
    """Yield the states of a namespace ("": of all). Each is read as a whole, one after the other."""
    resources = {(each.namespace, each.name): each for each in read_all(client, namespace)}
    found = client.list(ObjectRef("ConfigMap", namespace), _LABELS, metadata_only=True)
    headers = {key: body for body in found if (key := _resource_of(body))}
    for key in sorted(headers):
        resource = resources.get(key)
        run = resource.status.last_run if resource else None
        used = run.completion_time if run else _last_written(headers[key])
        yield _read(client, *key, has_resource=resource is not None, last_run=used)


def _read(
    client: ApiClient, namespace: str, name: str, *, has_resource: bool, last_run: datetime | None
) -> ListedState:
    try:
        store, _ = open_store(client, namespace, name)
        ledger = Ledger.open(store, expected_id=None)
        people = ledger.people
    except (StateDamaged, StateMissing, StateMismatch) as error:
        problem = f"{error.reason}: {error}"
        return ListedState(namespace, name, has_resource, last_run, problem=problem)
    header = ledger.header
    return ListedState(
        namespace=namespace,
        name=name,
        has_resource=has_resource,
        last_run=last_run,
        id=header.id,
        highq=header.highq or "",
        people=people,
        shards=header.shards,
        bytes=ledger.size,
    )


def _resource_of(body: Body) -> tuple[str, str] | None:
    """Return namespace and name of the resource whose header this is; None: it is a shard."""
    metadata = body["metadata"]
    name = (metadata.get("labels") or {}).get(names.SYNC_LABEL, "")
    return (metadata["namespace"], name) if metadata["name"] == names.state(name) else None


def _last_written(body: Body) -> datetime | None:
    times = [each["time"] for each in body["metadata"].get("managedFields") or () if "time" in each]
    return datetime.fromisoformat(max(times)) if times else None


def _state_id(client: ApiClient, namespace: str, name: str) -> UUID:
    """Return the id of the state that is there; a new one when there is none: nothing is then overwritten."""
    header = read_header(client, namespace, name)
    return header.id if header else uuid4()
