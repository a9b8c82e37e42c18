"""What the operator writes: names, labels, owners, rights, and a pod that may do nothing else."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.status import RequestPhase, RequestSource, RunRequest, Trigger
from profile_image_sync.controller import manifests
from profile_image_sync.controller.bodies import (
    REQUESTS_ANNOTATION,
    Body,
    Tenant,
    digest,
    with_spec_hash,
)
from profile_image_sync.controller.drift import Defaults, needs_update
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.pod_template import RunParameters
from tests.support.snapshots import ONE_OFF, STATE, observed

SETTINGS = OperatorSettings(worker_image="registry.example/sync:1")
LONGEST = "a" * 40


def tenant(spec: dict[str, Any] | None = None, name: str = "acme") -> Tenant:
    """Invent a resource."""
    model = observed(spec).tenant.spec
    return Tenant(name, "tenant-acme", "uid-1", 3, model)


def asked(*values: str) -> RunParameters:
    """Return the parameters of a run that serves these requests."""
    pending = RequestPhase.PENDING
    requests = [RunRequest(source=RequestSource.SPEC, value=v, phase=pending) for v in values]
    return RunParameters(str(STATE), Trigger.REQUEST, tuple(requests))


def everything(made: Tenant) -> list[Body]:
    """Return every body that a resource can have."""
    schedule = manifests.cron_job(made, str(STATE), SETTINGS, suspend=False)
    job = manifests.job(made, asked("now"), "0a1b2c3d", SETTINGS)
    state = manifests.state_header(made, new_header(UUID(int=1)))
    return [
        *manifests.rbac(made),
        *manifests.worker_objects(made),
        state,
        job,
        *([schedule] if schedule else []),
    ]


def test_no_childs_name_needs_shortening() -> None:
    """A resource's name has at most 40 characters; a CronJob's 52, a label's value 63."""
    for body in everything(tenant(name=LONGEST)):
        limit = 52 if body["kind"] == "CronJob" else 63
        assert len(body["metadata"]["name"]) <= limit
        assert all(len(value) <= 63 for value in body["metadata"]["labels"].values())


def test_children_go_with_the_resource_and_state_and_tokens_stay() -> None:
    """A controller reference that blocks nothing; none on what is retained."""
    for body in everything(tenant()):
        name, owners = body["metadata"]["name"], body["metadata"].get("ownerReferences", [])
        if name.endswith("-state") or name.startswith("pisync-token-"):
            assert owners == []
        else:
            (owner,) = owners
            assert (owner["uid"], owner["controller"]) == ("uid-1", True)
            assert owner["blockOwnerDeletion"] is False


def test_the_workers_pod_passes_pod_security_restricted() -> None:
    """Numeric user, no privileges, read-only root."""
    job = manifests.job(tenant(), asked(), "0a1b2c3d", SETTINGS)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_only_the_named_keys_of_the_named_secrets_are_mounted() -> None:
    """Optional: the worker itself says which one is missing."""
    job = manifests.job(tenant(), asked(), "0a1b2c3d", SETTINGS)
    (volume,) = job["spec"]["template"]["spec"]["volumes"]
    mounted = {
        source["secret"]["name"]: [item["key"] for item in source["secret"]["items"]]
        for source in volume["projected"]["sources"]
    }
    assert mounted == {
        "ad-bind": ["username", "password"],
        "highq-oauth": ["clientId", "clientSecret", "refreshToken"],
    }
    assert all(source["secret"]["optional"] for source in volume["projected"]["sources"])


def test_the_worker_may_reach_the_named_objects_only() -> None:
    """No list, no watch, no delete; `create` on ConfigMaps alone, which RBAC cannot bound by name."""
    (role,) = [body for body in manifests.rbac(tenant()) if body["kind"] == "Role"]
    for rule in role["rules"]:
        if rule["verbs"] == ["create"]:
            assert rule["resources"] == ["configmaps"]
        else:
            assert rule["verbs"] == ["get", "update"]
            assert rule["resourceNames"]


@pytest.mark.parametrize("code", [10, 20])
def test_what_would_end_alike_is_not_tried_again(code: int) -> None:
    """Busy and `a person must act` fail the Job at once; a drained node counts for nothing."""
    job = manifests.job(tenant(), asked(), "0a1b2c3d", SETTINGS)
    final, drained = job["spec"]["podFailurePolicy"]["rules"]
    assert final["action"] == "FailJob"
    assert code in final["onExitCodes"]["values"]
    assert drained["action"] == "Ignore"


