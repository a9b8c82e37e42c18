"""Read, change, write; and again when somebody else wrote in between. The only conflict loop of a write.

Labels and annotations of our objects are touched by GitOps and backup tools at any moment; a write must
neither fail for that, nor overwrite what they did.
"""

from __future__ import annotations

from collections.abc import Callable

from profile_image_sync.kube.client import ApiClient, RetryPolicy
from profile_image_sync.kube.errors import ApiConflict
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef

TRIES = 5


def read(
    client: ApiClient, ref: ObjectRef, *, retry: RetryPolicy | None = None
) -> DataObject | None:
    """Return a ConfigMap or a Secret; None: there is none."""
    body = client.get(ref, retry=retry)
    return DataObject.from_body(body) if body else None


def update_on_conflict(
    client: ApiClient,
    ref: ObjectRef,
    change: Callable[[DataObject | None], DataObject],
    *,
    cached: DataObject | None = None,
    dry_run: bool = False,
    retry: RetryPolicy | None = None,
) -> DataObject:
    """Write what `change` makes of the object as it is now; return it as stored.

    `change` gets None when there is no object (what it returns is then made anew), is called again after
    a conflict, and returns the very object it got to leave things as they are (a dry run asks all the
    same). `cached`: the version to begin with, unread. Raises ApiError, and what `change` raises.
    """
    current = cached or read(client, ref, retry=retry)
    for _ in range(TRIES):
        wanted = change(current)
        if wanted is current and not dry_run:
            return wanted
        try:
            return _put(client, wanted, dry_run=dry_run, retry=retry)
        except ApiConflict:
            current = read(client, ref, retry=retry)
    raise ApiConflict(f"{ref.description} is being written again and again: see who does")


def _put(
    client: ApiClient, wanted: DataObject, *, dry_run: bool, retry: RetryPolicy | None
) -> DataObject:
    """Replace the object that was read, or make it if none was. Raises ApiConflict."""
    if "resourceVersion" in wanted.metadata:
        return DataObject.from_body(client.replace(wanted.body(), dry_run=dry_run, retry=retry))
    return DataObject.from_body(client.create(wanted.body()))
