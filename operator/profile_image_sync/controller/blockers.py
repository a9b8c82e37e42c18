"""Why nothing may run for a resource, and what to do about it. Pure.

State is bound to its resource here (rule 9): made once, never again by repair, and never in silence beside
the state of a resource that is gone.
"""

from __future__ import annotations

from uuid import UUID

from profile_image_sync import names
from profile_image_sync.api.allow import Allow
from profile_image_sync.controller.snapshot import Blocker, Observed
from profile_image_sync.errors import HostNotAllowed


def blocker(observed: Observed, allow: Allow) -> Blocker | None:
    """Return why nothing may run; what ends by itself comes first."""
    return (
        _terminating(observed)
        or _host_not_allowed(observed, allow)
        or _name_conflict(observed)
        or observed.unreadable
        or _state_missing(observed)
        or _state_mismatch(observed)
        or _state_exists(observed)
    )


def known_state(observed: Observed) -> str | None:
    """Return the id of the state that this resource must find: the spec's pin, else status'.

    A loss that is acknowledged frees it from the state of that id, and from no other: good once.
    """
    wanted = observed.tenant.spec.state
    told = observed.status.state.id if observed.status.state else None
    pinned = wanted.id or None
    if told and told == wanted.acknowledge_loss:
        told = None
    if pinned and pinned == wanted.acknowledge_loss:
        pinned = None
    return told or pinned


def acknowledged_loss(observed: Observed) -> UUID | None:
    """Return the state that a new one replaces, because its loss was acknowledged."""
    lost = observed.tenant.spec.state.acknowledge_loss
    return UUID(lost) if lost else None


def _terminating(observed: Observed) -> Blocker | None:
    if not observed.terminating:
        return None
    message = (
        f"{', '.join(observed.terminating)}: of a former resource of this name, about to be removed"
    )
    return Blocker("Replacing", message, transient=True)


def _host_not_allowed(observed: Observed, allow: Allow) -> Blocker | None:
    """Compare the hosts that the spec names with the installation's lists."""
    try:
        allow.check(observed.tenant.spec)
    except HostNotAllowed as error:
        return Blocker(error.reason, str(error))
    return None


def _name_conflict(observed: Observed) -> Blocker | None:
    if not observed.foreign:
        return None
    return Blocker(
        "NameConflict",
        f"{', '.join(observed.foreign)}: in the way and not ours, so not touched. Remove or rename it, or "
        "give this resource another name",
    )


def _state_missing(observed: Observed) -> Blocker | None:
    if observed.header is not None:
        return None
    name, known = names.state(observed.tenant.name), known_state(observed)
    if observed.shards:
        labels = f"{names.SYNC_LABEL}={observed.tenant.name},{names.COMPONENT_LABEL}=state"
        rest = f", after removing them (kubectl delete configmap --selector={labels})"
        what = (
            f"ConfigMap {name}, the state's header, is gone, but {observed.shards} shards are there"
        )
    elif known:
        rest, what = "", f"the state {known} of this resource is gone"
    else:
        return None
    begin = f"{_begin_anew(known)}{rest}" if known else f"begin anew{rest}"
    return Blocker(
        "StateMissing", f"{what}: restore ConfigMaps {name} and {name}-* from a backup; or {begin}"
    )


def _state_mismatch(observed: Observed) -> Blocker | None:
    header, known = observed.header, known_state(observed)
    if header is None or known is None or str(header.id) == known:
        return None
    return Blocker(
        "StateMismatch",
        f"this resource's state is {known}, but ConfigMap {names.state(observed.tenant.name)} holds "
        f"{header.id}: restore its own from a backup; or take what is there, with "
        f"spec.state.acknowledgeLoss: {known}",
    )


def _state_exists(observed: Observed) -> Blocker | None:
    """Ask before a second first sync of the same HighQ, which would override people's own pictures."""
    acknowledged = observed.tenant.spec.state.acknowledge_loss
    found = [other for other in observed.orphans if other.id != acknowledged]
    if observed.header is not None or not found:
        return None
    other = found[0]
    return Blocker(
        "StateExists",
        f"the state {other.id} of the resource {other.resource}, which is gone, is for the same HighQ: give "
        f"this resource that name to go on with it, or import it (`profile-image-sync state export` and "
        f"`state import`); or {_begin_anew(other.id)}",
    )


def _begin_anew(known: str) -> str:
    return f"begin anew, which obeys spec.firstSync, with spec.state.acknowledgeLoss: {known}"
