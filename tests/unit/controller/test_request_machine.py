"""Run requests and conditions under any order of events, against a reference that only counts.

The real reconciler serves one resource in a cluster in memory. People ask for runs, Jobs end in every way
and are deleted, reports are overwritten, the watch lags, writes and their answers are lost, the operator is
started anew. Whatever the order: no request is lost, none is called handled before a run that served it has
ended, and no two conditions contradict each other.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from profile_image_sync import names
from profile_image_sync.api.status import Outcome
from profile_image_sync.controller.bodies import REQUESTS_ANNOTATION, Body
from profile_image_sync.kube.errors import ApiError, ApiForbidden, ApiUnavailable
from profile_image_sync.kube.resources import ObjectRef
from tests.support.cluster_in_memory import NAME, NS, Cluster

Request = tuple[str, str]  # source and value

CHANNELS = st.sampled_from(["Spec", "Annotation"])
VALUES = st.sampled_from(["", "a", "b"])
ENDS = st.sampled_from([Outcome.SUCCEEDED, Outcome.PARTIAL_FAILURE, Outcome.FAILED, Outcome.BUSY])
REFUSALS = st.sampled_from(["create", "replace", "status", "get", "create Job", "create Event"])
ERRORS = st.sampled_from([ApiForbidden("no"), ApiUnavailable("down")])


class Requests(RuleBasedStateMachine):
    """One resource, and what becomes of the runs that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {}
        self.annotation = ""
        self.scheduled = 0
        self.served: Counter[Request] = Counter()  # runs that served it and have ended
        self.served_by: dict[Request, set[str]] = {}
        self.due: dict[
            str, tuple[str, set[str]]
        ] = {}  # by channel: value, Jobs that came too early

    @initialize(one_off=st.booleans())
    def begin(self, *, one_off: bool) -> None:
        """Apply the resource."""
        self.spec = {"mode": "OneOff", "schedule": None} if one_off else {}
        self.cluster = Cluster(self.spec)

    # what people do

    @rule(channel=CHANNELS, value=VALUES)
    def ask(self, channel: str, value: str) -> None:
        """Ask for a run, or take the request back."""
        if channel == "Spec":
            self.spec["runRequest"] = value
        else:
            self.annotation = value
        self._apply()

    @rule(zone=st.sampled_from(["Europe/London", "Europe/Berlin"]), suspend=st.booleans())
    def edit_the_spec(self, zone: str, *, suspend: bool) -> None:
        """Change what has nothing to do with requests."""
        self.spec |= {"timeZone": zone, "suspend": suspend}
        self._apply()

    @rule(password=st.sampled_from(["x", "y"]))
    def change_the_secret(self, password: str) -> None:
        """Write the password anew."""
        metadata = {"name": "ad-bind", "namespace": NS}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        self.cluster.api.put(secret | {"data": {"password": password}})

    @rule(data=st.data())
    @precondition(lambda self: self.jobs())
    def delete_a_job(self, data: st.DataObject) -> None:
        """Remove a Job and its pod, whatever it is at."""
        job = data.draw(st.sampled_from(self.jobs()))
        self._remove(job)

    # what the operator does

    @rule()
    def look(self) -> None:
        """Let the operator look; a write may meet a conflict while its copy lags."""
        self._notice()
        with contextlib.suppress(ApiError):
            self.cluster.reconcile()

    @rule(verb=REFUSALS, error=ERRORS)
    def look_while_something_is_refused(self, verb: str, error: ApiError) -> None:
        """Have a quota, a lost Role, an API server that is busy."""
        self.cluster.api.refusals[verb] = error
        self.look()
        self.cluster.api.refusals.clear()

    @rule()
    def look_while_answers_are_lost(self) -> None:
        """Have what is made be there without the operator knowing."""
        create = self.cluster.api.create

        def lost(body: Body) -> Body:
            made = create(body)
            if body["kind"] == "Job":
                raise ApiUnavailable("cut off")
            return made

        self.cluster.api.create = lost  # type: ignore[method-assign]
        self.look()
        del self.cluster.api.create

    @rule()
    def start_the_operator_anew(self) -> None:
        """All that it remembers is gone; its copy is made anew."""
        self.cluster.api.catch_up()
        self.cluster.restart()

    @rule()
    def let_the_watch_lag(self) -> None:
        """Show nothing until it catches up."""
        if self.cluster.api.late is None:
            self.cluster.api.late = []

    @rule()
    def let_the_watch_catch_up(self) -> None:
        """Show all that has happened meanwhile."""
        self.cluster.api.catch_up()

    # what the cluster does

    @rule(minutes=st.sampled_from([0, 2, 90]))
    def wait(self, minutes: int) -> None:
        """Let time pass; a watch does not lag for minutes."""
        if minutes:
            self.cluster.api.catch_up()
        self.cluster.now += timedelta(minutes=minutes)

    @rule(data=st.data(), outcome=ENDS, reports=st.booleans())
    @precondition(lambda self: self.going())
    def end_a_run(self, data: st.DataObject, outcome: Outcome, *, reports: bool) -> None:
        """Let a run end, with its report written or lost; another run's report is overwritten."""
        job = data.draw(st.sampled_from(self.going()))
        self._end(job, outcome, reports=reports)

    @rule()
    def go_on_as_usual(self) -> None:
        """Let all that is going end well, and be told."""
        self.look()
        for job in self.going():
            self._end(job, Outcome.SUCCEEDED)
        self.look()

    @rule(data=st.data())
    @precondition(lambda self: self.going())
    def start_a_pod(self, data: st.DataObject) -> None:
        """Let a pod of a Job run."""
        self.cluster.pod_of(data.draw(st.sampled_from(self.going())), running={})

    @rule(data=st.data())
    @precondition(lambda self: self.going())
    def hold_a_pod_back(self, data: st.DataObject) -> None:
        """Let a pod's image not be there; one that runs goes on."""
        job = data.draw(st.sampled_from(self.going()))
        if self._pod(job) not in self.cluster.api.objects:
            waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
            self.cluster.pod_of(job, waiting=waiting)

    @rule(data=st.data())
    @precondition(lambda self: self.going())
    def pass_the_deadline(self, data: st.DataObject) -> None:
        """End a Job that never had a pod."""
        job = data.draw(st.sampled_from(self.going()))
        if self._pod(job) not in self.cluster.api.objects:
            self.cluster.now += timedelta(minutes=1)
            ended = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
            ended |= {"lastTransitionTime": self.cluster.now.isoformat()}
            self.cluster.api.put({**job, "status": {"conditions": [ended]}})

    @rule()
    def start_by_the_schedule(self) -> None:
        """Let the CronJob make a Job, as Forbid allows."""
        schedule = self.cluster.api.objects.get(ObjectRef("CronJob", NS, "pisync-acme"))
        if not schedule or schedule["spec"]["suspend"] or self._of_the_schedule():
            return
        self.scheduled += 1
        template = schedule["spec"]["jobTemplate"]
        owner = {"kind": "CronJob", "name": "pisync-acme", "uid": schedule["metadata"]["uid"]}
        metadata = template["metadata"] | {
            "name": f"pisync-acme-2938{self.scheduled:04}",
            "namespace": NS,
            "ownerReferences": [owner | {"controller": True}],
        }
        kind = {"apiVersion": "batch/v1", "kind": "Job"}
        self.cluster.api.put({**kind, "metadata": metadata, "spec": template["spec"]})

    # what must hold

    @invariant()
    def nothing_is_called_handled_before_a_run_has_served_it(self) -> None:
        """Done is told only of requests that a run served which has ended."""
        for request in self.recorded():
            if request["phase"] == "Done":
                assert self.served[request["source"], request["value"]], request

    @invariant()
    def no_two_conditions_contradict_each_other(self) -> None:
        """And every False says what happens next."""
        told = self.cluster.get(names.KIND, NAME).get("status", {}).get("conditions", [])
        if not told:
            return
        now = {each["type"]: each for each in told}
        ready, synced = now["Ready"], now["Synced"]
        moving, stalled = (now[kind]["status"] == "True" for kind in ("Reconciling", "Stalled"))
        assert not (moving and stalled)
        if ready["status"] == "True":
            assert not moving
            assert not stalled
        else:
            assert ready["message"]
        if ready["status"] == "False":
            assert synced["reason"] not in {"Succeeded", "WaitingForSchedule"}
        if stalled:
            assert ready["status"] == "False"

    @invariant()
    def the_operator_has_one_job_at_a_time(self) -> None:
        """Beside one of the schedule's, which it cannot hold back."""
        own = [job for job in self.going() if job not in self._of_the_schedule()]
        assert len(own) <= 1, [job["metadata"]["name"] for job in own]

    def teardown(self) -> None:
        """Let all become quiet: then every newest request has been served by a run of its own."""
        if not hasattr(self, "cluster"):
            return
        self.cluster.api.catch_up()
        self.cluster.restart()
        for _ in range(12):
            self.look()
            self.look()
            going = self.going()
            if not going and all(each["phase"] == "Done" for each in self.recorded()):
                break
            for job in going:
                self._end(job, Outcome.SUCCEEDED)
            self.cluster.now += timedelta(minutes=2)
        told = {each["source"]: each for each in self.recorded()}
        for channel, (value, too_early) in self.due.items():
            if value and value == self._asked()[channel]:
                assert told[channel]["phase"] == "Done", told
                assert self.served_by.get((channel, value), set()) - too_early, (channel, value)

    # the reference

    def _asked(self) -> dict[str, str]:
        return {"Spec": self.spec.get("runRequest", ""), "Annotation": self.annotation}

    def _notice(self) -> None:
        """Note which requests the operator is about to see for the first time."""
        shown = self.cluster.api.store.get(ObjectRef(names.KIND, NS, NAME)) or {}
        known = {each["source"]: each["value"] for each in _recorded(shown)}
        asked = {
            "Spec": shown["spec"].get("runRequest", ""),
            "Annotation": shown["metadata"]["annotations"].get(names.RUN_REQUEST_ANNOTATION, ""),
        }
        for channel, value in asked.items():
            if value != known.get(channel, "") and self.due.get(channel, ("",))[0] != value:
                self.due[channel] = (value, set(self.served_by.get((channel, value), ())))

    def _apply(self) -> None:
        told = {names.RUN_REQUEST_ANNOTATION: self.annotation} if self.annotation else {}
        self.cluster.apply(self.spec, **told)

    def _end(self, job: Body, outcome: Outcome, *, reports: bool = True) -> None:
        report = ObjectRef("ConfigMap", NS, names.report(NAME))
        failed = {"exit_code": 20, "reason": "BindRefused"} if outcome is Outcome.FAILED else {}
        busy = {"exit_code": 10, "reason": "Busy"} if outcome is Outcome.BUSY else {}
        reports = reports and outcome is not Outcome.BUSY and report in self.cluster.api.objects
        self.cluster.finish(job, outcome, reports=reports, **failed, **busy)
        if outcome is not Outcome.BUSY:
            for request in _requests_of(job):
                self.served[request] += 1
                self.served_by.setdefault(request, set()).add(job["metadata"]["name"])

    def _remove(self, job: Body) -> None:
        if self._pod(job) in self.cluster.api.objects:
            self.cluster.api.remove(self._pod(job))
        self.cluster.api.remove(ObjectRef.of(job))

    def _pod(self, job: Body) -> ObjectRef:
        return ObjectRef("Pod", NS, f"{job['metadata']['name']}-x")

    def _of_the_schedule(self) -> list[Body]:
        owners = [
            (job, job["metadata"].get("ownerReferences", [{}])[0].get("kind"))
            for job in self.going()
        ]
        return [job for job, owner in owners if owner == "CronJob"]

    def jobs(self) -> list[Body]:
        """Return all Jobs, in an order that does not change."""
        return sorted(self.cluster.jobs(), key=lambda job: str(job["metadata"]["name"]))

    def going(self) -> list[Body]:
        """Return the Jobs that have not ended."""
        return [job for job in self.jobs() if "status" not in job]

    def recorded(self) -> list[dict[str, str]]:
        """Return the requests that status tells of."""
        return _recorded(self.cluster.get(names.KIND, NAME))


def _recorded(resource: Body) -> list[dict[str, str]]:
    found: list[dict[str, str]] = resource.get("status", {}).get("runRequests", [])
    return found


def _requests_of(job: Body) -> list[Request]:
    told = job["metadata"]["annotations"].get(REQUESTS_ANNOTATION, "[]")
    return [(each["source"], each["value"]) for each in json.loads(told)]


def test_no_request_is_lost_in_any_order_of_events() -> None:
    """Nor handled before its time; and conditions never contradict each other."""
    run_state_machine_as_test(
        Requests,
        settings=settings(max_examples=40, stateful_step_count=30, deadline=None),
    )
