"""The children of a resource but for its pods: RBAC, the worker's objects, state, CronJob, Job. Pure.

Bodies are dicts that the API server takes; nothing here knows whether they are there already.
"""

from __future__ import annotations

import json

from profile_image_sync import names
from profile_image_sync.api.schedule import effective
from profile_image_sync.api.state_header import MAX_SHARDS, StateHeader, encode_header
from profile_image_sync.controller.bodies import (
    REQUESTS_ANNOTATION,
    WORKER,
    Body,
    Tenant,
    new_object,
)
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.pod_template import job_spec

STARTING_DEADLINE_SECONDS = (
    300  # a slot missed by more is left out: no burst when a schedule resumes
)
KEPT_SECONDS = 24 * 3600  # how long a finished requested Job stays, for its logs


def rbac(tenant: Tenant) -> list[Body]:
    """Return who the worker is and the little it may do: named objects only, but for `create`."""
    name = names.child(tenant.name)
    account = new_object(tenant, "v1", "ServiceAccount", name, WORKER)
    role = new_object(tenant, "rbac.authorization.k8s.io/v1", "Role", name, WORKER)
    binding = new_object(tenant, "rbac.authorization.k8s.io/v1", "RoleBinding", name, WORKER)
    role["rules"] = _rules(tenant)
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": name, "namespace": tenant.namespace}]
    return [account, role, binding]


def _rules(tenant: Tenant) -> list[Body]:
    shards = [names.shard(tenant.name, index) for index in range(MAX_SHARDS)]
    maps = [names.state(tenant.name), names.report(tenant.name), *shards]
    token = names.token(tenant.spec.highq.credentials_secret_ref.name)
    update = ["get", "update"]
    return [
        _rule("", "configmaps", update, maps),
        _rule("", "configmaps", ["create"], []),  # RBAC cannot bound `create` by name: shards grow
        _rule("", "secrets", update, [names.people(tenant.name), token]),
        _rule("coordination.k8s.io", "leases", update, [names.child(tenant.name), token]),
    ]


def _rule(group: str, resource: str, verbs: list[str], resource_names: list[str]) -> Body:
    rule: Body = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return rule | ({"resourceNames": resource_names} if resource_names else {})


def worker_objects(tenant: Tenant) -> list[Body]:
    """Return what the worker writes to, empty: made once, then the worker's own."""
    lease = new_object(tenant, "coordination.k8s.io/v1", "Lease", names.child(tenant.name), WORKER)
    report = new_object(tenant, "v1", "ConfigMap", names.report(tenant.name), "report")
    people = new_object(tenant, "v1", "Secret", names.people(tenant.name), "report")
    return [lease, report, people, *_token_objects(tenant)]


def _token_objects(tenant: Tenant) -> list[Body]:
    """Tokens outlive the resource, like state, and belong to all resources that name the seed."""
    name = names.token(tenant.spec.highq.credentials_secret_ref.name)
    secret = new_object(tenant, "v1", "Secret", name, "token", owned=False)
    lease = new_object(tenant, "coordination.k8s.io/v1", "Lease", name, "token", owned=False)
    for body in (secret, lease):
        del body["metadata"]["labels"][names.SYNC_LABEL]
        del body["metadata"]["labels"]["app.kubernetes.io/instance"]
    return [secret, lease]


def state_header(tenant: Tenant, header: StateHeader) -> Body:
    """Return the ConfigMap that begins a state. Retained: it has no owner."""
    body = new_object(tenant, "v1", "ConfigMap", names.state(tenant.name), "state", owned=False)
    return body | {"data": {"header": encode_header(header).decode()}}


def cron_job(
    tenant: Tenant, state_id: str, settings: OperatorSettings, *, suspend: bool
) -> Body | None:
    """Return the CronJob of a resource with a schedule; None for one without."""
    spec = tenant.spec
    if not spec.schedule:
        return None
    body = new_object(tenant, "batch/v1", "CronJob", names.child(tenant.name), WORKER)
    job = job_spec(tenant, state_id, (), settings)
    body["spec"] = {
        "schedule": effective(spec.schedule, tenant.identity),
        "timeZone": spec.time_zone,
        "suspend": suspend,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTING_DEADLINE_SECONDS,
        "successfulJobsHistoryLimit": spec.job.successful_jobs_history_limit,
        "failedJobsHistoryLimit": spec.job.failed_jobs_history_limit,
        "jobTemplate": {"metadata": {"labels": names.labels(tenant.name, WORKER)}, "spec": job},
    }
    return body


def job(
    tenant: Tenant,
    state_id: str,
    requests: tuple[str, ...],
    settings: OperatorSettings,
    run_id: str,
) -> Body:
    """Return a Job for one run; its name carries the run's id, and it is never patched."""
    body = new_object(tenant, "batch/v1", "Job", names.child(tenant.name, run_id), WORKER)
    if requests:
        body["metadata"]["annotations"] = {REQUESTS_ANNOTATION: json.dumps(requests)}
    spec = job_spec(tenant, state_id, requests, settings)
    return body | {"spec": spec | {"ttlSecondsAfterFinished": KEPT_SECONDS}}
