"""One run in a pod: reads the run spec, holds the Lease, runs, leaves the report, ends with the exit code."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import structlog
from pydantic import ValidationError

from profile_image_sync import logs, names
from profile_image_sync.api.run_spec import JOB_VARIABLE, MOUNTS, VARIABLE, RunSpec
from profile_image_sync.errors import Busy, Interrupted, InvalidSpec, StateUnavailable, SyncError
from profile_image_sync.pod.client import Cluster
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.pod.lease import Lease, LeaseConfig
from profile_image_sync.pod.mounted_references import MountedReferences
from profile_image_sync.pod.reports import ReportWriter
from profile_image_sync.pod.secret_token_store import SecretTokenStore
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.run import RunContext, RunOutput, execute, failed_before_start

PROGRESS_SECONDS = 30.0  # between two log lines

log = structlog.get_logger()


def work(environment: Mapping[str, str], mounts: Path | None) -> int:
    """Do the run that the environment specifies; return the exit code.

    Raises SyncError before there is a place to report to.

    `mounts`: the folder of the Secrets and ConfigMaps, MOUNTS by default.
    """
    logs.configure(json=True)
    run_spec, job = _run_spec(environment)
    stop = stop_on_signals()
    with Cluster.connect(run_spec.namespace, environment, time.sleep) as cluster:
        return _run(run_spec, job, cluster, mounts or Path(MOUNTS), stop)


def _run_spec(environment: Mapping[str, str]) -> tuple[RunSpec, str]:
    """Return the run spec and the Job's uid. Raises InvalidSpec."""
    missing = [name for name in (VARIABLE, JOB_VARIABLE) if not environment.get(name)]
    if missing:
        raise InvalidSpec(
            f"the variable {missing[0]} is not set: this command runs in the pods that the operator makes; "
            "elsewhere, use `sync -f`"
        )
    try:
        return RunSpec.model_validate_json(environment[VARIABLE]), environment[JOB_VARIABLE]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidSpec(
            f"the run spec in {VARIABLE} cannot be read ({field}: {first['msg']}): another version of the "
            "operator gave it; a running operator brings its CronJobs up to date"
        ) from None


def _run(run_spec: RunSpec, job: str, cluster: Cluster, mounts: Path, stop: threading.Event) -> int:
    lease_config = LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic)
    lease = Lease(cluster, names.child(run_spec.name), job, lease_config)
    report_writer = ReportWriter(cluster, run_spec.name)
    seed = run_spec.spec.highq.credentials_secret_ref.name
    context = RunContext(
        run_id=str(uuid4()),
        job=job,
        store=ConfigMapStore(cluster, run_spec.name, run_spec.state_id, lease),
        tokens=SecretTokenStore(
            cluster, seed, Lease(cluster, names.token(seed), job, lease_config), stop
        ),
        references=MountedReferences(mounts),
        now=lease_config.now,
        clock=lease_config.clock,
        new_id=lambda: secrets.token_hex(4),
        stop=stop,
        progress=_progress(lease_config.clock),
    )
    try:
        with lease.held(stop, on_lost=stop.set):
            result = _checked_run(run_spec, context)
            if _still_ours(lease):
                report_writer.leave(result)
    except (Busy, Interrupted) as error:  # no report: it would hide that of the run at work
        log.info("stepped back", reason=error.reason, detail=str(error))
        return error.exit_code
    except SyncError as error:
        result = failed_before_start(run_spec, context, error)
        report_writer.leave(result)
    return _log_result(result)


def _checked_run(run_spec: RunSpec, context: RunContext) -> RunOutput:
    """Hold the spec against the installation's hosts, as the operator did, then run."""
    try:
        run_spec.allow.check(run_spec.spec)
    except SyncError as error:
        return failed_before_start(run_spec, context, error)
    return execute(run_spec, context)


def _still_ours(lease: Lease) -> bool:
    """Ask whose turn it is: once another run is at work, only its report counts."""
    try:
        lease.confirm()
    except StateUnavailable as error:
        log.warning("no report is left", problem=str(error))
        return False
    return True


def _log_result(result: RunOutput) -> int:
    """Say in the log how it ended."""
    report = result.report
    if report.exit_code:
        log.error("ended early", reason=report.reason, detail=report.message)
    return report.exit_code


def _progress(clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Log how far the run is, now and then."""
    last = clock()

    def log_progress(done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= PROGRESS_SECONDS:
            last = clock()
            log.info("under way", people=done, of=total)

    return log_progress
