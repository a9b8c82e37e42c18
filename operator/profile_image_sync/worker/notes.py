"""Remarks of a run for people, in its report: what it did not do by itself, and what would change that. Pure.

Apart from `run`, so that every sentence that names a way on stands in one place, and can be read aloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profile_image_sync import names
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import StateHeader

POSITION_UNKNOWN = (
    "the domain controller does not tell how far its changes are, so every run reads everyone; let the "
    "account that spec.activeDirectory.credentialsSecretRef names read invocationId of the server's NTDS "
    "settings"
)


def first_sync_edited(header: StateHeader, now: FirstSync) -> str:
    """Say that an edit of `firstSync` came too late; "" if it was not edited."""
    done = header.first_sync
    if done is None or done.policy is now:
        return ""
    return (
        f"firstSync is {now} now, but the first sync was completed with {done.policy} on "
        f"{done.time:%Y-%m-%d}: that stays so, and the edit changes nothing"
    )


def pictures_replaced(first_uploads: Mapping[bool | None, int]) -> str:
    """Say before an Override how many pictures it replaces; "" if there is no first upload.

    Takes their numbers by whether HighQ shows a picture there; None: it does not say.
    """
    people, replaced = sum(first_uploads.values()), first_uploads.get(True, 0)
    if not people:
        return ""
    if people == first_uploads.get(None):
        return (
            f"{people} people get their first picture (firstSync: Override); HighQ's list of users does "
            "not say who of them has one already, which it replaces"
        )
    return (
        f"{people} people get their first picture (firstSync: Override); {replaced} of them have a "
        "picture in HighQ already, which it replaces"
    )


def attributes_edited(moved: int, change: str) -> str:
    """Say that pictures from another attribute were only recorded; "" if there are none."""
    if not moved:
        return ""
    return (
        f"imageAttributes changed: {moved} images that come from another attribute now are recorded as they "
        f'are; a run with safety.acknowledge: "{change}" uploads them instead (see dryRun)'
    )


def match_edited(led_elsewhere: int, change: str) -> str:
    """Say how people whom an edited `match` leads elsewhere are released; "" if there are none."""
    if not (led_elsewhere and change):
        return ""
    return (
        f"match changed: {led_elsewhere} people lead to another HighQ user than the one they were served on; "
        f'a run with safety.acknowledge: "{change}" serves them there (see dryRun)'
    )


def unknown_acknowledgements(ids: Sequence[str]) -> str:
    """Name the ids in `safety.acknowledge` that belong to nothing; "" if there are none."""
    if not ids:
        return ""
    return f"safety.acknowledge: no brake or edit of this state has the id {', '.join(ids)}"


def way_on(brake: str, run_spec: RunSpec, *, in_cluster: bool) -> str:
    """Return how a person lets a run through that this brake stopped."""
    field = f'set spec.safety.acknowledge: "{brake}"'
    if not in_cluster:
        return field
    return (
        f"{field}, or: kubectl annotate profileimagesync {run_spec.name} --namespace "
        f"{run_spec.namespace} --overwrite {names.ACKNOWLEDGE_ANNOTATION}={brake}"
    )