def test_a_one_off_resource_without_a_schedule_has_no_cron_job() -> None:
    """A single Job."""
    assert manifests.cron_job(tenant(ONE_OFF), str(STATE), SETTINGS, suspend=False) is None


def test_random_schedules_are_spread_and_stable() -> None:
    """@daily-random becomes five fields, the same ones each time."""
    first, again = (
        manifests.cron_job(
            tenant({"schedule": "@daily-random"}), str(STATE), SETTINGS, suspend=False
        )
        for _ in range(2)
    )
    assert first == again
    assert first is not None
    assert len(first["spec"]["schedule"].split()) == 5
    assert first["spec"]["concurrencyPolicy"] == "Forbid"


DRIFT = {
    "defaults of the API server are no drift": ({"a": 1}, {"a": 1, "b": 2}, False),
    "in lists neither": ({"a": [{"n": "x"}]}, {"a": [{"n": "x", "d": 1}]}, False),
    "an edit is": ({"a": {"b": 1}}, {"a": {"b": 2}}, True),
    "something absent is": ({"a": {"b": 1}}, {"a": {}}, True),
    "an item fewer is": ({"a": ["x", "y"]}, {"a": ["x"]}, True),
    "a number in place of a list is": ({"a": ["x"]}, {"a": 5}, True),
    "an item more is": ({"a": ["x"]}, {"a": ["x", "y"]}, True),
    "quantities are compared as such": (
        {"limits": {"cpu": "1000m"}},
        {"limits": {"cpu": "1"}},
        False,
    ),
    "however they are written": (
        {"requests": {"m": "1.5Gi"}},
        {"requests": {"m": "1536Mi"}},
        False,
    ),
    "also small ones": ({"requests": {"cpu": "0.5m"}}, {"requests": {"cpu": "500u"}}, False),
    "what is no quantity is itself": ({"limits": {"m": "a"}}, {"limits": {"m": "a"}}, False),
    "what is empty may be left out": ({"a": {"b": ""}, "c": {}, "d": []}, {"a": {}}, False),
    "what is gone with a value is": ({"a": {"b": 1}}, {}, True),
    "no is not left out": ({"a": False}, {"a": True}, True),
    "an object in place of a word is": ({"a": "x"}, {"a": {"x": 1}}, True),
    "another quantity is": ({"limits": {"cpu": "500m"}}, {"limits": {"cpu": "1"}}, True),
}


@pytest.mark.parametrize("case", DRIFT.values(), ids=DRIFT.keys())
def test_only_what_we_set_is_held_against_what_is_there(case: tuple[Body, Body, bool]) -> None:
    """Nothing is applied when nothing differs."""
    wanted, live, drifted = case
    assert needs_update(wanted, live) is drifted


def test_an_update_of_the_operator_that_changes_no_child_writes_none() -> None:
    """A child bears the digest that the last version made of it."""
    assert digest({"b": {"c": 2}, "a": 1}) == digest({"a": 1, "b": {"c": 2}}) == "0bd306a2fd546e32"


QUANTITIES = [
    ("1", "1000m"), ("1m", "1000u"), ("1u", "1000n"), ("1k", "1000"), ("1M", "1000k"),
    ("1G", "1000M"), ("1T", "1000G"), ("1P", "1000T"), ("1E", "1000P"), ("1Ki", "1024"),
    ("1Mi", "1024Ki"), ("1Gi", "1024Mi"), ("1Ti", "1024Gi"), ("1Pi", "1024Ti"),
    ("1Ei", "1024Pi"), ("2e3", "2k"), ("5e-1", "500m"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "stored"), QUANTITIES)
def test_a_quantity_is_the_same_however_the_api_server_writes_it(written: str, stored: str) -> None:
    """Else the operator would write the same object for ever."""
    wanted, live = {"limits": {"m": written}}, {"limits": {"m": stored}}
    assert not needs_update(wanted, live)
    assert needs_update(wanted, {"limits": {"m": f"1{stored}"}})


def test_words_that_are_no_quantities_differ_as_words() -> None:
    """A mistake in a manifest must not look like no change."""
    assert needs_update({"limits": {"m": "1K"}}, {"limits": {"m": "1000"}})
    assert needs_update({"a": "1000m"}, {"a": "1"})


