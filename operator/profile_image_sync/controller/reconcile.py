"""Brings one resource into line: observe, decide, write what differs, update the status.

Level-based: every call starts from what is there, whatever made it necessary.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import structlog

from profile_image_sync import names
from profile_image_sync.api.state_policy import DeletionPolicy
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.controller import conditions, events, manifests, run_result
from profile_image_sync.controller.bodies import Body, key_of, owner, with_spec_hash
from profile_image_sync.controller.decide import Decision, decide
from profile_image_sync.controller.drift import needs_update
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.observe import Snapshot, read, read_status, state_labels
from profile_image_sync.controller.run_result import RunResult
from profile_image_sync.controller.snapshot import Blocker
from profile_image_sync.errors import InvalidSpec
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiConflict, ApiRefused
from profile_image_sync.kube.resources import ObjectRef

log = structlog.get_logger()


class Reconciler:
    """Serves all resources; each call is about one."""

    def __init__(
        self, client: ApiClient, settings: OperatorSettings, now: Callable[[], datetime]
    ) -> None:
        """Take a client, the installation's settings, and a clock (UTC, aware)."""
        self._client = client
        self._settings = settings
        self._now = now

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring this resource into line; return when to look again though nothing changes.

        Raises ApiError when the API server is in the way: call again later.
        """
        body = self._client.get(ObjectRef(names.KIND, namespace, name))
        if body is None or body["metadata"].get("deletionTimestamp"):
            return None  # the garbage collector takes the children; state is retained
        try:
            snapshot = read(self._client, body)
        except InvalidSpec as error:
            self._report_invalid_spec(body, error)
            return None
        last = run_result.latest(snapshot.observed)
        decision = decide(snapshot.observed, last, self._settings.allow, self._now(), uuid4())
        try:
            self._apply_decision(snapshot, decision)
        except ApiRefused as error:
            refused = replace(decision, blocker=Blocker("Refused", str(error)))
            self._update_status(body, snapshot, last, refused)
            raise
        self._update_status(body, snapshot, last, decision)
        return decision.requeue_at

    def _apply_decision(self, snapshot: Snapshot, decision: Decision) -> None:
        """Write what differs: the state, the worker's objects and rights, then what runs."""
        tenant, state = snapshot.observed.tenant, decision.state
        if state is None:
            self._stop_schedule(snapshot)
            return
        if decision.new_state:
            self._client.create(manifests.state_header(tenant, state))
        for body in manifests.worker_objects(tenant):
            if _at(body) not in snapshot.live:
                self._create_once(body)
        for body in manifests.rbac(tenant):
            self._apply(snapshot, body)
        self._apply_schedule(snapshot, decision, str(state.id))
        self._apply_deletion_policy(snapshot)
        if decision.start:
            job = manifests.job(
                tenant, str(state.id), decision.start.requests, self._settings, _run_id()
            )
            self._client.create(job)
            log.info("run started", resource=tenant.identity, job=job["metadata"]["name"])

    def _apply(self, snapshot: Snapshot, body: Body) -> None:
        wanted, live = with_spec_hash(body), snapshot.live.get(_at(body))
        if live is None or needs_update(wanted, live):
            self._client.apply(wanted)

    def _apply_schedule(self, snapshot: Snapshot, decision: Decision, state_id: str) -> None:
        """Keep the CronJob; one that is no longer wanted goes when the run that it started has ended."""
        tenant, active = snapshot.observed.tenant, snapshot.observed.active
        suspend = decision.suspend
        wanted = manifests.cron_job(tenant, state_id, self._settings, suspend=suspend)
        live = snapshot.live.get(("CronJob", names.child(tenant.name)))
        if wanted:
            self._apply(snapshot, wanted)
        elif active and active.scheduled:
            self._stop_schedule(snapshot)
        elif live:
            self._client.delete(ObjectRef.of(live))

    def _stop_schedule(self, snapshot: Snapshot) -> None:
        """Let nothing start; the rest stays as it is."""
        live = snapshot.live.get(("CronJob", names.child(snapshot.observed.tenant.name)))
        if live and not live["spec"].get("suspend"):
            self._client.patch({**key_of(live), "spec": {"suspend": True}})

    def _apply_deletion_policy(self, snapshot: Snapshot) -> None:
        """Let the state go with the resource, or outlive it, as spec.state.deletionPolicy says.

        A worker makes shards without an owner. The header comes last: it tells whether all is done.
        """
        tenant = snapshot.observed.tenant
        owned = tenant.spec.state.deletion_policy is DeletionPolicy.DELETE
        header = snapshot.live.get(("ConfigMap", names.state(tenant.name)))
        if not owned and (header is None or not _owners(header)):
            return
        wanted = [owner(tenant)] if owned else []
        labels = state_labels(tenant.name)
        found = self._client.list(
            ObjectRef("ConfigMap", tenant.namespace), labels, metadata_only=True
        )
        for body in sorted(found, key=_name, reverse=True):
            if _owners(body) != [each["uid"] for each in wanted]:
                meta = {"name": _name(body), "namespace": tenant.namespace}
                kind: Body = {"apiVersion": "v1", "kind": "ConfigMap"}
                self._client.patch({**kind, "metadata": {**meta, "ownerReferences": wanted}})

    def _create_once(self, body: Body) -> None:
        try:
            self._client.create(body)
        except ApiConflict:
            log.info("made by another meanwhile", kind=body["kind"], name=body["metadata"]["name"])

    def _report_invalid_spec(self, body: Body, error: InvalidSpec) -> None:
        """Say what is wrong with a resource that cannot even be understood; touch nothing else."""
        before = read_status(body)
        blocker = Blocker(error.reason, str(error))
        generation = body["metadata"]["generation"]
        told = conditions.blocked(before, blocker, generation, self._now())
        changes = {"observed_generation": generation, "conditions": told}
        self._write_status(body, before, before.model_copy(update=changes), None)

    def _update_status(
        self, body: Body, snapshot: Snapshot, last: RunResult | None, decision: Decision
    ) -> None:
        status = conditions.status(snapshot.observed, last, decision, self._now())
        self._write_status(body, snapshot.observed.status, status, last)

    def _write_status(
        self,
        body: Body,
        before: ProfileImageSyncStatus,
        after: ProfileImageSyncStatus,
        last: RunResult | None,
    ) -> None:
        """Write the status if it says anything new, and post an event where a person would want one."""
        status = after.model_dump(mode="json", by_alias=True, exclude_none=True)
        if status == body.get("status"):
            return
        self._client.replace_status({**body, "status": status})
        for event in events.between(body, before, after, last, self._now()):
            self._client.create(event)


def _at(body: Body) -> tuple[str, str]:
    return body["kind"], _name(body)


def _name(body: Body) -> str:
    name: str = body["metadata"]["name"]
    return name


def _owners(body: Body) -> list[str]:
    return [each["uid"] for each in body["metadata"].get("ownerReferences", [])]


def _run_id() -> str:
    return secrets.token_hex(4)
