"""What is to be written for one resource: from what is there and what was decided to a list of writes. Pure.

`reconcile` carries them out in order and decides nothing. Carried out, the same question has no answer left:
that is how it is tested, from any state of the children.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from profile_image_sync import names
from profile_image_sync.controller import manifests
from profile_image_sync.controller.bodies import (
    APPLIED_ANNOTATION,
    Body,
    Tenant,
    key_of,
    owner,
    with_spec_hash,
)
from profile_image_sync.controller.decide import Decision
from profile_image_sync.controller.drift import Defaults, needs_update
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.pod_template import RunParameters
from profile_image_sync.controller.snapshot import JobView, Observed

Live = Mapping[tuple[str, str], Body]  # our objects that are there, by kind and name


class Verb(StrEnum):
    """How an object is written."""

    CREATE = "create"
    REPLACE = "replace"
    PATCH = "patch"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Action:
    """One write."""

    verb: Verb
    body: Body
    repairs: bool = False  # somebody else changed or removed it
    optional: bool = False  # no run needs it: a refusal is told, and is no obstacle


@dataclass(frozen=True, slots=True)
class Children:
    """What is there."""

    live: Live
    state: tuple[
        Body, ...
    ]  # metadata of the state's ConfigMaps, when their owner is not as it must be
    unread: frozenset[tuple[str, str]]  # objects that were not looked at: taken for present


def actions(
    observed: Observed,
    children: Children,
    decision: Decision,
    settings: OperatorSettings,
    defaults: Defaults,
) -> tuple[Action, ...]:
    """Return what to write, in order: the state, the worker's objects and rights, then what runs."""
    plan = _Plan(observed, children, decision, settings, defaults)
    return tuple(plan.blocked() if decision.state is None else plan.all(str(decision.state.id)))


