"""`spec.state`: what happens to the state (the record of what HighQ has accepted)."""

from __future__ import annotations

from enum import StrEnum

from profile_image_sync.api.model import ApiModel


class DeletionPolicy(StrEnum):
    """What becomes of the state when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class StatePolicy(ApiModel):
    """What becomes of the record of what HighQ has accepted."""

    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """When this resource is deleted. Retain: the state stays and is taken up again by a resource of
    the same name. Delete: it goes too, and the next first sync overrides pictures anew."""