def test_a_field_that_is_no_longer_wanted_is_noticed() -> None:
    """Only what is wanted is compared; the digest of all of it tells that there was more."""
    more = manifests.cron_job(
        tenant({"job": {"nodeSelector": {"disk": "fast"}}}), str(STATE), SETTINGS, suspend=False
    )
    less = manifests.cron_job(tenant(), str(STATE), SETTINGS, suspend=False)
    assert more
    assert less
    live = with_spec_hash(more)
    assert not needs_update(with_spec_hash(more), live)
    assert needs_update(with_spec_hash(less), live)


@pytest.mark.parametrize(
    "requests", [(), ("now",), ("two\nlines", "and ü"), ("[]",), ("$(HOME)", "a$$b", "$")]
)
def test_a_job_says_which_requests_it_serves(requests: tuple[str, ...]) -> None:
    """Whatever people write into an annotation; it reaches the worker byte for byte."""
    job = manifests.job(tenant(), asked(*requests), "0a1b2c3d", SETTINGS)
    said = json.loads(job["metadata"]["annotations"][REQUESTS_ANNOTATION])
    assert [each["value"] for each in said] == list(requests)
    assert run_spec_of(job).requests == requests


def run_spec_of(job: Body) -> RunSpec:
    """Read the run spec as the worker does: after Kubernetes has expanded the variables."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    expanded = re.sub(
        r"\$(\$|\(\w+\))", lambda m: "$" if m[1] == "$" else "", container["env"][0]["value"]
    )
    return RunSpec.model_validate_json(expanded)


def test_the_run_spec_is_a_snapshot_of_the_spec() -> None:
    """The worker never reads the live resource: no run sees half a change."""
    made = tenant({"dryRun": True})
    job = manifests.job(made, asked(), "0a1b2c3d", SETTINGS)
    run_spec = run_spec_of(job)
    assert (run_spec.spec, run_spec.generation, run_spec.state_id) == (made.spec, 3, STATE)
    assert (run_spec.namespace, run_spec.name) == ("tenant-acme", "acme")


def test_the_charts_values_reach_the_pods_and_our_labels_win() -> None:
    """Pull secrets, priority, volumes, environment; a chart cannot take a Job from its resource."""
    volume = {"name": "firm-ca", "configMap": {"name": "firm-ca"}}
    mount = {"name": "firm-ca", "mountPath": "/etc/firm-ca", "readOnly": True}
    settings = OperatorSettings(
        worker_image="any",
        image_pull_secrets=("registry",),
        pod_labels={"team": "x", "profileimagesync.io/sync": "stolen"},
        pod_annotations={"note": "y"},
        priority_class_name="batch",
        affinity={"nodeAffinity": {}},
        env={"HTTPS_PROXY": "http://proxy:3128"},
        volumes=(volume,),
        volume_mounts=(mount,),
    )
    template = manifests.job(tenant(), asked(), "0a1b2c3d", settings)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "x"
    assert template["metadata"]["labels"]["profileimagesync.io/sync"] == "acme"
    assert template["metadata"]["annotations"] == {"note": "y"}
    pod = template["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert (pod["priorityClassName"], pod["affinity"]) == ("batch", {"nodeAffinity": {}})
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in pod["containers"][0]["env"]
    assert pod["volumes"][1:] == [volume]
    assert pod["containers"][0]["volumeMounts"][1:] == [mount]


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("*/5 * * * *", 300), ("*/15 * * * *", 300), ("@hourly", 900), ("@daily", 3600),
     ("@monthly", 3600), ("0 0 29 2 *", 3600)],
)  # fmt: skip
def test_a_missed_slot_may_be_made_up_for_a_quarter_of_the_cadence(
    schedule: str, seconds: int
) -> None:
    """A control plane that is away for six minutes does not lose a month."""
    made = manifests.cron_job(tenant({"schedule": schedule}), str(STATE), SETTINGS, suspend=False)
    assert made is not None
    assert made["spec"]["startingDeadlineSeconds"] == seconds


def test_services_of_the_namespace_do_not_reach_the_pod() -> None:
    """One called `profile-image-sync-order` would replace the run spec by an address."""
    job = manifests.job(tenant(), asked(), "0a1b2c3d", SETTINGS)
    assert job["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_pod_knows_its_jobs_name() -> None:
    """The run's id is its suffix: status, Job and every line of the log are tied together."""
    job = manifests.job(tenant(), asked(), "0a1b2c3d", SETTINGS)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    paths = {
        each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"]
        for each in container["env"]
        if "valueFrom" in each
    }
    assert "job-name" in paths["PROFILE_IMAGE_SYNC_JOB_NAME"]
    assert "controller-uid" in paths["PROFILE_IMAGE_SYNC_JOB"]


