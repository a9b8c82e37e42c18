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
from profile_image_sync.api.run_spec import (
    JOB_UID_VARIABLE,
    MOUNTS,
    RUN_SPEC_VARIABLE,
    RunSpec,
)
from profile_image_sync.errors import Busy, Interrupted, InvalidSpec, StateUnavailable, SyncError
from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.pod.mounted_references import MountedReferences
from profile_image_sync.pod.reports import ReportWriter
from profile_image_sync.pod.secret_token_store import SecretTokenStore
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.run import RunContext, RunOutput, execute, failed_before_start

FIELD_MANAGER = f"{names.PRODUCT}-worker"
PROGRESS_SECONDS = 30.0  # between two log lines

log = structlog.get_logger()


def work(environment: Mapping[str, str], mounts: Path | None) -> int:
    """Do the run; return the exit code. Raises SyncError before there is a place to report to.

    `mounts`: the folder of the Secrets and ConfigMaps, MOUNTS by default.
    """
    logs.configure(json=True)
    run_spec, job = _run_spec(environment)
    stop = stop_on_signals()
    with ApiClient.connect(environment, field_manager=FIELD_MANAGER, retry=PATIENT) as client:
        return _run(run_spec, job, client, mounts or Path(MOUNTS), stop)


def _run_spec(environment: Mapping[str, str]) -> tuple[RunSpec, str]:
    """Return the run spec and the Job's uid. Raises InvalidSpec."""
    missing = [name for name in (RUN_SPEC_VARIABLE, JOB_UID_VARIABLE) if not environment.get(name)]
    if missing:
        raise InvalidSpec(
            f"the variable {missing[0]} is not set: this command runs in the pods that the operator makes; "
            "elsewhere, use `sync -f`"
        )
    try:
        run_spec = RunSpec.model_validate_json(environment[RUN_SPEC_VARIABLE])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidSpec(
            f"the run spec in {RUN_SPEC_VARIABLE} cannot be read ({field}: {first['msg']}): another version "
            "of the operator wrote it; a running operator brings its CronJobs up to date"
        ) from None
    return run_spec, environment[JOB_UID_VARIABLE]


def _run(
    run_spec: RunSpec, job: str, client: ApiClient, mounts: Path, stop: threading.Event
) -> int:
    namespace, resource = run_spec.namespace, run_spec.name
    config = LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic)

    def new_lease(name: str) -> Lease:
        return Lease(client, namespace=namespace, name=name, holder=job, config=config)

    lease = new_lease(names.child(resource))
    reports = ReportWriter(client, namespace=namespace, resource=resource)
    seed = run_spec.spec.highq.credentials_secret_ref.name
    context = RunContext(
        run_id=str(uuid4()),
        job=job,
        store=ConfigMapStore(
            client, namespace=namespace, resource=resource, state_id=run_spec.state_id, lease=lease
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
    )
    try:
        with lease.held(stop, on_lost=stop.set):
            result = _checked_run(run_spec, context)
            if _still_ours(lease):
                reports.write(result)
    except (Busy, Interrupted) as error:  # no report: it would hide that of the run at work
        log.info("stepped back", reason=error.reason, detail=str(error))
        return error.exit_code
    except SyncError as error:
        result = failed_before_start(run_spec, context, error)
        reports.write(result)
    return log_result(result)


def _checked_run(run_spec: RunSpec, context: RunContext) -> RunOutput:
    """Hold the spec against the installation's hosts, as the operator did, then run."""
    try:
        run_spec.allow.check(run_spec.spec)
    except SyncError as error:
        return failed_before_start(run_spec, context, error)
    return execute(run_spec, context)


def _still_ours(lease: Lease) -> bool:
    """Ask who holds the Lease: once another run is at work, only its report counts."""
    try:
        lease.confirm()
    except StateUnavailable as error:
        log.warning("no report is written", problem=str(error))
        return False
    return True


def log_result(result: RunOutput) -> int:
    """Log how the run ended; return its exit code."""
    report = result.report
    if report.exit_code:
        log.error("ended early", reason=report.reason, detail=report.message)
    return report.exit_code


def _progress(clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Log how far the run is, now and then."""
    last = clock()

    def report_progress(done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= PROGRESS_SECONDS:
            last = clock()
            log.info("under way", people=done, of=total)

    return report_progress
