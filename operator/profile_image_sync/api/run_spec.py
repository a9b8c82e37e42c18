"""What one run is to do: a snapshot of the resource, so that no run sees half a change.

The operator hands it to the pod in an environment variable; a command makes it from a manifest.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.model import ApiModel, first_problem
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.status import Trigger
from profile_image_sync.errors import InvalidSpec

RUN_SPEC_VARIABLE = "PROFILE_IMAGE_SYNC_ORDER"  # as JSON; called so since the first delivery
JOB_UID_VARIABLE = "PROFILE_IMAGE_SYNC_JOB"  # the uid of the Job, by the downward API
JOB_NAME_VARIABLE = "PROFILE_IMAGE_SYNC_JOB_NAME"  # its suffix is the run's id
MOUNTS = "/var/run/profile-image-sync"  # secrets/NAME/KEY and configmaps/NAME/KEY

SCHEMA = 1  # grows with a field that a worker must not pass over; others it may


class RunSpec(ApiModel):
    """What to run, and for which resource."""

    schema_version: int = SCHEMA
    """Schema of this document. A worker refuses a newer one than its own."""
    namespace: str
    """Of the resource and everything of it."""
    name: str
    """Of the resource."""
    generation: int
    """Of the spec below."""
    uid: str = ""
    """Of the resource: the owner of state that is to go with it. Empty: state has no owner."""
    trigger: Trigger = Trigger.SCHEDULE
    """Why the run started; its report says it again."""
    requests: tuple[str, ...] = ()
    """The run requests that the run serves, the newest last."""
    state_id: UUID
    """The state that the run must find."""
    allow: Allow = Allow()
    """Hosts that the spec may name."""
    spec: ProfileImageSyncSpec
    """As it was when the run was started."""


class _RunSpecVersion(BaseModel):
    """As much of a run spec as every version can read."""

    schema_version: Annotated[int, Field(alias="schemaVersion")] = (
        1  # the first delivery's had none
    )


def decode_run_spec(text: str) -> RunSpec:
    """Read what an operator of this or another version wrote. Raises InvalidSpec, in one line.

    Fields that are not known are passed over: what must not be is told by the schema.
    """
    try:
        version = _RunSpecVersion.model_validate_json(text).schema_version
        if version > SCHEMA:
            raise InvalidSpec(
                f"the run spec has schema {version}, this worker reads up to {SCHEMA}: upgrade the worker's "
                "image (chart value worker.image) to the operator's version"
            )
        return RunSpec.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        raise InvalidSpec(
            f"the run spec in {RUN_SPEC_VARIABLE} cannot be read ({first_problem(error)}): another version "
            "of the operator wrote it; a running operator brings its CronJobs up to date"
        ) from None
