"""The chart in a real API server: accepted, enough for what the operator does, and not more."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from profile_image_sync import names
from profile_image_sync.controller.installation import OperatorSettings
from testkit.waiting import wait_for
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Document, Helm, Values
from tests.chart.kubectl import OTHER, TENANT, Kubectl
from tests.support.operator import running_operator
from tests.support.worker_environment import SPEC

KIND = "profileimagesync"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
RESOURCE = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "acme", "namespace": TENANT},
    "spec": SPEC,
}
AGGREGATED_SECONDS = 30.0  # until the controller manager has put roles together

MAY = [
    ("list,watch", "profileimagesyncs.profileimagesync.io"),
    ("update", "profileimagesyncs.profileimagesync.io/status"),
    ("get,list,watch,create,delete", "jobs.batch"),
    ("list,watch", "pods"),
    ("get,list,watch,create,update,patch,delete", "cronjobs.batch"),
    ("get,list,watch,create,update,patch", "configmaps"),
    ("get,create,update", "secrets"),
    ("get,list,watch,create,update", "serviceaccounts"),
    ("get,list,watch,create,update", "roles.rbac.authorization.k8s.io"),
    ("get,list,watch,create,update", "rolebindings.rbac.authorization.k8s.io"),
    ("get,list,watch,create,update,patch", "leases.coordination.k8s.io"),
    ("create", "events.events.k8s.io"),
]
MAY_NOT = [
    ("list,watch,delete,patch", "secrets"),
    ("delete,deletecollection", "configmaps"),
    ("create,update,patch,delete", "profileimagesyncs.profileimagesync.io"),
    ("patch,update", "jobs.batch"),
    ("create,get,update,delete", "pods"),
    ("create", "pods/exec"),
    ("escalate,bind,delete,patch", "roles.rbac.authorization.k8s.io"),
    ("create,patch", "events"),
    ("create", "serviceaccounts/token"),
    ("impersonate", "serviceaccounts"),
    ("create,patch", "deployments.apps"),
]
NOWHERE = [  # of the whole cluster
    ("get,create,patch", "clusterroles.rbac.authorization.k8s.io"),
    ("list,watch,get", "namespaces"),
    ("list,watch,get", "customresourcedefinitions.apiextensions.k8s.io"),
    ("get,list", "nodes"),
]


@pytest.fixture(scope="module")
def operator(kubectl: Kubectl) -> Kubectl:
    """Give a kubectl with the rights of the operator."""
    return replace(kubectl, user=OPERATOR)


@pytest.mark.parametrize("name", ["default", "everything"])
def test_the_api_server_takes_everything_strictly(helm: Helm, kubectl: Kubectl, name: str) -> None:
    """No unknown field, no wrong type, and nothing to warn of; but for the Prometheus Operator's kinds."""
    extras = {
        "networkPolicy": {"create": True},
        "metrics": {"dashboard": {"create": True}},
        "watch": {"namespaces": [TENANT]},
        "env": {"SSL_CERT_FILE": "/etc/corp-ca/ca.crt"},
        "volumes": [{"name": "corp-ca", "configMap": {"name": "corp-ca"}}],
        "volumeMounts": [{"name": "corp-ca", "mountPath": "/etc/corp-ca", "readOnly": True}],
    }
    text = helm.render(extras if name == "everything" else None).text
    strictly = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")
    replace(kubectl, namespace="")("apply", *strictly, "-f", "-", body=text)


def test_the_operator_may_do_its_work_everywhere(operator: Kubectl) -> None:
    """In namespaces that are made after the operator, too."""
    answers = replace(operator, namespace="made-later").can(MAY)
    assert [at for at, allowed in answers.items() if not allowed] == []


def test_can_i_lists_the_written_rights_and_no_others(operator: Kubectl) -> None:
    """`kubectl auth can-i --list` of its account, without what everybody may: nothing more, nothing less."""
    written = {(verb, resource, "") for verbs, resource in MAY for verb in verbs.split(",")}
    for namespace in ("made-later", NAMESPACE):
        at = replace(operator, namespace=namespace)
        assert _listed(at) - _listed(replace(at, user="anybody")) == written


def _listed(person: Kubectl) -> set[tuple[str, str, str]]:
    """Return verb, resource and name ("": any) of each right to a resource."""
    lines = person("auth", "can-i", "--list", "--no-headers").splitlines()
    found = [re.fullmatch(r"(\S*) +\[.*?\] +\[(.*?)\] +\[(.*)\]\s*", line) for line in lines]
    rights = [each.groups() for each in found if each and each[1]]
    return {(verb, at, name) for at, name, verbs in rights for verb in verbs.split()}


def test_the_operator_may_do_nothing_else(operator: Kubectl) -> None:
    """Neither where it serves nor in its own namespace."""
    for namespace in (TENANT, NAMESPACE):
        answers = replace(operator, namespace=namespace).can(MAY_NOT)
        assert [at for at, allowed in answers.items() if allowed] == []
    answers = replace(operator, namespace="").can(NOWHERE)
    assert [at for at, allowed in answers.items() if allowed] == []


