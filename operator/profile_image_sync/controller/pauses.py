"""Whether the last failure still stands: nothing has changed since, or something has and a run is due. Pure.

Apart, because it is judged anew each time from what is there: a status that lost its pause (an older CRD
drops the field) must not lift it, and one that was written late must not make it last.

A pod gets what its Job's fingerprint says, or newer: the kubelet lists a Secret when the first pod on its
node that names it is registered, the mount waits for that, and for further pods it follows a watch
(pkg/kubelet/util/manager/watch_based_manager.go). Only a watch that is further behind than making,
scheduling and registering a pod takes could mount an older one. Its refusal would be told as any other, and a
run request tries again: no guard is worth a second bind with a password that is really wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from profile_image_sync.api.status import Pause
from profile_image_sync.controller.run_result import BRAKE, RunResult
from profile_image_sync.controller.snapshot import JobView, Observed, Reference

_SCHEME = "data-"  # the first version took versions that annotations change, too


def fingerprint(references: Iterable[Reference]) -> str:
    """Return a digest of the versions of what the spec names."""
    text = "\n".join(f"{each.kind} {each.name} {each.version}" for each in references)
    return _SCHEME + hashlib.sha256(text.encode()).hexdigest()[:16]


def changed_since(observed: Observed, last: RunResult) -> bool:
    """Tell whether the spec, or a Secret or ConfigMap that it names, is not what the failed run had."""
    generation = last.run.generation
    if generation is not None and generation != observed.tenant.generation:
        return True
    job = next((job for job in observed.jobs if job.did(last.run)), None)
    known = _versions(observed, last, job)
    if known and observed.references:
        return known != fingerprint(observed.references)
    # The CronJob made it, or an older operator. Times are whole seconds, and the pod mounts later than its
    # Job is made: what changed in that second may be what failed. One more try is the price.
    began = job.created if job else last.run.start_time
    return began is not None and any(
        each.changed is not None and each.changed >= began for each in observed.references
    )


def _versions(observed: Observed, last: RunResult, job: JobView | None) -> str:
    """Return the fingerprint of what the failed run had, as its Job or status tells; "": nobody does."""
    pause = observed.status.pause
    remembered = pause.references if pause and pause.run == last.run.id else ""
    told = (job.references if job else "", remembered)
    return next((each for each in told if each.startswith(_SCHEME)), "")


def acknowledged(observed: Observed) -> bool:
    """Tell whether the brake that stopped the last run is acknowledged."""
    brake = observed.status.brake
    return brake is not None and brake.id in observed.tenant.spec.safety.acknowledge.split()


def pause(observed: Observed, last: RunResult | None) -> Pause | None:
    """Return what keeps runs from starting by themselves. A brake does not: the next run judges anew."""
    if last is None or not last.needs_human or last.reason == BRAKE:
        return None
    if changed_since(observed, last):
        return None
    generation = observed.tenant.generation
    return Pause(
        run=last.run.id, generation=generation, references=fingerprint(observed.references)
    )
