"""Brings one resource into line: observe, decide, carry out, update the status.

Level-based: every call starts from what is there, whatever made it necessary. A healthy resource is served
from the informer's copy; the API server is asked only where something may have changed unwatched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never
from uuid import uuid4

import structlog

from profile_image_sync import names
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.controller import conditions, events, run_result
from profile_image_sync.controller import status as statuses
from profile_image_sync.controller.actions import Action, Verb, actions
from profile_image_sync.controller.advisories import Advisories
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.decide import COLLECTED, POLL, Decision, decide
from profile_image_sync.controller.drift import Defaults
from profile_image_sync.controller.events import Event
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.observe import Asked, Observer, Ownership, Snapshot, ownership_of
from profile_image_sync.controller.pauses import fingerprint
from profile_image_sync.controller.run_result import RunResult
from profile_image_sync.controller.snapshot import Blocker
from profile_image_sync.controller.stored import read_status
from profile_image_sync.errors import InvalidSpec
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiConflict, ApiError, ApiRefused
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import ObjectStore

log = structlog.get_logger()


@dataclass(slots=True)
class _Writes:
    """What was carried out, and what was in the way."""

    done: list[Action] = field(default_factory=list)
    stored: list[Body] = field(default_factory=list)  # what the API server made of them
    surprised: bool = False  # something was there that we did not know of
    events: list[Event] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


class Reconciler:
    """Serves all resources; each call is about one, and no two at a time are about the same."""

    def __init__(
        self,
        client: ApiClient,
        store: ObjectStore,
        settings: OperatorSettings,
        now: Callable[[], datetime],
    ) -> None:
        """Take a client, the informer's copy, the installation's settings, and a clock (UTC, aware)."""
        self._client = client
        self._store = store
        self._observer = Observer(client, store)
        self._settings = settings
        self._now = now
        self._defaults = Defaults()
        self._advisories = Advisories()
        self._owners_refused: set[str] = set()  # uids of resources that were told so
        self._asked: dict[tuple[str, str], tuple[str, Asked | None]] = {}  # with the uid

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring this resource into line; return when to look again though nothing changes.

        Raises ApiError when the API server is in the way: call again later.
        """
        body = self._observer.resource(namespace, name)
        if body is None:  # the garbage collector takes the children; state is retained
            self._asked.pop((namespace, name), None)
            self._advisories.forget(namespace, name)
            return None
        try:
            snapshot, last, decision = self._decide(body)
        except InvalidSpec as error:
            self._report_blocker(body, Blocker(error.reason, str(error)))
            return None
        except ApiRefused as error:
            self._report_blocker(body, Blocker("Refused", str(error)))
            raise
        writes = _Writes()
        try:
            planned = actions(
                snapshot.observed, snapshot.children, decision, self._settings, self._defaults
            )
            for action in planned:
                self._carry_out(action, snapshot, writes)
        except ApiRefused as error:
            self._asked.pop((namespace, name), None)
            why = _in_the_way(writes.foreign) if writes.foreign else Blocker("Refused", str(error))
            blocked = _blocked(decision, why, self._now())
            self._update_status(body, snapshot, last, blocked, writes)
            raise
        if writes.foreign:
            decision = _blocked(decision, _in_the_way(writes.foreign), self._now())
        known = None if writes.surprised else snapshot.asked.after(writes.stored)
        self._asked[namespace, name] = (snapshot.observed.tenant.uid, known)
        self._update_status(body, snapshot, last, decision, writes)
        return decision.requeue_at

    def _decide(self, body: Body) -> tuple[Snapshot, RunResult | None, Decision]:
        """Decide from the copy, and ask first where that leads to a run, or is in doubt."""
        meta = body["metadata"]
        key = (meta["namespace"], meta["name"])
        uid, asked = self._asked.get(key, ("", None))
        known = asked if uid == meta["uid"] else None
        snapshot, last, decision = self._look(body, known)
        doubtful = known or snapshot.asked.secrets is None
        if doubtful and (decision.blocker or decision.start):
            snapshot, last, decision = self._look(body, None, anew=True)
        self._asked[key] = (meta["uid"], snapshot.asked)
        if (
            decision.start
        ):  # its Job says which Secrets it has, so that a mended one is told from them
            seen = snapshot.observed
            versions = fingerprint(seen.references or self._observer.references(seen.tenant))
            decision = replace(decision, start=replace(decision.start, references=versions))
        return snapshot, last, decision

    def _look(
        self, body: Body, asked: Asked | None, *, anew: bool = False
    ) -> tuple[Snapshot, RunResult | None, Decision]:
        snapshot = self._observer.observe(body, asked, anew=anew)
        last = run_result.latest(snapshot.observed)
        decision = decide(snapshot.observed, last, self._settings, self._now(), uuid4())
        return snapshot, last, decision

    def _carry_out(self, action: Action, snapshot: Snapshot, writes: _Writes) -> None:
        """Do one write. Raises ApiError."""
        try:
            writes.stored += self._write(action, snapshot)
            writes.done.append(action)
        except ApiConflict:
            if action.verb is not Verb.CREATE:
                raise
            writes.surprised = True
            self._judge_conflict(action.body, snapshot, writes)
        except ApiRefused as error:
            if not action.optional:
                raise
            uid = snapshot.observed.tenant.uid
            if uid not in self._owners_refused:  # once is enough, and each look tries again
                self._owners_refused.add(uid)
                note = f"owners may not be changed, so state.deletionPolicy may have no effect: {error}"
                writes.events.append(Event("OwnerRefused", note, warning=True))

    def _write(self, action: Action, snapshot: Snapshot) -> list[Body]:
        """Write, and keep what was stored: the next look finds it before the watch shows it."""
        body, stored = action.body, []
        match action.verb:
            case Verb.CREATE:
                stored = [self._client.create(body)]
            case Verb.REPLACE:
                stored = [self._client.replace(body)]
            case Verb.PATCH:
                self._store.take_written(self._client.patch(body))
            case Verb.DELETE:
                if not self._client.delete(ObjectRef.of(body)):
                    raise ApiConflict(f"{ObjectRef.of(body).description} is gone: our copy lags")
            case _:
                assert_never(action.verb)
        for each in stored:
            self._defaults.learn(body, each)
            self._store.take_written(each)
        kind, name = body["kind"], body["metadata"]["name"]
        resource = snapshot.observed.tenant.identity
        log.info("written", resource=resource, verb=action.verb.value, kind=kind, name=name)
        return stored

    def _judge_conflict(self, body: Body, snapshot: Snapshot, writes: _Writes) -> None:
        """Tell an object that is ours, and not in the copy yet, from one that is in the way."""
        there = self._client.get_metadata(ObjectRef.of(body))
        if there and ownership_of(there, snapshot.observed.tenant) is Ownership.FOREIGN:
            writes.foreign.append(f"{body['kind']} {body['metadata']['name']}")

    def _report_blocker(self, body: Body, blocker: Blocker) -> None:
        """Say what is wrong where a resource cannot be understood, or its children not read."""
        before, generation = read_status(body), body["metadata"]["generation"]
        told = conditions.blocked(before.conditions, blocker, generation, self._now())
        after = before.model_copy(update={"observed_generation": generation, "conditions": told})
        self._write_status(body, after, events.between(before, after, None, None))

    def _update_status(
        self,
        body: Body,
        snapshot: Snapshot,
        last: RunResult | None,
        decision: Decision,
        writes: _Writes,
    ) -> None:
        observed = snapshot.observed
        after = statuses.status(observed, last, decision, self._now())
        job = names.child(observed.tenant.name, decision.start.run_id) if decision.start else None
        job = job or (observed.active.name if observed.active else None)
        told = [
            *events.of_writes(writes.done),
            *events.of_acknowledgement(observed, decision.start),
            *writes.events,
            *self._advisories.about(observed.tenant, after.highq_token_expiry, self._now()),
            *events.between(observed.status, after, last, job),
        ]
        self._write_status(body, after, told)

    def _write_status(
        self, body: Body, after: ProfileImageSyncStatus, told: Iterable[Event]
    ) -> None:
        """Write the status if it says anything new, then post the events."""
        now, status = self._now(), statuses.to_json(after)
        if status != body.get("status"):
            written = {key: value for key, value in body.items() if key != "status"}
            self._store.take_written(self._client.replace_status({**written, "status": status}))
        for number, event in enumerate(told):
            write = log.warning if event.warning else log.info
            run = event.job and names.run_id(body["metadata"]["name"], event.job)
            about = {"run": run} if run else {}
            write(event.reason, resource=_identity(body), note=event.note, **about)
            try:
                self._client.create(events.event_body(body, event, now, number))
            except ApiError as error:  # an event is no reason to begin anew
                log.warning("event not posted", reason=event.reason, problem=str(error))


def _identity(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _blocked(decision: Decision, blocker: Blocker, now: datetime) -> Decision:
    """Return what is told when a write was refused: nothing of it has happened."""
    again = now + (COLLECTED if blocker.transient else POLL)
    return replace(
        decision, blocker=blocker, state=None, new_state=False, start=None, requeue_at=again
    )


def _in_the_way(foreign: list[str]) -> Blocker:
    return Blocker(
        "NameConflict",
        f"{', '.join(foreign)}: in the way and not ours, so not touched. Remove or rename it, or give this "
        "resource another name",
    )
