"""`spec.state`: what happens to the state (the record of what HighQ has accepted)."""

from __future__ import annotations

from enum import StrEnum

from profile_image_sync.api.model import ApiModel


class DeletionPolicy(StrEnum):
    """What happens to the state when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class StatePolicy(ApiModel):
    """What happens to the state: the record of what HighQ has accepted."""

    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens to the state when this resource is deleted. Retain: it stays, and a new resource of the
    same name continues with it. Delete: it is deleted too, and a new resource begins with a first sync."""
