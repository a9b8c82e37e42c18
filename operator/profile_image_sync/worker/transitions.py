"""How a run changes the state's header: when it begins to judge, and when it has ended. Pure.

Apart from `run`, which writes: what must be remembered for the rules, and what spends an acknowledgement or
completes a first sync, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from profile_image_sync.api.spec import FirstSync, ProfileImageSyncSpec
from profile_image_sync.api.state_header import (
    MAX_SWEEPS,
    CompletedFirstSync,
    ListedAccounts,
    StateHeader,
    Sweep,
    Totals,
)
from profile_image_sync.api.state_policy import StatePolicy
from profile_image_sync.errors import StateMismatch
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.brakes import LimitBreach
from profile_image_sync.worker.directory import Position
from profile_image_sync.worker.sweeps import with_cursor


def require_pinned(header: StateHeader, policy: StatePolicy, where: str) -> None:
    """Refuse a state that is not the one which `spec.state.id` pins (rule 9). Raises StateMismatch."""
    begun_anew = header.replaces is not None and str(header.replaces) == policy.acknowledge_loss
    if policy.id in ("", str(header.id)) or begun_anew:
        return
    raise StateMismatch(
        f"{where} holds state {header.id}, but spec.state.id is {policy.id}: bring that state back with "
        "`profile-image-sync state import`, correct state.id, or give the state up with "
        f'spec.state.acknowledgeLoss: "{policy.id}"'
    )


def with_lists(header: StateHeader, spec: ProfileImageSyncSpec) -> StateHeader:
    """Return the header with the lists that this run goes by."""
    match = [f"{rule.active_directory}={rule.highq}" for rule in spec.highq.match]
    return header.with_lists(spec.active_directory.image_attributes, match)


def begun(
    header: StateHeader, spec: ProfileImageSyncSpec, highest_account_id: int, now: datetime
) -> StateHeader:
    """Return the header with the lists that this run goes by.

    A completed state of the first delivery takes the facts of its first sync from here (rule 5).
    """
    header = with_lists(header, spec)
    if header.first_sync_completed and header.first_sync is None:
        return completed(header, spec.first_sync, highest_account_id, now)
    return header


def completed(
    header: StateHeader, policy: FirstSync, highest_account_id: int, now: datetime
) -> StateHeader:
    """Return the header of a state whose first sync is complete; once complete, nothing changes that."""
    if header.first_sync:
        return header
    facts = CompletedFirstSync(policy=policy, time=now, highest_account_id=highest_account_id)
    return header.model_copy(update={"first_sync_completed": True, "first_sync": facts})


def ended(
    header: StateHeader,
    *,
    requests: Iterable[str],
    sweep: Sweep | None,
    breaches: Sequence[LimitBreach],
    acknowledged: Acknowledgements,
) -> StateHeader:
    """Return the header after a run that ended without a stop; `sweep`: None if it did not read everyone.

    An acknowledged sweep becomes the only baseline (rule 10), and the acknowledgement is spent (rule 13).
    """
    for request in requests:
        header = header.having_handled(request)
    baseline = () if any(breach.lowers_baseline for breach in breaches) else header.sweeps
    header = header.with_spent(acknowledged.used(header.brake))
    sweeps = (*baseline, sweep)[-MAX_SWEEPS:] if sweep else header.sweeps
    return header.model_copy(update={"sweeps": sweeps, "brake": None})


def counted(
    header: StateHeader,
    *,
    swept: datetime | None,
    scope: str,
    position: Position | None,
    totals: Totals,
    accounts: ListedAccounts | None,
) -> StateHeader:
    """Return the header from which the next run may go on with what changed.

    `swept`: now, if everyone was read. Cursors of other servers hold as long as the scope does: they were
    read under it. `accounts`: None if HighQ's users were not listed.
    """
    cursors = header.cursors if header.scope == scope else ()
    return header.model_copy(
        update={
            "scope": scope,
            "last_full_sweep": swept or header.last_full_sweep,
            "cursors": with_cursor(cursors, position),
            "totals": totals,
            "accounts": accounts or header.accounts,
        }
    )
