"""Asks for a run by the annotation, and waits until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from profile_image_sync import names
from profile_image_sync.cluster.resources import SyncResource, annotate, read_one
from profile_image_sync.cluster.run_progress import FollowedRequest, follow
from profile_image_sync.errors import TransientError
from profile_image_sync.kube.client import ApiClient

POLL_SECONDS = 1.0


class NotDoneYet(TransientError):
    """The run has not ended within the time that the caller gave it."""


def request_run(client: ApiClient, resource: SyncResource, now: datetime) -> str:
    """Ask for a run; return the value of the request, which no other one has."""
    value = f"{now:%Y-%m-%dT%H:%M:%SZ}-{uuid4().hex[:6]}"
    annotate(client, resource, names.RUN_REQUEST_ANNOTATION, value)
    return value


def wait_until_done(
    client: ApiClient,
    resource: SyncResource,
    value: str,
    *,
    told: Callable[[str], None],
    now: Callable[[], datetime],
    seconds: float | None,
) -> FollowedRequest:
    """Follow the request; `told` gets each new word of progress. Raises NotDoneYet after `seconds`."""
    began, before = time.monotonic(), ""
    while True:
        found = follow(read_one(client, resource.namespace, resource.name), value, now())
        if found.progress != before:
            told(found.progress)
            before = found.progress
        if found.done:
            return found
        if seconds is not None and time.monotonic() - began > seconds:
            raise NotDoneYet(
                f"the run has not ended within {seconds:g} s: it goes on; see `{names.PRODUCT} status`"
            )
        time.sleep(POLL_SECONDS)
