"""One run in a pod: reads the run spec, holds the Lease, runs, and tells how it ended.

It tells it three times: in the report, which the next run overwrites; in the pod's termination message, which
stays with the Job and needs no right; and by the exit code, for Kubernetes.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from profile_image_sync import logs, names
from profile_image_sync.api import termination_message
from profile_image_sync.api.report import Report
from profile_image_sync.api.run_spec import JOB_NAME_VARIABLE, MOUNTS, RunSpec
from profile_image_sync.api.state_policy import DeletionPolicy
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.errors import (
    EXIT_FINISHED,
    Busy,
    Interrupted,
    StateUnavailable,
    SyncError,
)
from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.pod.environment import PodEnvironment
from profile_image_sync.pod.mounted_references import MountedReferences
from profile_image_sync.pod.reports import ReportWriter
from profile_image_sync.pod.secret_token_store import SecretTokenStore
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.reporter import RunOutput
from profile_image_sync.worker.run import RunContext, execute, failed_before_start

FIELD_MANAGER = f"{names.PRODUCT}-worker"
PROGRESS_SECONDS = 30.0  # between two log lines
MARGIN_SECONDS = (
    120.0  # before the Job's deadline: to end, and for the pod's start, which it includes
)

log = structlog.get_logger()


def work(environment: Mapping[str, str], mounts: Path | None, termination: Path | None) -> int:
    """Do the run that the environment specifies; return the exit code.

    Raises SyncError before there is a report to write to. `mounts`: the folder of the Secrets and
    ConfigMaps, and `termination`: the file for the termination message, if not where Kubernetes has them.
    """
    logs.configure(json=True)
    path = termination or Path(termination_message.PATH)
    try:
        pod = PodEnvironment.read(environment)
        resource = f"{pod.run_spec.namespace}/{pod.run_spec.name}"
        logs.configure(json=True, resource=resource, run=pod.run_id, job=pod.job)
        stop = stop_on_signals()
        with ApiClient.connect(environment, field_manager=FIELD_MANAGER, retry=PATIENT) as client:
            report = _run(pod, client, mounts or Path(MOUNTS), stop)
    except SyncError as error:
        job = environment.get(JOB_NAME_VARIABLE, "")
        run = Run(id=job or "unknown", outcome=Outcome.FAILED, job=job or None)
        leave(
            Report(run=run, exit_code=error.exit_code, reason=error.reason, message=str(error)),
            path,
        )
        raise
    leave(report, path)
    return report.exit_code


def leave(report: Report, path: Path) -> None:
    """Write the termination message into the file that Kubernetes has made; elsewhere there is none."""
    try:
        if path.exists():
            path.write_text(termination_message.encode(report))
    except OSError as error:
        log.warning("no termination message", problem=error.strerror)


def _run(pod: PodEnvironment, client: ApiClient, mounts: Path, stop: threading.Event) -> Report:
    """Run under the Lease; return how it ended, also where no report could be written."""
    run_spec, config = (
        pod.run_spec,
        LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic),
    )
    namespace, resource = run_spec.namespace, run_spec.name

    def new_lease(name: str) -> Lease:
        return Lease(client, namespace=namespace, name=name, holder=pod.job_uid, config=config)

    lease = new_lease(names.child(resource))
    reports = ReportWriter(client, namespace=namespace, resource=resource)
    seed = run_spec.spec.highq.credentials_secret_ref.name
    context = RunContext(
        run_id=pod.run_id,
        job=pod.job,
        store=ConfigMapStore(
            client,
            namespace=namespace,
            resource=resource,
            state_id=run_spec.state_id,
            lease=lease,
            owner_uid=_owner_uid(run_spec),
        ),
        tokens=SecretTokenStore(
            client, namespace=namespace, seed=seed, lease=new_lease(names.token(seed)), stop=stop
        ),
        references=MountedReferences(mounts),
        now=config.now,
        clock=config.clock,
        new_id=lambda: secrets.token_hex(4),
        stop=stop,
        progress=_progress(config.clock),
        former_lists=reports.former_lists,
        publish=lambda report: reports.write_interim(report) if lease.ours else None,
    )
    try:
        with lease.held(stop, on_lost=stop.set):
            started = _started(pod, reports.earlier()) or config.now()
            remaining = _remaining_seconds(run_spec, config.now() - started)
            context = replace(context, started=started, deadline=config.clock() + remaining)
            result = _checked_run(run_spec, context)
            if is_still_ours(lease):
                reports.write(result)
    except (Busy, Interrupted) as error:  # no report: it would hide that of the run at work
        log.info("stepped back", reason=error.reason, detail=str(error))
        report = failed_before_start(run_spec, context, error).report
        busy = isinstance(error, Busy)  # no failure: the other run does the work
        return report.model_copy(update={"exit_code": EXIT_FINISHED}) if busy else report
    except SyncError as error:
        result = failed_before_start(run_spec, context, error)
        reports.write(result)
    log_result(result.report)
    return result.report


def _owner_uid(run_spec: RunSpec) -> str:
    deleted = run_spec.spec.state.deletion_policy is DeletionPolicy.DELETE
    return run_spec.uid if deleted else ""


def _started(pod: PodEnvironment, earlier: Report | None) -> datetime | None:
    """Return when an earlier pod of the same Job started: it is one run, with one deadline."""
    return earlier.run.start_time if earlier and earlier.run.job == pod.job else None


def _remaining_seconds(run_spec: RunSpec, passed: timedelta) -> float:
    """Return the time until the run had better end by itself, because the Job's deadline comes."""
    allowed = float(run_spec.spec.job.active_deadline_seconds)
    return allowed - min(MARGIN_SECONDS, allowed / 10) - passed.total_seconds()


def _checked_run(run_spec: RunSpec, context: RunContext) -> RunOutput:
    """Hold the spec against the installation's hosts, as the operator did, then run."""
    try:
        run_spec.allow.check(run_spec.spec)
    except SyncError as error:
        return failed_before_start(run_spec, context, error)
    return execute(run_spec, context)


def is_still_ours(lease: Lease) -> bool:
    """Ask who holds the Lease: once another run is at work, only its report counts."""
    try:
        lease.confirm()
    except StateUnavailable as error:
        log.warning("no report is written", problem=str(error))
        return False
    return True


def log_result(report: Report) -> None:
    """Log why a run ended early."""
    if report.exit_code:
        log.error("ended early", reason=report.reason, detail=report.message)


def _progress(clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Log how far the run is, now and then."""
    last = clock()

    def report_progress(done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= PROGRESS_SECONDS:
            last = clock()
            log.info("under way", people=done, of=total)

    return report_progress
