"""`spec.state`: what happens to the state (the record of what HighQ has accepted)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from profile_image_sync.api.model import ApiModel, matches

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
StateId = Annotated[
    str,
    Field(max_length=36),
    matches(f"(?:{_UUID})?", "must be the id of a state (status.state.id)"),
]


class DeletionPolicy(StrEnum):
    """What happens to the state when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class StatePolicy(ApiModel):
    """What happens to the state: the record of what HighQ has accepted."""

    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens to the state when this resource is deleted. Retain: it stays, and a new resource of the
    same name continues with it. Delete: it is deleted too, and a new resource begins with a first sync."""
    id: StateId = Field("", examples=["5f1b7c1e-93a4-4f3b-9d55-0b7a4f0c2d11"])
    """Id of the state that this resource must find (status.state.id). A run that finds another one, or none,
    stops, on a new cluster too. Empty: whatever state is there is used."""
    acknowledge_loss: StateId = Field("", examples=["5f1b7c1e-93a4-4f3b-9d55-0b7a4f0c2d11"])
    """Id of a state that is lost, or that is given up: a new one begins, once, with a first sync. Overrules
    id. Empty: a lost state stops every run."""
