"""The chart in a real API server: accepted, enough for what the operator does, and not more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profile_image_sync import names
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.state_header import new_header
from profile_image_sync.controller import manifests
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.controller.installation import OperatorSettings
from testkit.waiting import wait_for
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm, Values
from tests.chart.kubectl import OTHER, TENANT, Kubectl
from tests.support.worker_environment import SPEC, STATE

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
RESOURCE = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "acme", "namespace": TENANT},
    "spec": SPEC,
}
AGGREGATED_SECONDS = 30.0  # until the controller manager has put roles together

MAY = [
    ("get,list,watch,patch", "profileimagesyncs.profileimagesync.io"),
    ("update,patch", "profileimagesyncs.profileimagesync.io/status"),
    ("get,list,watch,create,delete", "jobs.batch"),
    ("get,list,watch,create,patch,delete", "cronjobs.batch"),
    ("get,list,watch,create,update,patch", "configmaps"),
    ("get,create,update,patch", "secrets"),
    ("get,create,patch", "serviceaccounts"),
    ("get,create,patch", "roles.rbac.authorization.k8s.io"),
    ("get,create,patch", "rolebindings.rbac.authorization.k8s.io"),
    ("get,create,update,patch", "leases.coordination.k8s.io"),
    ("create,patch", "events"),
    ("create,patch", "events.events.k8s.io"),
]
MAY_NOT = [
    ("list,watch,delete", "secrets"),
    ("delete,deletecollection", "configmaps"),
    ("create,update,delete", "profileimagesyncs.profileimagesync.io"),
    ("patch,update", "jobs.batch"),
    ("create,get,list,delete", "pods"),
    ("create", "pods/exec"),
    ("escalate,bind,delete,list", "roles.rbac.authorization.k8s.io"),
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


def test_the_api_server_takes_everything_strictly(helm: Helm, kubectl: Kubectl) -> None:
    """No unknown field, no wrong type, and nothing to warn of."""
    text = helm.render().text
    replace(kubectl, namespace=NAMESPACE)(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--validate=strict",
        "--dry-run=server",
        "-f",
        "-",
        body=text,
    )


def test_the_operator_may_do_its_work_everywhere(operator: Kubectl) -> None:
    """In namespaces that are made after the operator, too."""
    answers = replace(operator, namespace="made-later").can(MAY)
    assert [at for at, allowed in answers.items() if not allowed] == []


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


def test_the_operators_rights_are_enough_for_a_tenant(kubectl: Kubectl, operator: Kubectl) -> None:
    """All that it makes for a resource is made here with its rights, down to a run's own Role."""
    kubectl("create", "-f", "-", body=RESOURCE)
    resource = operator.get("profileimagesync", "acme")
    tenant = Tenant.of(
        ProfileImageSync.model_validate(
            {key: resource[key] for key in ("apiVersion", "kind", "metadata", "spec")}
        ),
        resource["metadata"]["uid"],
    )
    settings = _settings(operator)
    cron_job = manifests.cron_job(tenant, str(STATE), settings, suspend=True)
    assert cron_job
    for body in (
        *manifests.worker_objects(tenant),
        manifests.state_header(tenant, new_header(STATE)),
    ):
        operator("create", "-f", "-", "--validate=strict", body=body)
    for body in (*manifests.rbac(tenant), cron_job):
        operator("apply", "--server-side", "--validate=strict", "-f", "-", body=body)
    child = names.child("acme")
    operator("create", "job", "first", f"--from=cronjob/{child}")
    operator("wait", "job/first", "--for=jsonpath={.status.active}=1", "--timeout=60s")
    operator("replace", "--subresource=status", "-f", "-", body=resource)
    operator("delete", "job/first")  # first: the garbage collector takes it with the CronJob
    operator("delete", f"cronjob/{child}")


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
    for outside in (TENANT, NAMESPACE):
        assert set(replace(inside, namespace=outside).can(MAY).values()) == {False}


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