def test_a_history_limit_of_none_keeps_a_job_until_status_tells_of_it() -> None:
    """The CronJob's controller would remove it before anybody has looked; the operator removes it then."""
    none = {"job": {"failedJobsHistoryLimit": 0, "successfulJobsHistoryLimit": 0}}
    made = manifests.cron_job(tenant(none), str(STATE), SETTINGS, suspend=False)
    assert made is not None
    assert made["spec"]["failedJobsHistoryLimit"] == 1
    assert made["spec"]["successfulJobsHistoryLimit"] == 1


ADDED = {
    "nothing": ({"spec": {"a": 1}}, {"spec": {"a": 1}}, False),
    "a field": ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": 2}}, True),
    "a field further down": ({"spec": {"a": [{"b": 1}]}}, {"spec": {"a": [{"b": 1, "c": 2}]}}, True),
    "what is empty": ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": {}, "c": None, "d": []}}, False),
    "a default of the API server": ({"spec": {}}, {"spec": {"dnsPolicy": "ClusterFirst"}}, False),
    "another value than the default": ({"spec": {}}, {"spec": {"dnsPolicy": "None"}}, True),
    "the old name of a field": (
        {"spec": {"serviceAccountName": "a"}},
        {"spec": {"serviceAccountName": "a", "serviceAccount": "a"}},
        False,
    ),
    "a subject": (
        {"kind": "RoleBinding", "subjects": [{"name": "a"}]},
        {"subjects": [{"name": "a", "apiGroup": "x"}]},
        True,
    ),
    "in the metadata": ({"metadata": {}}, {"metadata": {"labels": {"theirs": "1"}}}, False),
    "a rule": ({"kind": "Role", "rules": []}, {"rules": [{"verbs": ["*"]}]}, True),
    "pull secrets of an account": (
        {"kind": "ServiceAccount"}, {"imagePullSecrets": [{"name": "a"}]}, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ADDED.values(), ids=ADDED.keys())
def test_what_others_add_to_what_is_ours_is_drift(case: tuple[Body, Body, bool]) -> None:
    """And is no drift once the API server itself has made it of our own write."""
    wanted, live, drifted = case
    wanted = {"kind": "CronJob"} | wanted
    live = live | {"kind": wanted["kind"]}
    defaults = Defaults()
    assert defaults.drifted(wanted, live) is drifted
    if drifted and wanted["kind"] == "CronJob":
        defaults.learn(wanted, live)
        assert not defaults.drifted(wanted, live)


def test_an_owner_that_others_add_is_theirs() -> None:
    """A pod owns what it needs while it runs."""
    ours, pod = {"uid": "1"}, {"uid": "2"}
    wanted = {"metadata": {"ownerReferences": [ours]}}
    assert not needs_update(wanted, {"metadata": {"ownerReferences": [ours, pod]}})
    assert needs_update(wanted, {"metadata": {"ownerReferences": [pod]}})


def test_what_a_webhook_adds_is_learnt_place_by_place() -> None:
    """In any order of its fields; a second thing that it added elsewhere need not be there each time."""
    defaults = Defaults()
    wanted = {"kind": "CronJob", "spec": {"a": {}}}
    defaults.learn(wanted, wanted | {"spec": {"a": {"x": {"b": 1, "c": 2}, "y": 3}}})
    assert not defaults.drifted(wanted, wanted | {"spec": {"a": {"x": {"c": 2, "b": 1}}}})
    assert defaults.drifted(wanted, wanted | {"spec": {"a": {"x": {"c": 3, "b": 1}}}})


@pytest.mark.parametrize("stored", [["x", "y"], [], "x", {"x": 1}])
def test_what_the_api_server_made_otherwise_is_drift_for_good(stored: object) -> None:
    """A webhook that replaces what we set is told, run after run; it must not break the operator."""
    defaults, wanted = Defaults(), {"kind": "CronJob", "spec": {"a": ["x"], "b": {"c": 1}}}
    for live in ({"a": stored, "b": {"c": 1}}, {"a": ["x"], "b": stored}):
        defaults.learn(wanted, {"kind": "CronJob", "spec": live})
        assert defaults.drifted(wanted, {"kind": "CronJob", "spec": live})
