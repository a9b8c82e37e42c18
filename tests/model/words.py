"""What the words and ids of the product mean to the reference model."""

from __future__ import annotations

from collections import Counter
from functools import cache
from uuid import UUID

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.state_header import Sweep, new_header
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.plan import settings_fingerprint

ACTIONS = {  # what the report counts
    "Upload": "uploaded",
    "Upload replacing": "uploaded",
    "Adopt": "adopted",
    "Record": "unchanged",
    "Unchanged": "unchanged",
    "NoImage": "no_image",
    "Removed": "no_image",
    "Refused": "refused",
    "Unmatched": "unmatched",
    "Ambiguous": "ambiguous",
}


def cause_of(cause: str) -> str:
    """Return the model's word for the cause of a brake."""
    words = {"TooFewPeople": "people", "TooFewMatched": "matched", "TooManyChanges": "changed"}
    return words.get(cause) or cause.replace("TooFewImages/", "image ")


def counted(sweep: Sweep) -> Counter[str]:
    """Return a sweep as the model counts it."""
    counts = Counter(people=sweep.people, matched=sweep.matched)
    counts["with image"] = sweep.with_image
    counts.update({f"image {name.lower()}": count for name, count in sweep.images.items()})
    return counts


FINGERPRINTS: dict[bytes, tuple[object, ...]] = {
    settings_fingerprint(ImageSettings(min_source_size=smallest), endpoint): (
        (smallest, endpoint) if endpoint else (smallest,)
    )
    for smallest in (48, 96)
    for endpoint in (None, *Endpoint)
}


@cache
def changes_of(state: UUID) -> dict[str, str]:
    """Return what the ids of edits mean, of a state: "attributes 2"."""
    changes = {}
    for version in range(2, 60):
        update = {"image_attributes_version": version, "match_version": version}
        ids = Acknowledgements(new_header(state).model_copy(update=update), ())
        changes[ids.attributes_change] = f"attributes {version}"
        changes[ids.match_change] = f"match {version}"
    return changes
