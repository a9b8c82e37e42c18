"""Jobs and their pods, as the API server shows them, turned into data. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from profile_image_sync.api.status import RequestSource, Trigger
from profile_image_sync.controller.bodies import (
    GENERATION_ANNOTATION,
    REFERENCES_ANNOTATION,
    REQUESTS_ANNOTATION,
    TEMPLATE_ANNOTATION,
    TRIGGER_ANNOTATION,
    Body,
    annotations_of,
    controller_of,
)
from profile_image_sync.controller.evidence import evidence_of
from profile_image_sync.controller.snapshot import JobView, ServedRequest


def job_views(bodies: Iterable[Body], owners: set[str]) -> tuple[JobView, ...]:
    """Return the Jobs of these owners (the resource and its CronJob), with what their pods tell.

    Those of a former resource or CronJob of the same name are left out: they are being removed.
    """
    found = list(bodies)
    pods: dict[str, list[Body]] = {}
    for pod in (each for each in found if each["kind"] == "Pod"):
        owner = controller_of(pod)
        pods.setdefault(owner["uid"] if owner else "", []).append(pod)
    return tuple(
        _job(each, pods.get(each["metadata"]["uid"], []))
        for each in found
        if each["kind"] == "Job"
        and not each["metadata"].get("deletionTimestamp")
        and ((owner := controller_of(each)) is None or owner["uid"] in owners)
    )


def _job(body: Body, pods: list[Body]) -> JobView:
    meta, status, owner = body["metadata"], body.get("status", {}), controller_of(body)
    ends = [each for each in status.get("conditions", []) if each["status"] == "True"]
    failed = next((each for each in ends if each["type"] == "Failed"), None)
    ended = failed or next((each for each in ends if each["type"] == "Complete"), None)
    told, scheduled = annotations_of(body), owner is not None and owner["kind"] == "CronJob"
    generation = told.get(GENERATION_ANNOTATION, "")
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        finished=datetime.fromisoformat(ended["lastTransitionTime"]) if ended else None,
        failed=failed is not None,
        reason=failed.get("reason", "Failed") if failed else "",
        requests=_requests(told.get(REQUESTS_ANNOTATION, "[]")),
        scheduled=scheduled,
        trigger=_trigger(told, scheduled=scheduled),
        generation=int(generation) if generation.isdecimal() else None,
        template=told.get(TEMPLATE_ANNOTATION, ""),
        references=told.get(REFERENCES_ANNOTATION, ""),
        evidence=evidence_of(pods),
    )


def _trigger(told: dict[str, str], *, scheduled: bool) -> Trigger:
    """Read why a Job was started; of one of the first version, or made by hand, guess it."""
    written = told.get(TRIGGER_ANNOTATION, "")
    if written in [*Trigger]:
        return Trigger(written)
    if scheduled:
        return Trigger.SCHEDULE
    return Trigger.REQUEST if REQUESTS_ANNOTATION in told else Trigger.FIRST_RUN


def _requests(text: str) -> tuple[ServedRequest, ...]:
    """Read the requests that a Job serves; the first version wrote their values only."""
    try:
        return tuple(_request(each) for each in json.loads(text))
    except (ValueError, TypeError, KeyError):
        return ()  # edited by hand


def _request(written: object) -> ServedRequest:
    if isinstance(written, dict):
        return ServedRequest(RequestSource(written["source"]), str(written["value"]))
    return ServedRequest(None, str(written))