def test_what_is_installed_makes_a_restricted_pod(kubectl: Kubectl) -> None:
    """In a namespace that enforces Pod Security `restricted`, the operator's pod is let in."""
    at = replace(kubectl, namespace=NAMESPACE)
    at("wait", f"deployment/{RELEASE}", "--for=jsonpath={.status.replicas}=1", "--timeout=60s")


def test_the_operators_rights_are_what_it_uses(kubectl: Kubectl, tmp_path: Path) -> None:
    """It serves a resource through its life with the chart's rights: none is missing, and none is idle."""
    admin = replace(kubectl, namespace=TENANT)
    log = kubectl.control_plane.audit_log
    since = log.stat().st_size
    settings = _settings(kubectl).model_dump()
    kubeconfig = _kubeconfig(kubectl, tmp_path)
    with running_operator(kubeconfig, **settings | {"namespaces": settings["watch_namespaces"]}):
        admin("apply", "-f", "-", body=RESOURCE)
        wait_for("a Job", lambda: admin.get("jobs")["items"])
        account = ("serviceaccount", "pisync-acme")
        wait_for("its pod's", lambda: len(admin.get(*account)["metadata"]["ownerReferences"]) > 1)
        patches = {
            "cronjob": {"spec": {"suspend": True}},
            "role": {"rules": []},
            "rolebinding": {"subjects": []},
            "serviceaccount": {"metadata": {"labels": {names.COMPONENT_LABEL: "other"}}},
            "lease": {"metadata": {"labels": {names.COMPONENT_LABEL: "other"}}},
        }
        for kind, patch in patches.items():
            admin("patch", kind, "pisync-acme", "--type=merge", "--patch", json.dumps(patch))
        wait_for("repairs", lambda: admin.get("role", "pisync-acme")["rules"])
        admin("delete", "jobs", "--all")
        wait_for("another Job", lambda: admin.get("jobs")["items"])
        owned = {"state": {"deletionPolicy": "Delete"}, "highq": {"url": "https://evil.example/a"}}
        for change in ({"state": owned["state"]}, {"highq": owned["highq"]}):
            admin("patch", KIND, "acme", "--type=merge", "--patch", json.dumps({"spec": change}))
            generation = admin.get(KIND, "acme")["metadata"]["generation"]
            wait_for("it is seen", lambda: _observed(admin) == generation)  # noqa: B023
        one_off = {"spec": {"mode": "OneOff", "schedule": None, "highq": SPEC["highq"]}}
        admin("patch", KIND, "acme", "--type=merge", "--patch", json.dumps(one_off))
        wait_for("no schedule", lambda: not admin.get("cronjobs")["items"])
    asked = [each for each in _audited(log, since) if OPERATOR in each["user"]["username"]]
    refused = [each["requestURI"] for each in asked if each["responseStatus"]["code"] == 403]
    assert refused == []
    used = {_right(each) for each in asked if "objectRef" in each}
    held = {(verb, resource) for verbs, resource in MAY for verb in verbs.split(",")}
    granted = {  # to the runs, so it must hold them
        *(("update", resource) for resource in ("configmaps", "secrets")),
        *(("get", resource) for resource in ("configmaps", "leases.coordination.k8s.io")),
    }
    in_doubt = {
        ("get", resource) for verb, resource in held if verb == "create"
    }  # after a conflict
    assert used <= held
    assert held - used <= granted | in_doubt | {("delete", "jobs.batch")}


def _observed(admin: Kubectl) -> int:
    found: int = admin.get(KIND, "acme").get("status", {}).get("observedGeneration", 0)
    return found


def _audited(log: Path, since: int) -> list[Document]:
    with log.open("rb") as lines:
        lines.seek(since)
        return [json.loads(line) for line in lines if line.strip()]


def _right(entry: Document) -> tuple[str, str]:
    """Return what was asked for as `kubectl auth can-i` names it."""
    at = entry["objectRef"]
    group = f".{at['apiGroup']}" if at.get("apiGroup") else ""
    part = f"/{at['subresource']}" if at.get("subresource") else ""
    return entry["verb"], f"{at['resource']}{group}{part}"


