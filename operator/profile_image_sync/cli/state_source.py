"""Where `state` commands find a state: a folder, or ConfigMaps of a cluster. Opens it, and knows its people.

A run must not write meanwhile, so a folder is always locked, and a cluster's Lease is held for changes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import typer

from profile_image_sync import logs, names
from profile_image_sync.api.report import PeopleLists
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.validation import validated
from profile_image_sync.cli.options import secret_folders
from profile_image_sync.cluster.people import read_people
from profile_image_sync.cluster.resources import connected
from profile_image_sync.cluster.states import open_store
from profile_image_sync.errors import StateMissing
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.manifest import load
from profile_image_sync.local.run import listed_people
from profile_image_sync.worker.connections import open_directory
from profile_image_sync.worker.state_store import StateStore


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
        yield OpenState(store, listed_people(folder), None)


def _open_cluster(target: str, context: str | None, *, change: bool) -> Iterator[OpenState]:
    namespace, slash, name = target.partition("/")
    if not (namespace and slash and name):
        raise typer.BadParameter(f"--in-cluster {target}: give NAMESPACE/NAME")
    with connected(context) as client:
        found = client.get(ObjectRef(names.KIND, namespace, name))
        resource = validated(ProfileImageSync, found) if found else None
        store, lease = open_store(client, namespace, name)
        state = OpenState(
            store,
            read_people(client, namespace, name),
            resource.spec.highq.address if resource else None,
        )
        if not change:
            yield state
            return
        with lease.held(threading.Event()):
            yield state


def find_person(
    person: str, people: PeopleLists | None, manifest: Path | None, secret: list[str] | None
) -> UUID:
    """Return the objectGUID of a person given by it, or by their label in the lists of the last run.

    With a manifest its directory is asked, for a mail address, userPrincipalName or account name.
    """
    with suppress(ValueError):
        return UUID(person)
    if manifest:
        found, where = _in_directory(person, manifest, secret), "in the directory"
    else:
        found, where = _in_lists(person, people), "in the lists of the last run"
    if len(found) != 1:
        problem = "is more than one person" if found else "is not"
        raise typer.BadParameter(
            f"{person} {problem} {where}: give the objectGUID (PowerShell: Get-ADUser NAME | Select-Object "
            "ObjectGUID), or with -f FILE a name that is unique in the directory"
        )
    return found.pop()


def _in_lists(person: str, people: PeopleLists | None) -> set[UUID]:
    everyone = (each for listed in (people.people.values() if people else ()) for each in listed)
    return {UUID(each.guid) for each in everyone if each.label.lower() == person.lower()}


def _in_directory(person: str, manifest: Path, secret: list[str] | None) -> set[UUID]:
    logs.configure(json=False, quiet=True)
    document = load(manifest)
    references = document.references(secret_folders(secret))
    with open_directory(document.resource.spec, references) as directory:
        return {each.guid for each in directory.find(person)}
