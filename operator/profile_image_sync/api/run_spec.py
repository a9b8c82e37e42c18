"""What one run is to do: a snapshot of the resource, so that no run sees half a change.

The operator hands it to the pod in an environment variable; a command makes it from a manifest.
"""

from __future__ import annotations

from uuid import UUID

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.status import Trigger

RUN_SPEC_VARIABLE = "PROFILE_IMAGE_SYNC_ORDER"  # as JSON; called so since the first delivery
JOB_UID_VARIABLE = "PROFILE_IMAGE_SYNC_JOB"  # the uid of the Job, by the downward API
MOUNTS = "/var/run/profile-image-sync"  # secrets/NAME/KEY and configmaps/NAME/KEY


class RunSpec(ApiModel):
    """What to run, and for which resource."""

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
