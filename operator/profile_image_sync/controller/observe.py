"""Reads one resource and its children, and turns what it reads into data. Writes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from pydantic import ValidationError

from profile_image_sync import names
from profile_image_sync.api.referenced_keys import referenced_keys
from profile_image_sync.api.report import Report
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.state_header import StateHeader, decode_header
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.api.validation import validated
from profile_image_sync.controller.bodies import REQUESTS_ANNOTATION, Body, Tenant
from profile_image_sync.controller.snapshot import Blocker, JobView, Observed
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.resources import ObjectRef

REQUEST_LENGTH = 128  # characters of the annotation that count; spec.runRequest has no more


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A resource as it stands, and the live objects of its children by kind and name."""

    observed: Observed
    live: dict[tuple[str, str], Body]


class Ownership(Enum):
    """Who an object of a child's name belongs to."""

    OURS = auto()
    FORMER = auto()  # a former resource of this name; the garbage collector is about to take it
    FOREIGN = auto()


def read(client: ApiClient, body: Body) -> Snapshot:
    """Read everything about this resource.

    Raises InvalidSpec for what only we can tell (a time zone that does not exist), ApiError.
    """
    tenant = Tenant.of(validated(ProfileImageSync, _judged(body)), body["metadata"]["uid"])
    jobs = _jobs(client, tenant)  # before the report: a Job that has ended has written its own
    found = _children(client, tenant)
    ownership = {at: _ownership(each, tenant) for at, each in found.items()}
    live = {at: each for at, each in found.items() if ownership[at] is Ownership.OURS}
    header, unreadable = _header(live.get(("ConfigMap", names.state(tenant.name))))
    shards = [] if header or unreadable else _shards(client, tenant)
    terminating = [names.state(tenant.name)] if Ownership.FORMER in shards else []
    terminating += [
        f"{kind} {name}" for (kind, name), it in ownership.items() if it is Ownership.FORMER
    ]
    annotation: str = _annotations(body).get(names.RUN_REQUEST_ANNOTATION, "")
    observed = Observed(
        tenant=tenant,
        annotation=annotation[:REQUEST_LENGTH],
        status=read_status(body),
        header=header,
        unreadable=unreadable,
        shards=len(shards),
        report=_report(live.get(("ConfigMap", names.report(tenant.name)))),
        jobs=_ours(jobs, live.get(("CronJob", names.child(tenant.name))), tenant),
        references=_references(client, tenant),
        foreign=tuple(f"{k} {n}" for (k, n), it in ownership.items() if it is Ownership.FOREIGN),
        terminating=tuple(terminating),
    )
    return Snapshot(observed, live)


def _judged(body: Body) -> Body:
    """Leave out what is not ours to judge."""
    return {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}


def _annotations(body: Body) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("annotations") or {}
    return found


def read_status(body: Body) -> ProfileImageSyncStatus:
    """Read what was written before; another version's may hold what we do not know."""
    status = dict(body.get("status", {}))
    if "hold" in status:  # its name in the first delivery
        status.setdefault("pause", status.pop("hold"))
    try:
        return ProfileImageSyncStatus.model_validate(status)
    except ValidationError:
        state, request = status.get("state", {}).get("id"), status.get("lastHandledRunRequest")
        known = {"state": {"id": state}} if state else {}
        return ProfileImageSyncStatus.model_validate(known | {"lastHandledRunRequest": request})


def _children(client: ApiClient, tenant: Tenant) -> dict[tuple[str, str], Body]:
    name = names.child(tenant.name)
    token = names.token(tenant.spec.highq.credentials_secret_ref.name)
    wanted = [
        ("ServiceAccount", name),
        ("Role", name),
        ("RoleBinding", name),
        ("CronJob", name),
        ("Lease", name),
        ("Lease", token),
        ("ConfigMap", names.report(tenant.name)),
        ("ConfigMap", names.state(tenant.name)),
        ("Secret", names.people(tenant.name)),
        ("Secret", token),
    ]
    found = {at: _get(client, ObjectRef(at[0], tenant.namespace, at[1])) for at in wanted}
    return {at: each for at, each in found.items() if each}


