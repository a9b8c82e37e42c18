"""A check in a pod like a run's: its ServiceAccount, mounts and network policies are where connections fail.

The Job is made from the run's own template. It bears neither our label nor an owner, so that the operator
takes it for no run, it holds no Lease, and it is deleted when it has spoken.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from profile_image_sync import names
from profile_image_sync.errors import PermanentError, TransientError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiForbidden
from profile_image_sync.kube.resources import Body, ObjectRef
from profile_image_sync.local.probe import CheckResult, CheckStatus

DEADLINE_SECONDS = 240.0  # for the pod to start and to speak
KEPT_SECONDS = 600  # should nobody delete the Job
POLL_SECONDS = 1.0
_OF_A_JOB = (
    "batch.kubernetes.io/",
    "controller-uid",
    "job-name",
)  # labels that Kubernetes sets anew
_RIGHTS = (
    "check --in-cluster needs the rights to get cronjobs, to create, list and delete jobs, to list pods, and "
    "to get pods/log"
)


class CheckNotAllowed(PermanentError):
    """The caller has not the rights that a Job needs."""


class NoRunYet(PermanentError):
    """There is neither a CronJob nor a Job of the resource to make a check from."""


class CheckUnheard(TransientError):
    """The pod of the check did not start, or said nothing that can be read."""


def check_in_cluster(
    client: ApiClient, namespace: str, name: str, *, use_token: bool, notice: Callable[[str], None]
) -> list[CheckResult]:
    """Run the checks in a pod and return what it says. Raises CheckNotAllowed, NoRunYet, CheckUnheard."""
    try:
        template = _run_template(client, namespace, name)
        with _job(client, job_of(template, namespace, use_token=use_token)) as job:
            notice(f"{job.description} checks from a pod like a run's, and is deleted afterwards.")
            pod = _finished_pod(client, job)
            return results_of(client.log(pod, follow=False))
    except ApiForbidden as error:
        raise CheckNotAllowed(f"{error}; {_RIGHTS}") from None


def job_of(template: Body, namespace: str, *, use_token: bool) -> Body:
    """Return the Job of a check, from the `spec` of a run's Job. Pure."""
    pod = copy.deepcopy(template["template"])
    labels = pod["metadata"].get("labels", {})
    pod["metadata"] = {
        "annotations": pod["metadata"].get("annotations") or {},
        "labels": {
            label: value
            for label, value in labels.items()
            if label != names.SYNC_LABEL and not label.startswith(_OF_A_JOB)
        },
    }
    arguments = ["check", "--output", "json", *(["--use-token"] if use_token else [])]
    pod["spec"]["containers"][0]["args"] = arguments
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "check-", "namespace": namespace},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(DEADLINE_SECONDS) + 60,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": pod,
        },
    }


def results_of(log: Iterator[str]) -> list[CheckResult]:
    """Read what the pod printed. Raises CheckUnheard."""
    text = "\n".join(log)
    try:
        return [
            CheckResult(each["name"], CheckStatus(each["status"]), each["text"])
            for each in json.loads(text[text.index("[\n") :])
        ]
    except (ValueError, KeyError, TypeError):
        last = text.strip().rpartition("\n")[2][:200]
        raise CheckUnheard(
            f"the pod of the check said nothing that can be read ({last or 'nothing at all'}): its image may "
            "be older than this command"
        ) from None


def _run_template(client: ApiClient, namespace: str, name: str) -> Body:
    """Return the `spec` of the resource's Jobs: its CronJob's, else its newest Job's."""
    cron_job = client.get(ObjectRef("CronJob", namespace, names.child(name)))
    if cron_job:
        spec: Body = cron_job["spec"]["jobTemplate"]["spec"]
        return spec
    jobs = client.list(ObjectRef("Job", namespace), f"{names.SYNC_LABEL}={name}")
    newest = max(jobs, key=lambda job: job["metadata"]["creationTimestamp"], default=None)
    if newest is None:
        raise NoRunYet(
            f"there is no CronJob and no Job of {names.KIND} {name} in namespace {namespace} to check "
            "like: see `kubectl describe` of it, or check from here with -f FILE"
        )
    found: Body = newest["spec"]
    return found


@contextmanager
def _job(client: ApiClient, body: Body) -> Iterator[ObjectRef]:
    job = ObjectRef.of(client.create(body))
    try:
        yield job
    finally:
        client.delete(job)


def _finished_pod(client: ApiClient, job: ObjectRef) -> ObjectRef:
    """Wait for the pod's end. Raises CheckUnheard with the reason for which it does not start."""
    until, why = time.monotonic() + DEADLINE_SECONDS, "no pod was made"
    while time.monotonic() < until:
        pods = client.list(
            ObjectRef("Pod", job.namespace), f"batch.kubernetes.io/job-name={job.name}"
        )
        for pod in pods:
            status = pod.get("status", {})
            if status.get("phase") in {"Succeeded", "Failed"}:
                return ObjectRef.of(pod)
            why = waiting_reason(status)
        time.sleep(POLL_SECONDS)
    raise CheckUnheard(
        f"the pod of {job.description} did not end within {DEADLINE_SECONDS:.0f} s: {why}"
    )


def waiting_reason(status: Body) -> str:
    """Tell what a pod waits for, in Kubernetes' own words. Pure."""
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".strip(": ")
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition.get('reason', '')}: {condition['message']}".strip(": ")
    return f"it is {status.get('phase', 'not known')}"