def _kubeconfig(kubectl: Kubectl, folder: Path) -> Path:
    """Return the kubeconfig of the operator's ServiceAccount."""
    token = replace(kubectl, namespace=NAMESPACE)("create", "token", RELEASE).strip()
    config = json.loads(kubectl.control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_the_operator_cannot_grant_more_than_it_has(operator: Kubectl) -> None:
    """It writes Roles, and yet cannot widen its own rights by them."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "wide", "namespace": TENANT},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}],
    }
    done = operator.run("create", "-f", "-", body=role)
    assert done.returncode != 0
    assert "attempting to grant RBAC permissions not currently held" in done.stderr


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", "get,list,watch", "create,update,patch,delete"),
        ("edit", "get,list,watch,create,update,patch,delete,deletecollection", "escalate"),
        ("admin", "get,list,watch,create,update,patch,delete,deletecollection", "escalate"),
    ],
)
def test_people_with_the_clusters_roles_see_or_change_resources(
    kubectl: Kubectl, role: str, may: str, may_not: str
) -> None:
    """Without a line of RBAC from whoever runs the cluster."""
    resource = f"{names.PLURAL}.{names.GROUP}"
    kubectl("create", "rolebinding", f"a-{role}", f"--clusterrole={role}", f"--user=a-{role}")
    person = replace(kubectl, user=f"a-{role}")
    wait_for(
        "the aggregated role",
        lambda: all(person.can([(may, resource)]).values()),
        AGGREGATED_SECONDS,
    )
    assert set(person.can([(may_not, resource), ("patch", f"{resource}/status")]).values()) == {
        False
    }


def test_an_operator_of_one_namespace_may_nothing_elsewhere(helm: Helm, kubectl: Kubectl) -> None:
    """A second release beside the first, bound to one tenant."""
    values = {
        "watch": {"namespaces": [OTHER]},
        "crds": {"install": False},
        "rbac": {"aggregateClusterRoles": False},
    }
    helm.do(
        "install", "narrow", str(CHART), values=values, kubeconfig=kubectl.control_plane.kubeconfig
    )
    narrow = f"system:serviceaccount:{NAMESPACE}:narrow-{RELEASE}"
    inside = Kubectl(kubectl.control_plane, narrow, OTHER)
    assert set(inside.can(MAY).values()) == {True}
    assert set(inside.can(MAY_NOT).values()) == {False}
    assert set(replace(inside, namespace=TENANT).can(MAY).values()) == {False}
    beside = replace(inside, namespace=NAMESPACE).can(MAY)  # but for the leader's Lease
    assert {resource for (_, resource), may in beside.items() if may} == {
        "leases.coordination.k8s.io"
    }


@pytest.mark.parametrize(
    ("values", "warns"),
    [
        ({}, "allow.directoryHosts"),
        ({"allow": {"directoryHosts": ["*.corp.example"]}}, ""),
        ({"watch": {"namespaces": ["a"]}}, "packaging/admission-policy.yaml"),
        ({"watch": {"namespaces": ["a"]}, "admissionPolicy": {"install": False}}, "directoryHosts"),
    ],
    ids=str,
)
def test_the_notes_warn_of_what_is_left_open(
    helm: Helm, kubectl: Kubectl, values: Values, warns: str
) -> None:
    """Whoever installs reads which hosts may be named, and who may name Secrets."""
    admin = kubectl.control_plane.kubeconfig
    tried = helm.do("upgrade", RELEASE, str(CHART), "--dry-run", values=values, kubeconfig=admin)
    notes = tried.partition("NOTES:")[2]
    assert "kubectl get profileimagesyncs" in notes
    assert ("WARNING" in notes) is bool(warns)
    assert warns in notes
    assert ("admission-policy.yaml" in notes) is (warns == "packaging/admission-policy.yaml")


def test_uninstalling_leaves_resources_and_installing_takes_over(
    helm: Helm, kubectl: Kubectl
) -> None:
    """The CRD stays, and so does every resource; only the operator goes and comes back."""
    kept = RESOURCE | {"metadata": {"name": "kept", "namespace": OTHER}}
    at = replace(kubectl, namespace=OTHER)
    at("create", "-f", "-", body=kept)
    before = at.get("profileimagesync", "kept")
    helm.do("uninstall", RELEASE, kubeconfig=kubectl.control_plane.kubeconfig)
    assert kubectl.run("get", f"clusterrole/{RELEASE}").returncode != 0
    assert at.get("profileimagesync", "kept") == before
    helm.do("install", RELEASE, str(CHART), kubeconfig=kubectl.control_plane.kubeconfig)
    assert at.get("profileimagesync", "kept") == before
    helm.do("upgrade", RELEASE, str(CHART), kubeconfig=kubectl.control_plane.kubeconfig)


def _settings(operator: Kubectl) -> OperatorSettings:
    """Return the settings of the installed operator, as its pod finds them."""
    administrator = Kubectl(operator.control_plane, namespace=NAMESPACE)
    data = administrator.get("configmap", RELEASE)["data"]
    return OperatorSettings.model_validate_json(data["operator.json"])


def test_a_release_of_another_name_takes_the_crd_over_when_told(
    helm: Helm, kubectl: Kubectl
) -> None:
    """What uninstalling has left belongs to the old name; `--take-ownership` hands it on."""
    admin = kubectl.control_plane.kubeconfig
    helm.do("uninstall", RELEASE, kubeconfig=admin)
    place = f"--namespace={NAMESPACE}"
    refused = helm.run("install", "renamed", str(CHART), place, kubeconfig=admin)
    assert 'must equal "renamed"' in refused.stderr
    helm.do("install", "renamed", str(CHART), "--take-ownership", kubeconfig=admin)
    kept = replace(kubectl, namespace=OTHER).get("profileimagesync", "kept")
    assert "deletionTimestamp" not in kept["metadata"]
