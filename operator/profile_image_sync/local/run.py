"""One run on a machine: state, tokens and report are files of one folder.

The counterpart of pod/main.py. It prints nothing: the commands do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.report import LISTED, PeopleLists, decode_people
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.state_policy import StatePolicy
from profile_image_sync.api.status import Trigger
from profile_image_sync.errors import StateMissing
from profile_image_sync.local.files import write_file
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.local.manifest import Manifest
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.connections import open_directory, open_highq
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.run import RunContext, execute

REPORT_FILE = "report.json"
PEOPLE_FILE = "people.json"

Notice = Callable[[str], None]  # tells the user something while the run goes on


def state_folder(manifest: Manifest, chosen: Path | None) -> Path:
    """Return the folder of the state: the chosen one, or one below the current folder."""
    return chosen or Path(".profile-image-sync") / manifest.resource.metadata.name


def run_once(
    manifest: Manifest,
    *,
    folder: Path,
    secret_folders: Mapping[str, Path],
    notice: Notice,
    progress: Callable[[int, int], None],
    open_directory: Callable[..., Directory] = open_directory,
    open_highq: Callable[..., HighQClient] = open_highq,
    max_listed: int = LISTED,
    full: bool = False,
) -> RunOutput:
    """Run the manifest's resource once, and leave report and lists in the folder.

    `full`: read everyone, not only who changed.

    Raises SyncError before a run can start: Busy, StateUnavailable, StateMissing.
    """
    resource = manifest.resource
    references = manifest.references(secret_folders)
    tokens = FolderTokenStore(folder)
    with FolderStore.open(folder) as store:
        if begin_state(store, resource.spec.state):
            notice(f"New state in {folder}: this is a first sync ({resource.spec.first_sync}).")
        run_spec = RunSpec(
            namespace=resource.metadata.namespace,
            name=resource.metadata.name,
            generation=resource.metadata.generation or 0,
            trigger=Trigger.REQUEST if full else Trigger.SCHEDULE,
            state_id=store.header().id,
            spec=resource.spec,
        )
        context = RunContext(
            run_id=str(uuid4()),
            job="",
            store=store,
            tokens=tokens,
            references=references,
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            new_id=lambda: secrets.token_hex(4),
            stop=stop_on_signals(),
            progress=progress,
            on_first_refresh=partial(_warn_of_first_refresh, manifest, tokens, notice),
            open_directory=open_directory,
            open_highq=open_highq,
            max_listed=max_listed,
            former_lists=partial(listed_people, folder),
        )
        result = execute(run_spec, context)
        write_file(folder / REPORT_FILE, _as_file(result.report))
        write_file(folder / PEOPLE_FILE, _as_file(result.people))
    return result


def listed_people(folder: Path) -> PeopleLists:
    """Return the lists of the last run; empty ones where they cannot be read."""
    try:
        return decode_people((folder / PEOPLE_FILE).read_bytes())
    except OSError:
        return decode_people("")


def _as_file(model: ApiModel) -> bytes:
    return f"{model.model_dump_json(by_alias=True, indent=2)}\n".encode()


def begin_state(store: FolderStore, policy: StatePolicy) -> bool:
    """Begin a state if there is none, or the loss of the one that was is acknowledged; tell whether it was.

    Raises StateMissing when the spec pins a state and there is none (rule 9).
    """
    lost = policy.acknowledge_loss
    if lost and store.begin_anew(UUID(lost)):
        return True
    if not store.is_new():
        return False
    if policy.id:
        raise StateMissing(
            f"there is no state in {store.where}, but spec.state.id is {policy.id}: restore it from a "
            "backup or with `profile-image-sync state import`, or give it up and begin a first sync with "
            f'spec.state.acknowledgeLoss: "{policy.id}"'
        )
    store.initialise(new_header(uuid4()))
    return True


def _warn_of_first_refresh(manifest: Manifest, tokens: FolderTokenStore, notice: Notice) -> None:
    """Tell that the refresh token of the Secret is used up now: a cluster cannot use it any more."""
    secret = manifest.resource.spec.highq.credentials_secret_ref.name
    notice(
        f"This run uses up the refreshToken of Secret {secret}, which HighQ accepts only once. The new token "
        f"pair is kept in {tokens.file}. A cluster, or another folder, needs an authorisation of its own."
    )