def _get(client: ApiClient, ref: ObjectRef) -> Body | None:
    """Read an object; of a Secret only its metadata."""
    return client.get_metadata(ref) if ref.kind == "Secret" else client.get(ref)


def _owner(body: Body) -> Body | None:
    """Return the controller of an object."""
    owners: list[Body] = body["metadata"].get("ownerReferences", [])
    return next((each for each in owners if each.get("controller")), None)


def _ownership(body: Body, tenant: Tenant) -> Ownership:
    owner = _owner(body)
    if owner is None:  # what is retained
        labels = body["metadata"].get("labels", {})
        ours = labels.get(names.MANAGED_BY_LABEL) == names.PRODUCT
        return Ownership.OURS if ours else Ownership.FOREIGN
    if owner["uid"] == tenant.uid:
        return Ownership.OURS
    former = (owner["kind"], owner["name"]) == (names.KIND, tenant.name)
    return Ownership.FORMER if former else Ownership.FOREIGN


def _shards(client: ApiClient, tenant: Tenant) -> list[Ownership]:
    """Return whose the shards are of a state that has no header."""
    states = ObjectRef("ConfigMap", tenant.namespace)
    found = client.list(states, state_labels(tenant.name), metadata_only=True)
    return [_ownership(each, tenant) for each in found]


def state_labels(resource: str) -> str:
    """Return the selector of all ConfigMaps of a resource's state."""
    return f"{names.SYNC_LABEL}={resource},{names.COMPONENT_LABEL}=state"


def _jobs(client: ApiClient, tenant: Tenant) -> list[Body]:
    labels = f"{names.SYNC_LABEL}={tenant.name}"
    return list(client.list(ObjectRef("Job", tenant.namespace), labels))


def _ours(jobs: list[Body], schedule: Body | None, tenant: Tenant) -> tuple[JobView, ...]:
    """Leave out the Jobs of a former resource or CronJob of this name: they are being removed."""
    owners = {tenant.uid, schedule["metadata"]["uid"] if schedule else tenant.uid}
    return tuple(
        _job(each)
        for each in jobs
        if not each["metadata"].get("deletionTimestamp")
        and ((owner := _owner(each)) is None or owner["uid"] in owners)
    )


def _job(body: Body) -> JobView:
    meta, status, owner = body["metadata"], body.get("status", {}), _owner(body)
    ends = [each for each in status.get("conditions", []) if each["status"] == "True"]
    failed = next((each for each in ends if each["type"] == "Failed"), None)
    ended = failed or next((each for each in ends if each["type"] == "Complete"), None)
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        finished=datetime.fromisoformat(ended["lastTransitionTime"]) if ended else None,
        failed=failed is not None,
        reason=failed.get("reason", "Failed") if failed else "",
        message=failed.get("message", "") if failed else "",
        requests=_requests(body),
        scheduled=owner is not None and owner["kind"] == "CronJob",
    )


def _requests(body: Body) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(_annotations(body).get(REQUESTS_ANNOTATION, "[]"))))
    except (ValueError, TypeError):
        return ()  # edited by hand


def _header(body: Body | None) -> tuple[StateHeader | None, Blocker | None]:
    """Return the state's header, or why it cannot be read."""
    if body is None:
        return None, None
    where = f"ConfigMap {body['metadata']['name']}"
    try:
        return decode_header(body.get("data", {}).get(names.HEADER_KEY, "").encode(), where), None
    except PermanentError as error:
        return None, Blocker(error.reason, str(error))


def _report(body: Body | None) -> Report | None:
    text = (body or {}).get("data", {}).get(names.REPORT_KEY)
    try:
        return Report.model_validate_json(text) if text else None
    except ValidationError:
        return None  # of another version: the next run writes a new one


def _references(client: ApiClient, tenant: Tenant) -> str:
    """Digest the versions of what the spec names, so that a mended Secret is noticed, not read."""
    digest = hashlib.sha256()
    for kind, name in dict.fromkeys(
        (each.kind, each.name) for each in referenced_keys(tenant.spec)
    ):
        found = client.get_metadata(ObjectRef(kind, tenant.namespace, name))
        version = found["metadata"]["resourceVersion"] if found else "absent"
        digest.update(f"{kind} {name} {version}\n".encode())
    return digest.hexdigest()[:16]
