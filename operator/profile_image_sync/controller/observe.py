"""Reads one resource and its children, and turns what it reads into data. Writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from profile_image_sync import names
from profile_image_sync.api.report import Report
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.state import StateHeader, decode_header
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.api.validation import validated
from profile_image_sync.controller.bodies import REQUESTS_ANNOTATION, Body, Tenant
from profile_image_sync.controller.cluster import Cluster, ClusterError
from profile_image_sync.controller.observed import JobView, Observed
from profile_image_sync.controller.pods import referenced_keys

REPORT_KEY = "report.json"
HEADER_KEY = "header"


@dataclass(frozen=True, slots=True)
class Scene:
    """A resource as it stands, and the live objects of its children by kind and name."""

    observed: Observed
    live: dict[tuple[str, str], Body]


def look(cluster: Cluster, body: Body) -> Scene:
    """Read everything about this resource.

    Raises InvalidSpec for what only we can tell (a time zone that does not exist), StateDamaged or
    StateMismatch for a header that cannot be read, ClusterError.
    """
    resource = validated(ProfileImageSync, _paper(body))
    tenant = Tenant.of(resource, body["metadata"]["uid"])
    jobs = _jobs(cluster, tenant)  # before the report: a Job that has ended has written its own
    live = _children(cluster, tenant)
    _require_that_the_former_are_gone(live, tenant)
    report = live.get(("ConfigMap", names.report(tenant.name)))
    state = live.get(("ConfigMap", names.state(tenant.name)))
    observed = Observed(
        tenant=tenant,
        annotation=body["metadata"].get("annotations", {}).get(names.RUN_REQUEST_ANNOTATION, ""),
        status=read_status(body),
        header=_header(state, tenant),
        report=_report(report),
        jobs=jobs,
        references=_references(cluster, tenant),
        strangers=tuple(
            f"{kind} {name}" for (kind, name), each in live.items() if _strange(each, tenant)
        ),
    )
    return Scene(observed, live)


def _paper(body: Body) -> Body:
    """Leave out what is not ours to judge."""
    return {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}


def read_status(body: Body) -> ProfileImageSyncStatus:
    """Read what was written before; an older version's may hold what we do not know."""
    try:
        return ProfileImageSyncStatus.model_validate(body.get("status", {}))
    except ValidationError:
        known = {
            name: body["status"][name]
            for name in ("state", "lastHandledRunRequest")
            if name in body["status"]
        }
        return ProfileImageSyncStatus.model_validate(known)


def _children(cluster: Cluster, tenant: Tenant) -> dict[tuple[str, str], Body]:
    name, token = (
        names.child(tenant.name),
        names.token(tenant.spec.highq.credentials_secret_ref.name),
    )
    wanted: list[tuple[str, str, str]] = [
        ("v1", "ServiceAccount", name),
        ("rbac.authorization.k8s.io/v1", "Role", name),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", name),
        ("batch/v1", "CronJob", name),
        ("coordination.k8s.io/v1", "Lease", name),
        ("coordination.k8s.io/v1", "Lease", token),
        ("v1", "ConfigMap", names.report(tenant.name)),
        ("v1", "ConfigMap", names.state(tenant.name)),
        ("v1", "Secret", names.people(tenant.name)),
        ("v1", "Secret", token),
    ]
    found = {
        (kind, n): cluster.get(version, kind, tenant.namespace, n) for version, kind, n in wanted
    }
    return {at: each for at, each in found.items() if each}


def _require_that_the_former_are_gone(live: dict[tuple[str, str], Body], tenant: Tenant) -> None:
    """Have us called again while children of a deleted resource of this name are being collected."""
    for (kind, name), body in live.items():
        for ref in body["metadata"].get("ownerReferences", []):
            if (ref["kind"], ref["name"]) == (names.KIND, tenant.name) and ref["uid"] != tenant.uid:
                raise ClusterError(
                    f"{kind} {name} of the former resource of this name is not gone yet"
                )


def _strange(body: Body, tenant: Tenant) -> bool:
    """Tell whether an object of a child's name is not ours: another owner, or not our label."""
    meta = body["metadata"]
    owners = [ref["uid"] for ref in meta.get("ownerReferences", []) if ref.get("controller")]
    if owners:
        return owners != [tenant.uid]
    return bool(meta.get("labels", {}).get(names.MANAGED_BY_LABEL) != names.PRODUCT)


def _jobs(cluster: Cluster, tenant: Tenant) -> tuple[JobView, ...]:
    label = f"{names.SYNC_LABEL}={tenant.name}"
    found = cluster.select("batch/v1", "Job", tenant.namespace, label)
    return tuple(_job(each) for each in found if not each["metadata"].get("deletionTimestamp"))


def _job(body: Body) -> JobView:
    meta, status = body["metadata"], body.get("status", {})
    ends = [each for each in status.get("conditions", []) if each["status"] == "True"]
    failed = next((each for each in ends if each["type"] == "Failed"), None)
    ended = failed or next((each for each in ends if each["type"] == "Complete"), None)
    requests: str = meta.get("annotations", {}).get(REQUESTS_ANNOTATION, "")
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        finished=datetime.fromisoformat(ended["lastTransitionTime"]) if ended else None,
        failed=failed is not None,
        reason=failed.get("reason", "Failed") if failed else "",
        message=failed.get("message", "") if failed else "",
        requests=tuple(requests.split("\n")) if requests else (),
    )


def _header(body: Body | None, tenant: Tenant) -> StateHeader | None:
    if body is None or _strange(body, tenant):
        return None
    where = f"ConfigMap {body['metadata']['name']}"
    return decode_header(body.get("data", {}).get(HEADER_KEY, "").encode(), where)


def _report(body: Body | None) -> Report | None:
    text = (body or {}).get("data", {}).get(REPORT_KEY)
    try:
        return Report.model_validate_json(text) if text else None
    except ValidationError:
        return None  # of another version: the next run writes a new one


def _references(cluster: Cluster, tenant: Tenant) -> str:
    """Digest the versions of what the spec names, so that a mended Secret is noticed, not read."""
    digest = hashlib.sha256()
    at = dict.fromkeys((kind, name) for kind, name, _ in referenced_keys(tenant.spec))
    for kind, name in at:
        found: Any = cluster.get("v1", kind, tenant.namespace, name)
        version = found["metadata"]["resourceVersion"] if found else "absent"
        digest.update(f"{kind} {name} {version}\n".encode())
    return digest.hexdigest()[:16]
