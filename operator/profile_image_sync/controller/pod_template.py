"""What a run's pod is: the template that CronJobs and Jobs carry. Pure.

Restricted Pod Security, read-only root, only the named keys of the named Secrets; the run spec travels in
the template, so that the worker never reads the live resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from profile_image_sync import names
from profile_image_sync.api import run_spec
from profile_image_sync.api.referenced_keys import referenced_keys
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.status import RunRequest, Trigger
from profile_image_sync.controller.bodies import WORKER, Body, Tenant
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.errors import EXIT_BUSY, EXIT_PERMANENT

USER = 65532  # numeric, so that the kubelet can tell it is not root; nonroot of distroless images
GRACE_SECONDS = 90  # on SIGTERM: uploads under way end, what HighQ accepted is recorded


@dataclass(frozen=True, slots=True)
class RunParameters:
    """What differs between the runs of one resource."""

    state_id: str
    trigger: Trigger = Trigger.SCHEDULE
    requests: tuple[RunRequest, ...] = ()  # that it serves
    references: str = ""  # fingerprint of what the spec names, for the Job alone


def job_spec(tenant: Tenant, run: RunParameters, settings: OperatorSettings) -> Body:
    """Return what is common to the Jobs of the schedule and of requests."""
    return {
        "backoffLimit": tenant.spec.job.backoff_limit,
        "activeDeadlineSeconds": tenant.spec.job.active_deadline_seconds,
        "podReplacementPolicy": "Failed",  # never two pods of one run
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": {
            "metadata": {
                "labels": {**settings.pod_labels, **names.labels(tenant.name, WORKER)},
                "annotations": settings.pod_annotations,
            },
            "spec": _pod(tenant, run, settings),
        },
    }


def _failure_rules() -> list[Body]:
    """Start no other pod where it would end alike: a person must act, or another run is at work."""
    final = {"containerName": WORKER, "operator": "In", "values": [EXIT_BUSY, EXIT_PERMANENT]}
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "FailJob", "onExitCodes": final},
        {"action": "Ignore", "onPodConditions": [disrupted]},
    ]


def _pod(tenant: Tenant, run: RunParameters, settings: OperatorSettings) -> Body:
    chosen = tenant.spec.job
    optional: Body = {
        "priorityClassName": settings.priority_class_name,
        "affinity": settings.affinity,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "nodeSelector": dict(chosen.node_selector),
        "tolerations": [
            toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
            for toleration in chosen.tolerations
        ],
    }
    return {
        "restartPolicy": "Never",
        # else each Service of the namespace adds variables, and one called as ours is replaces it
        "enableServiceLinks": False,
        "serviceAccountName": names.child(tenant.name),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(tenant, run, settings)],
        "volumes": [
            {"name": "references", "projected": _references(tenant.spec)},
            *settings.volumes,
        ],
    } | {key: value for key, value in optional.items() if value}


def _container(tenant: Tenant, run: RunParameters, settings: OperatorSettings) -> Body:
    run_spec_model = run_spec.RunSpec(
        namespace=tenant.namespace,
        name=tenant.name,
        generation=tenant.generation,
        uid=tenant.uid,
        trigger=run.trigger,
        requests=tuple(dict.fromkeys(request.value for request in run.requests)),
        state_id=UUID(run.state_id),
        spec=tenant.spec,
        allow=settings.allow,
    )
    return {
        "name": WORKER,
        "image": settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "args": ["worker"],
        "env": [
            _variable(
                run_spec.RUN_SPEC_VARIABLE,
                run_spec_model.model_dump_json(by_alias=True, exclude_none=True),
            ),
            _label_variable(run_spec.JOB_UID_VARIABLE, "batch.kubernetes.io/controller-uid"),
            _label_variable(run_spec.JOB_NAME_VARIABLE, "batch.kubernetes.io/job-name"),
            *(_variable(name, value) for name, value in sorted(settings.env.items())),
        ],
        "resources": tenant.spec.job.resources.model_dump(mode="json", by_alias=True),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "references", "mountPath": run_spec.MOUNTS, "readOnly": True},
            *settings.volume_mounts,
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _variable(name: str, value: str) -> Body:
    """Escape what Kubernetes would expand: `$(X)` is a reference, and `$$` one dollar."""
    return {"name": name, "value": value.replace("$", "$$")}


def _label_variable(name: str, label: str) -> Body:
    path = f"metadata.labels['{label}']"
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _references(spec: ProfileImageSyncSpec) -> Body:
    """Mount only the named keys of the named objects; the worker itself says which is missing."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for needed in referenced_keys(spec):
        wanted.setdefault((needed.kind, needed.name), []).append(needed.key)
    return {"defaultMode": 0o440, "sources": [_source(*at, keys) for at, keys in wanted.items()]}


def _source(kind: str, name: str, keys: list[str]) -> Body:
    word, folder = ("secret", "secrets") if kind == "Secret" else ("configMap", "configmaps")
    items = [{"key": key, "path": f"{folder}/{name}/{key}"} for key in dict.fromkeys(keys)]
    return {word: {"name": name, "items": items, "optional": True}}