@dataclass(frozen=True, slots=True)
class _Plan:
    observed: Observed
    children: Children
    decision: Decision
    settings: OperatorSettings
    defaults: Defaults

    @property
    def tenant(self) -> Tenant:
        return self.observed.tenant

    @property
    def schedule(self) -> Body | None:
        return self.children.live.get(("CronJob", names.child(self.tenant.name)))

    def blocked(self) -> Iterator[Action]:
        """Let nothing start; the rest stays as it is."""
        if self.schedule and not self.schedule["spec"].get("suspend"):
            yield _suspended(self.schedule)

    def all(self, state_id: str) -> Iterator[Action]:
        if self.decision.new_state and self.decision.state:
            header = manifests.state_header(self.tenant, self.decision.state)
            yield Action(Verb.CREATE, header)
        yield from self._owned_state()
        for body in manifests.worker_objects(self.tenant):
            yield from self._present(body)
        for body in manifests.rbac(self.tenant):
            yield from self._in_line(body)
        yield from self._needed_by_pod()
        yield from self._cron_job(state_id)
        yield from self._jobs(state_id)

    def _present(self, body: Body) -> Iterator[Action]:
        """Make what the worker writes to, once; later only labels and owner are ours."""
        live = self.children.live.get(_at(body))
        if live is None:
            if _at(body) not in self.children.unread:
                yield Action(Verb.CREATE, body, repairs=self._was_complete)
        elif needs_update(body["metadata"], live["metadata"]):
            merged = _merged(body, live)["metadata"]
            metadata = {key: merged[key] for key in ("labels", "annotations", "ownerReferences")}
            yield Action(Verb.PATCH, _patch(live, metadata), repairs=True)

    def _needed_by_pod(self) -> Iterator[Action]:
        """Let what a pod needs to record its uploads outlive the resource, until the pod has ended."""
        active = self.observed.active
        pod = active.evidence.going if active else None
        if pod is None:
            return
        reference = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        child = names.child(self.tenant.name)
        for kind in ("ServiceAccount", "Role", "RoleBinding", "Lease"):
            live = self.children.live.get((kind, child))
            owners = live["metadata"].get("ownerReferences", []) if live else []
            if live and pod.uid not in [each["uid"] for each in owners]:
                changed: Body = {"ownerReferences": [*owners, reference]}
                if kind == "Lease":  # of which only the metadata is known
                    yield Action(Verb.PATCH, _patch(live, changed), optional=True)
                else:
                    body = {**live, "metadata": {**live["metadata"], **changed}}
                    yield Action(Verb.REPLACE, body, optional=True)

    def _in_line(self, body: Body) -> Iterator[Action]:
        wanted, live = with_spec_hash(body), self.children.live.get(_at(body))
        if live is None:
            if _at(body) not in self.children.unread:
                yield Action(Verb.CREATE, wanted, repairs=self._was_complete)
        elif self.defaults.drifted(wanted, live):
            applied = live["metadata"].get("annotations", {}).get(APPLIED_ANNOTATION)
            ours = applied != wanted["metadata"]["annotations"][APPLIED_ANNOTATION]
            yield Action(Verb.REPLACE, _merged(wanted, live), repairs=not ours)

    @property
    def _was_complete(self) -> bool:
        """Tell whether all children were there before: what is missing was removed by somebody."""
        return self.observed.status.observed_generation is not None and not self.decision.new_state

    def _cron_job(self, state_id: str) -> Iterator[Action]:
        """Keep the CronJob; one that is no longer wanted goes when the run that it started has ended."""
        active, suspend = self.observed.active, self.decision.suspend
        wanted = manifests.cron_job(self.tenant, state_id, self.settings, suspend=suspend)
        if wanted:
            yield from self._in_line(wanted)
        elif self.schedule and active and active.scheduled:
            if not self.schedule["spec"].get("suspend"):
                yield _suspended(self.schedule)
        elif self.schedule:
            yield Action(Verb.DELETE, key_of(self.schedule))

    def _owned_state(self) -> Iterator[Action]:
        """Let the state go with the resource, or outlive it."""
        wanted = [owner(self.tenant)] if manifests.state_is_owned(self.tenant) else []
        for body in sorted(self.children.state, key=lambda each: _at(each)[1], reverse=True):
            if [each["uid"] for each in body["metadata"].get("ownerReferences", [])] != [
                each["uid"] for each in wanted
            ]:
                yield Action(Verb.PATCH, _patch(body, {"ownerReferences": wanted}), optional=True)

    def _jobs(self, state_id: str) -> Iterator[Action]:
        if self.decision.replaced:
            yield Action(Verb.DELETE, self._job(self.decision.replaced))
        for job in self._past_limits():
            yield Action(Verb.DELETE, self._job(job))
        if start := self.decision.start:
            run = RunParameters(state_id, start.trigger, start.requests, start.references)
            yield Action(Verb.CREATE, manifests.job(self.tenant, run, start.run_id, self.settings))

    def _past_limits(self) -> Iterator[JobView]:
        """Return the Jobs that the history limits no longer keep, once status tells how they ended."""
        limits, status = self.tenant.spec.job, self.observed.status
        told = [status.last_run, *status.history]
        ended = [job for job in self.observed.jobs if job.finished]
        ended = [job for job in ended if job.busy or any(job.did(run) for run in told)]
        for failed, limit in (
            (False, limits.successful_jobs_history_limit),
            (True, limits.failed_jobs_history_limit),
        ):
            alike = [job for job in ended if job.failed is failed]
            yield from sorted(alike, key=_finished, reverse=True)[limit:]

    def _job(self, job: JobView) -> Body:
        metadata = {"name": job.name, "namespace": self.tenant.namespace}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}


def _suspended(schedule: Body) -> Action:
    return Action(Verb.PATCH, {**key_of(schedule), "spec": {"suspend": True}})


def _merged(wanted: Body, live: Body) -> Body:
    """Return what we want in place of what is there; what others wrote into the metadata stays."""
    ours, theirs = wanted["metadata"], live["metadata"]
    uids = {each["uid"] for each in ours.get("ownerReferences", [])}
    others = [each for each in theirs.get("ownerReferences", []) if each["uid"] not in uids]
    metadata = {
        "name": ours["name"],
        "namespace": ours["namespace"],
        "resourceVersion": theirs["resourceVersion"],
        "labels": {**theirs.get("labels", {}), **ours.get("labels", {})},
        "annotations": {**theirs.get("annotations", {}), **ours.get("annotations", {})},
        "ownerReferences": [*ours.get("ownerReferences", []), *others],
    }
    kept = live if wanted["kind"] == "ServiceAccount" else {}  # others add pull secrets to it
    return {**kept, **wanted, "metadata": metadata}


def _patch(live: Body, metadata: Body) -> Body:
    """Return a change of an object's metadata; a worker may write the rest at the same time."""
    key = key_of(live)
    return {**key, "metadata": {**key["metadata"], **metadata}}


def _at(body: Body) -> tuple[str, str]:
    return body["kind"], body["metadata"]["name"]


def _finished(job: JobView) -> datetime:
    return job.finished or job.created
