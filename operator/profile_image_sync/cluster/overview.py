"""Resources at a glance: how the last run ended, and what waits for a person, with the command. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from profile_image_sync import names
from profile_image_sync.api.status import ConditionStatus, ConditionType, Outcome
from profile_image_sync.cluster.resources import SyncResource

UNSERVED_AFTER = timedelta(
    minutes=5
)  # a resource without a word from an operator for so long has none
PENDING = "Pending"  # the reason that the CRD gives each condition, until an operator has looked
_QUOTED_COMMAND = re.compile(r"`(kubectl [^`]+)`")
_AUTHORISE = (
    f"{names.PRODUCT} authorize --url {{url}} --client-id CLIENT_ID --name {{secret}} "
    "--apply --replace --namespace {namespace}"
)
_IMPORT = f"{names.PRODUCT} state import FILE --in-cluster {{namespace}}/{{name}}"
_DESCRIBE = "kubectl describe profileimagesync {name} --namespace {namespace}"
_LOGS = f"{names.PRODUCT} logs {{name}} --namespace {{namespace}}"
OPERATORS = f"kubectl get deployments --all-namespaces -l app.kubernetes.io/name={names.PRODUCT}"
_COMMANDS = {  # by the reason of the condition Stalled
    "BrakeTripped": f"{names.PRODUCT} acknowledge {{name}} {{brake}} --namespace {{namespace}}",
    "AuthorisationExpired": _AUTHORISE,
    "AuthorisationRefused": _AUTHORISE,
    "StateMissing": _IMPORT,
    "StateDamaged": _IMPORT,
    "StateMismatch": _IMPORT,
    "StateExists": f"{names.PRODUCT} state list --namespace {{namespace}}",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What waits for a person."""

    reason: str  # one CamelCase word
    message: str
    command: str  # the way out, or where to look


@dataclass(frozen=True, slots=True)
class ResourceOverview:
    """One resource in one line."""

    namespace: str
    name: str
    ready: str  # True, False, Unknown
    status: str  # as the printer column STATUS: of the last run, or of the one under way
    outcome: Outcome | None  # of the last run that ended
    last_success: datetime | None
    next_run: datetime | None
    people: int
    not_served: int  # refused, unmatched, ambiguous and failed
    need: Need | None


def overview(resource: SyncResource, now: datetime) -> ResourceOverview:
    """Return the line of a resource."""
    status, run = resource.status, resource.status.last_run
    ready = resource.condition(ConditionType.READY)
    synced = resource.condition(ConditionType.SYNCED)
    return ResourceOverview(
        namespace=resource.namespace,
        name=resource.name,
        ready=ready.status if ready else ConditionStatus.UNKNOWN,
        status=synced.reason if synced else PENDING,
        outcome=run.outcome if run else None,
        last_success=status.last_success_time,
        next_run=status.next_run_time,
        people=run.people if run else 0,
        not_served=run.refused + run.unmatched + run.ambiguous + run.failed if run else 0,
        need=need(resource, now),
    )


def need(resource: SyncResource, now: datetime) -> Need | None:
    """Return what waits for a person; None: nothing does."""
    stalled = resource.condition(ConditionType.STALLED)
    if stalled and stalled.status is ConditionStatus.TRUE:
        command = _command(resource, stalled.reason, stalled.message)
        return Need(stalled.reason, stalled.message, command)
    ready = resource.condition(ConditionType.READY)
    waits = ready is None or ready.reason == PENDING
    if waits and now - resource.created > UNSERVED_AFTER:
        message = "no operator has looked at this resource: see whether one runs, and watches this namespace"
        return Need(PENDING, message, OPERATORS)
    return None


def age(since: datetime | None, now: datetime) -> str:
    """Write how long ago something was, as kubectl does: "45s", "12m", "7h", "3d"."""
    if since is None:
        return "never"
    seconds = max(0, int((now - since).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def _command(resource: SyncResource, reason: str, message: str) -> str:
    """Choose the way out by the reason; else the command that the message quotes, else where to look."""
    run, brake = resource.status.last_run, resource.status.brake
    quoted = _QUOTED_COMMAND.search(message)
    if quoted and reason not in _COMMANDS:
        return f"{quoted[1]} --namespace {resource.namespace}"
    of_a_run = run is not None and run.reason == reason
    template = _COMMANDS.get(reason, _LOGS if of_a_run else _DESCRIBE)
    return template.format(
        name=resource.name,
        namespace=resource.namespace,
        brake=brake.id if brake else "",
        url=resource.highq_url,
        secret=resource.highq_secret,
    )
