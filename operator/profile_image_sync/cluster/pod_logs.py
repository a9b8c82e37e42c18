"""Finds the pod of a run, and reads its log."""

from __future__ import annotations

import time
from collections.abc import Iterator

from profile_image_sync import names
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.resources import Body, ObjectRef

POLL_SECONDS = 1.0
_JOB_LABEL = "batch.kubernetes.io/job-name"


class NoPod(PermanentError):
    """There is no pod of that run."""


def newest_pod(client: ApiClient, namespace: str, name: str, run: str | None) -> ObjectRef:
    """Return the newest pod of a resource, or of one of its runs. Raises NoPod."""
    labels = f"{names.SYNC_LABEL}={name},{names.COMPONENT_LABEL}=worker"
    if run:
        labels += f",{_JOB_LABEL}={names.child(name, names.run_id(name, run))}"
    pods = list(client.list(ObjectRef("Pod", namespace), labels, metadata_only=True))
    if not pods:
        what = f"run {run} of {name}" if run else f"a run of {name}"
        raise NoPod(
            f"there is no pod of {what} in namespace {namespace}: pods go with their Jobs (see "
            f"spec.job.successfulJobsHistoryLimit); `{names.PRODUCT} status` tells how the runs ended"
        )
    return ObjectRef.of(max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])))


def log_lines(client: ApiClient, pod: ObjectRef, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a pod's log; `follow`: from when its container starts until it ends."""
    while follow and _is_starting(client.get(pod)):
        time.sleep(POLL_SECONDS)
    yield from client.log(pod, follow=follow)


def _is_starting(pod: Body | None) -> bool:
    return pod is not None and pod.get("status", {}).get("phase") == "Pending"
