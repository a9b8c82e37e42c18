"""Brings one resource into line: look, decide, write what differs, tell.

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
from profile_image_sync.controller.bodies import Body, key_of, owner, stamped
from profile_image_sync.controller.cluster import Cluster, Conflict, Refused
from profile_image_sync.controller.decide import Decision, decide
from profile_image_sync.controller.drift import differs
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.observe import Scene, look, read_status, state_labels
from profile_image_sync.controller.run_result import Ending
from profile_image_sync.controller.snapshot import Trouble
from profile_image_sync.errors import InvalidSpec

log = structlog.get_logger()


class Reconciler:
    """Serves all resources; each call is about one."""

    def __init__(
        self, cluster: Cluster, settings: OperatorSettings, now: Callable[[], datetime]
    ) -> None:
        """Take the hands, the installation's settings, and a clock (UTC, aware)."""
        self._cluster = cluster
        self._settings = settings
        self._now = now

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring this resource into line; return when to look again though nothing changes.

        Raises ClusterError when the API server is in the way: call again later.
        """
        body = self._cluster.get(names.KIND, namespace, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return None  # the garbage collector takes the children; state is retained
        try:
            scene = look(self._cluster, body)
        except InvalidSpec as error:
            self._tell_of_misfit(body, error)
            return None
        last = run_result.newest(scene.observed)
        decision = decide(scene.observed, last, self._settings.allow, self._now(), uuid4())
        try:
            self._carry_out(scene, decision)
        except Refused as error:
            refused = replace(decision, trouble=Trouble("Refused", str(error)))
            self._tell(body, scene, last, refused)
            raise
        self._tell(body, scene, last, decision)
        return decision.look_again

    def _carry_out(self, scene: Scene, decision: Decision) -> None:
        """Write what differs: access and desks first, then the state, then what runs."""
        tenant, state = scene.observed.tenant, decision.state
        if state is None:
            self._stop_schedule(scene)
            return
        if decision.new_state:
            self._cluster.create(manifests.state_header(tenant, state))
        for body in manifests.desks(tenant):
            if _at(body) not in scene.live:
                self._create_once(body)
        for body in manifests.access(tenant):
            self._apply(scene, body)
        self._apply_schedule(scene, decision, str(state.id))
        self._hold_state(scene)
        if decision.start:
            job = manifests.job(
                tenant, str(state.id), decision.start.requests, self._settings, _run_id()
            )
            self._cluster.create(job)
            log.info("run started", resource=tenant.identity, job=job["metadata"]["name"])

    def _apply(self, scene: Scene, body: Body) -> None:
        wanted, live = stamped(body), scene.live.get(_at(body))
        if live is None or differs(wanted, live):
            self._cluster.apply(wanted)

    def _apply_schedule(self, scene: Scene, decision: Decision, state_id: str) -> None:
        """Keep the CronJob; one that is no longer wanted goes when the run that it started has ended."""
        tenant, active = scene.observed.tenant, scene.observed.active
        suspend = decision.suspend
        wanted = manifests.cron_job(tenant, state_id, self._settings, suspend=suspend)
        live = scene.live.get(("CronJob", names.child(tenant.name)))
        if wanted:
            self._apply(scene, wanted)
        elif active and active.scheduled:
            self._stop_schedule(scene)
        elif live:
            self._cluster.delete(live)

    def _stop_schedule(self, scene: Scene) -> None:
        """Let nothing start; the rest stays as it is."""
        live = scene.live.get(("CronJob", names.child(scene.observed.tenant.name)))
        if live and not live["spec"].get("suspend"):
            self._cluster.patch({**key_of(live), "spec": {"suspend": True}})

    def _hold_state(self, scene: Scene) -> None:
        """Let the state go with the resource, or outlive it, as spec.state.deletionPolicy says.

        A worker makes shards without an owner. The header comes last: it tells whether all is done.
        """
        tenant = scene.observed.tenant
        owned = tenant.spec.state.deletion_policy is DeletionPolicy.DELETE
        header = scene.live.get(("ConfigMap", names.state(tenant.name)))
        if not owned and (header is None or not _owners(header)):
            return
        wanted = [owner(tenant)] if owned else []
        labels = state_labels(tenant.name)
        found = self._cluster.select("ConfigMap", tenant.namespace, labels, metadata_only=True)
        for body in sorted(found, key=_name, reverse=True):
            if _owners(body) != [each["uid"] for each in wanted]:
                meta = {"name": _name(body), "namespace": tenant.namespace}
                kind: Body = {"apiVersion": "v1", "kind": "ConfigMap"}
                self._cluster.patch({**kind, "metadata": {**meta, "ownerReferences": wanted}})

    def _create_once(self, body: Body) -> None:
        try:
            self._cluster.create(body)
        except Conflict:
            log.info("made by another meanwhile", kind=body["kind"], name=body["metadata"]["name"])

    def _tell_of_misfit(self, body: Body, error: InvalidSpec) -> None:
        """Say what is wrong with a resource that cannot even be understood; touch nothing else."""
        before = read_status(body)
        trouble = Trouble(error.reason, str(error))
        generation = body["metadata"]["generation"]
        told = conditions.troubled(before, trouble, generation, self._now())
        changes = {"observed_generation": generation, "conditions": told}
        self._write_status(body, before, before.model_copy(update=changes), None)

    def _tell(self, body: Body, scene: Scene, last: Ending | None, decision: Decision) -> None:
        status = conditions.status(scene.observed, last, decision, self._now())
        self._write_status(body, scene.observed.status, status, last)

    def _write_status(
        self,
        body: Body,
        before: ProfileImageSyncStatus,
        after: ProfileImageSyncStatus,
        last: Ending | None,
    ) -> None:
        """Write the status if it says anything new, and post an event where a person would want one."""
        status = after.model_dump(mode="json", by_alias=True, exclude_none=True)
        if status == body.get("status"):
            return
        self._cluster.write_status({**body, "status": status})
        for event in events.between(body, before, after, last, self._now()):
            self._cluster.create(event)


def _at(body: Body) -> tuple[str, str]:
    return body["kind"], _name(body)


def _name(body: Body) -> str:
    name: str = body["metadata"]["name"]
    return name


def _owners(body: Body) -> list[str]:
    return [each["uid"] for each in body["metadata"].get("ownerReferences", [])]


def _run_id() -> str:
    return secrets.token_hex(4)
