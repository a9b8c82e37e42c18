"""The children of a resource but for its pods: RBAC, the worker's objects, state, CronJob, Job. Pure.

Bodies are dicts that the API server takes; nothing here knows whether they are there already.
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime

from profile_image_sync import names
from profile_image_sync.api.schedule import effective, next_run
from profile_image_sync.api.state_header import MAX_SHARDS, StateHeader, encode_header
from profile_image_sync.api.state_policy import DeletionPolicy
from profile_image_sync.controller.bodies import (
    GENERATION_ANNOTATION,
    REFERENCES_ANNOTATION,
    REQUESTS_ANNOTATION,
    TEMPLATE_ANNOTATION,
    TRIGGER_ANNOTATION,
    WORKER,
    Body,
    Tenant,
    digest,
    new_object,
)
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.pod_template import RunParameters, job_spec

# A slot missed by more is left out. Longer for rare runs: a control plane that is away for some minutes must
# not lose a month.
STARTING_DEADLINE_SECONDS = (300, 3600)
_ANY_DAY = datetime(2026, 1, 5, tzinfo=UTC)
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
    maps = [names.state(tenant.name), names.report(tenant.name), *_shards(tenant.name)]
    token = names.token(tenant.spec.highq.credentials_secret_ref.name)
    update = ["get", "update"]
    return [
        _rule("", "configmaps", update, maps),
        _rule("", "configmaps", ["create"], []),  # RBAC cannot bound `create` by name: shards grow
        _rule("", "secrets", update, [names.people(tenant.name), token]),
        _rule("coordination.k8s.io", "leases", update, [names.child(tenant.name), token]),
    ]


@functools.lru_cache(maxsize=8)  # a reconcile asks more than once
def _shards(tenant: str) -> list[str]:
    return [names.shard(tenant, index) for index in range(MAX_SHARDS)]


def _rule(group: str, resource: str, verbs: list[str], resource_names: list[str]) -> Body:
    rule: Body = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return rule | ({"resourceNames": resource_names} if resource_names else {})


def worker_objects(tenant: Tenant) -> list[Body]:
    """Return what the worker writes to, empty: made once, then the worker's own."""
    lease = new_object(tenant, "coordination.k8s.io/v1", "Lease", names.child(tenant.name), WORKER)
    report = new_object(tenant, "v1", "ConfigMap", names.report(tenant.name), "report")
    people = new_object(tenant, "v1", "Secret", names.people(tenant.name), "report")
    return [lease, report, people, *_token_objects(tenant)]


def secrets(tenant: Tenant) -> list[str]:
    """Return the names of the worker's Secrets."""
    return [names.people(tenant.name), names.token(tenant.spec.highq.credentials_secret_ref.name)]


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
    owned = state_is_owned(tenant)
    body = new_object(tenant, "v1", "ConfigMap", names.state(tenant.name), "state", owned=owned)
    return body | {"data": {names.HEADER_KEY: encode_header(header).decode()}}


def state_is_owned(tenant: Tenant) -> bool:
    """Tell whether the state goes with its resource."""
    return tenant.spec.state.deletion_policy is DeletionPolicy.DELETE


def cron_job(
    tenant: Tenant, state_id: str, settings: OperatorSettings, *, suspend: bool
) -> Body | None:
    """Return the CronJob of a resource with a schedule; None for one without."""
    spec = tenant.spec
    if not spec.schedule:
        return None
    body = new_object(tenant, "batch/v1", "CronJob", names.child(tenant.name), WORKER)
    template = {
        "metadata": {
            "labels": names.labels(tenant.name, WORKER),
            "annotations": _job_annotations(tenant, state_id, settings),
        },
        "spec": job_spec(tenant, RunParameters(state_id), settings),
    }
    body["spec"] = {
        "schedule": effective(spec.schedule, tenant.identity),
        "timeZone": spec.time_zone,
        "suspend": suspend,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _starting_deadline(spec.schedule, spec.time_zone),
        # at least one: a Job goes when its result is in status (see actions), and not before
        "successfulJobsHistoryLimit": max(1, spec.job.successful_jobs_history_limit),
        "failedJobsHistoryLimit": max(1, spec.job.failed_jobs_history_limit),
        "jobTemplate": template,
    }
    return body


def job(tenant: Tenant, run: RunParameters, run_id: str, settings: OperatorSettings) -> Body:
    """Return a Job for one run; its name carries the run's id, and it is never patched."""
    body = new_object(tenant, "batch/v1", "Job", names.child(tenant.name, run_id), WORKER)
    served = [{"source": each.source.value, "value": each.value} for each in run.requests]
    body["metadata"]["annotations"] = {
        **_job_annotations(tenant, run.state_id, settings),
        TRIGGER_ANNOTATION: run.trigger.value,
        REQUESTS_ANNOTATION: json.dumps(served),
        REFERENCES_ANNOTATION: run.references,
    }
    spec = job_spec(tenant, run, settings)
    return body | {"spec": spec | {"ttlSecondsAfterFinished": KEPT_SECONDS}}


def template_digest(tenant: Tenant, state_id: str, settings: OperatorSettings) -> str:
    """Return what changes when the pods of a run would be others."""
    return digest(job_spec(tenant, RunParameters(state_id), settings))


def _job_annotations(tenant: Tenant, state_id: str, settings: OperatorSettings) -> dict[str, str]:
    return {
        GENERATION_ANNOTATION: str(tenant.generation),
        TEMPLATE_ANNOTATION: template_digest(tenant, state_id, settings),
    }


@functools.cache
def _starting_deadline(schedule: str, zone: str) -> int:
    """Return a quarter of the time between two runs, within bounds; always the same for one schedule."""
    shortest, longest = STARTING_DEADLINE_SECONDS
    first = next_run(schedule, zone, _ANY_DAY, "")
    gap = next_run(schedule, zone, first, "") - first
    return min(max(int(gap.total_seconds()) // 4, shortest), longest)
