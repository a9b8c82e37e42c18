"""Where `state` commands find a state: a folder, or ConfigMaps of a cluster. Opens it, and knows its people.

A run must not write meanwhile, so a folder is always locked, and a cluster's Lease is held for changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import typer

from profile_image_sync import names
from profile_image_sync.api.report import PeopleLists
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.state_header import decode_header
from profile_image_sync.api.validation import validated
from profile_image_sync.errors import StateMissing
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.run import PEOPLE_FILE
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.worker.state_store import StateStore

FIELD_MANAGER = f"{names.PRODUCT}-cli"


@dataclass(frozen=True, slots=True)
class OpenState:
    """A state, its people by label as far as the last run listed them, and its resource's HighQ."""

    store: StateStore
    people: PeopleLists | None
    highq: str | None  # host/path of the resource; None: there is no resource


@contextmanager
def open_state(
    folder: Path | None, in_cluster: str | None, context: str | None, *, change: bool
) -> Iterator[OpenState]:
    """Open the state that the options name. Raises Busy when a run is using it."""
    if (folder is None) == (in_cluster is None):
        raise typer.BadParameter("give --state FOLDER or --in-cluster NAMESPACE/NAME")
    if folder:
        yield from _open_folder(folder, change=change)
    else:
        yield from _open_cluster(str(in_cluster), context, change=change)


def _open_folder(folder: Path, *, change: bool) -> Iterator[OpenState]:
    if not folder.is_dir() and not change:
        raise StateMissing(f"there is no folder {folder}: give the folder of --state of `sync`")
    with FolderStore.open(folder) as store:
        listed = folder / PEOPLE_FILE
        people = PeopleLists.model_validate_json(listed.read_bytes()) if listed.is_file() else None
        yield OpenState(store, people, None)


def _open_cluster(target: str, context: str | None, *, change: bool) -> Iterator[OpenState]:
    namespace, slash, name = target.partition("/")
    if not (namespace and slash and name):
        raise typer.BadParameter(f"--in-cluster {target}: give NAMESPACE/NAME")
    with ApiClient.connect_as_user(context, field_manager=FIELD_MANAGER) as client:
        found = client.get(ObjectRef(names.KIND, namespace, name))
        resource = validated(ProfileImageSync, found) if found else None
        config = LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic)
        lease = Lease(
            client,
            namespace=namespace,
            name=names.child(name),
            holder=f"command {uuid4()}",
            config=config,
        )
        store = ConfigMapStore(
            client,
            namespace=namespace,
            resource=name,
            state_id=_state_id(client, namespace, name),
            lease=lease,
        )
        state = OpenState(
            store,
            _people(client, namespace, name),
            resource.spec.highq.address if resource else None,
        )
        if not change:
            yield state
            return
        with lease.held(threading.Event()):
            yield state


def _state_id(client: ApiClient, namespace: str, name: str) -> UUID:
    """Return the id of the state that is there; a new one when there is none: nothing is then overwritten."""
    ref = ObjectRef("ConfigMap", namespace, names.state(name))
    found = read(client, ref)
    text = found.text.get(names.HEADER_KEY) if found else None
    return decode_header(text.encode(), ref.description).id if text else uuid4()


def _people(client: ApiClient, namespace: str, name: str) -> PeopleLists | None:
    found = read(client, ObjectRef("Secret", namespace, names.people(name)))
    data = found.binary.get(names.PEOPLE_KEY) if found else None
    return PeopleLists.model_validate_json(data) if data else None


def find_person(person: str, people: PeopleLists | None) -> UUID:
    """Return the objectGUID of a person given by it, or by their label in the lists of the last run."""
    try:
        return UUID(person)
    except ValueError:
        listed = people.people.values() if people else ()
        found = {
            each.guid for lines in listed for each in lines if each.label.lower() == person.lower()
        }
    if len(found) != 1:
        problem = "is not in the lists" if not found else "is more than one person in the lists"
        raise typer.BadParameter(
            f"{person} {problem} of the last run: give the objectGUID "
            "(PowerShell: Get-ADUser NAME | Select-Object ObjectGUID)"
        )
    return UUID(found.pop())
