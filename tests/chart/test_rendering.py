"""What the chart makes of its values, without a cluster. UPDATE_SNAPSHOTS=1 writes the snapshots anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from profile_image_sync.api import crd
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.controller import manifests
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.controller.installation import FILE
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Document, Helm, Values
from tests.support.worker_environment import SPEC

HERE = Path(__file__).parent
RICH: Values = yaml.safe_load((HERE / "rich.yaml").read_text())
TENANT = Tenant("acme", "tenant-acme", "uid", 1, ProfileImageSyncSpec.model_validate(SPEC))
DIGEST = "sha256:" + "a" * 64


def rights(rules: list[Document]) -> set[tuple[str, str, str]]:
    """Return (group, resource, verb) of all rules, whichever objects they name."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def operator_role(helm: Helm) -> Document:
    """Return the ClusterRole of the operator itself."""
    roles = helm.render().all("ClusterRole")
    (found,) = [role for role in roles if role["metadata"]["name"] == RELEASE]
    return found


def test_the_chart_has_no_lint(helm: Helm) -> None:
    """`helm lint --strict` finds nothing."""
    done = helm.run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("name", "values"), [("default", None), ("rich", RICH)])
def test_what_is_made_is_what_was_reviewed(helm: Helm, name: str, values: Values | None) -> None:
    """Every change of the objects shows in a review; the CRD has a test of its own."""
    definition = "kind: CustomResourceDefinition"
    parts = helm.render(values).text.split("---\n")
    made = "---\n".join(part for part in parts if definition not in part)
    snapshot = HERE / f"snapshots/{name}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(made)
    assert made == snapshot.read_text()


def test_a_package_makes_the_same_as_the_folder(helm: Helm, tmp_path: Path) -> None:
    """Nothing that the templates read is left out of the archive."""
    done = helm.run("package", str(CHART), f"--destination={tmp_path}")
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.iterdir()
    assert helm.render(chart=package).documents == helm.render().documents


def test_the_operator_finds_its_settings_where_it_looks(helm: Helm) -> None:
    """The ConfigMap is mounted as the file that the operator reads."""
    rendered = helm.render()
    (mount,) = [
        each["mountPath"]
        for each in rendered.container()["volumeMounts"]
        if each["name"] == "settings"
    ]
    assert Path(mount) / "operator.json" == FILE
    (volume,) = [
        each["configMap"]["name"]
        for each in rendered.pod()["spec"]["volumes"]
        if each["name"] == "settings"
    ]
    assert volume == rendered.one("ConfigMap")["metadata"]["name"]


def test_every_value_reaches_the_operators_settings(helm: Helm) -> None:
    """The operator's own model reads what the chart writes, special characters and all."""
    settings = helm.render(RICH).settings()
    worker = RICH["worker"]
    assert settings.worker_image == worker["image"]
    assert settings.worker_image_pull_policy == "Always"
    assert settings.image_pull_secrets == ("registry", "spare")
    assert settings.pod_labels == worker["podLabels"]
    assert settings.pod_annotations == worker["podAnnotations"]
    assert settings.priority_class_name == worker["priorityClassName"]
    assert settings.affinity == worker["affinity"]
    assert settings.env == worker["env"]
    assert settings.allow.model_dump(by_alias=True, exclude={"api_server_hosts"}) == {
        key: tuple(hosts) for key, hosts in RICH["allow"].items()
    }
    assert settings.watch_namespaces == ("tenant-acme", "tenant-globex")
    assert settings.resync_seconds == 60


def test_a_changed_setting_starts_the_operator_anew(helm: Helm) -> None:
    """The operator reads its file once: the pod's template tells of a change, and only of one."""
    before, same = helm.render(), helm.render({"crds": {"keep": False}})
    after = helm.render({"allow": {"highqHosts": ["acme.highq.com"]}})
    assert before.pod() == same.pod()
    assert before.pod() != after.pod()


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, "localhost/profile-image-sync:0.1.0"),
        ({"tag": "2.0.0"}, "localhost/profile-image-sync:2.0.0"),
        ({"tag": "2.0.0", "digest": DIGEST}, f"localhost/profile-image-sync@{DIGEST}"),
        ({"repository": "registry.example:5000/a/b"}, "registry.example:5000/a/b:0.1.0"),
    ],
)
def test_the_digest_beats_the_tag_and_the_tag_the_version(
    helm: Helm, image: Values, wanted: str
) -> None:
    """Runs have the operator's image, unless they are given another."""
    rendered = helm.render({"image": image})
    assert rendered.container()["image"] == wanted
    assert rendered.settings().worker_image == wanted
    other = helm.render({"image": image, "worker": {"image": "other:1"}})
    assert other.container()["image"] == wanted
    assert other.settings().worker_image == "other:1"


def test_the_crd_is_the_models_and_outlives_the_release(helm: Helm) -> None:
    """Installed and upgraded with the chart; by default, uninstalling leaves it and all resources."""
    made = helm.render().one("CustomResourceDefinition")
    metadata = made["metadata"]
    assert made["spec"] == crd.definition()["spec"]
    assert metadata["name"] == crd.definition()["metadata"]["name"]
    assert metadata["annotations"] == {"helm.sh/resource-policy": "keep"}
    given_up = helm.render({"crds": {"keep": False}}).one("CustomResourceDefinition")
    assert "annotations" not in given_up["metadata"]
    assert helm.render({"crds": {"install": False}}).all("CustomResourceDefinition") == []


def test_the_operator_holds_what_it_grants(helm: Helm) -> None:
    """Without `escalate` and `bind`, the API server refuses Roles that give more than their maker has."""
    role = operator_role(helm)
    (granted,) = [each["rules"] for each in manifests.rbac(TENANT) if each["kind"] == "Role"]
    assert rights(granted)
    assert rights(granted) <= rights(role["rules"])
    assert all("resourceNames" not in rule for rule in role["rules"])


def test_the_operator_may_do_nothing_that_it_has_no_use_for(helm: Helm) -> None:
    """Neither read Secrets in bulk, nor delete state, nor widen its own rights, nor start pods."""
    held = rights(operator_role(helm)["rules"])
    assert "*" not in {part for right in held for part in right}
    assert {verb for _, _, verb in held}.isdisjoint({"escalate", "bind", "impersonate"})
    secrets = {verb for _, resource, verb in held if resource == "secrets"}
    assert secrets == {"get", "create", "update"}
    deletable = {resource for _, resource, verb in held if verb.startswith("delete")}
    assert deletable == {"jobs", "cronjobs"}
    assert {verb for _, resource, verb in held if resource == "pods"} == {"list", "watch"}
    assert {resource for _, resource, _ in held}.isdisjoint({"nodes", "namespaces"})


def test_with_namespaces_the_operator_has_roles_there_and_no_more(helm: Helm) -> None:
    """The same rights as for the whole cluster, in each of these namespaces."""
    rendered = helm.render({"watch": {"namespaces": ["a", "b"]}})
    assert rendered.all("ClusterRoleBinding") == []
    for role in rendered.all("ClusterRole"):  # what people get, by the cluster's own roles
        assert "rbac.authorization.k8s.io/aggregate-to-edit" in role["metadata"]["labels"]
    *roles, leader = rendered.all("Role")
    *bindings, _ = rendered.all("RoleBinding")
    assert leader["metadata"]["namespace"] == NAMESPACE
    assert {resource for _, resource, _ in rights(leader["rules"])} == {"leases"}
    assert [role["metadata"]["namespace"] for role in roles] == ["a", "b"]
    assert [binding["metadata"]["namespace"] for binding in bindings] == ["a", "b"]
    account = rendered.one("ServiceAccount")["metadata"]
    for role, binding in zip(roles, bindings, strict=True):
        assert role["rules"] == operator_role(helm)["rules"]
        assert binding["roleRef"]["kind"] == "Role"
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": NAMESPACE}
        ]
    assert rendered.settings().watch_namespaces == ("a", "b")


@pytest.mark.parametrize("values", [None, RICH], ids=["default", "rich"])
def test_the_operators_pod_is_restricted(helm: Helm, values: Values | None) -> None:
    """Pod Security `restricted`, and a root that nobody writes to."""
    rendered = helm.render(values)
    pod, container = rendered.pod()["spec"], rendered.container()
    outer: dict[str, Any] = pod["securityContext"]
    assert outer["runAsNonRoot"] is True
    assert outer["runAsUser"] == 65532
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_two_replicas_are_spread_and_not_evicted_together(helm: Helm) -> None:
    """One works by a Lease; draining a node leaves one that continues."""
    one, two = helm.render(), helm.render({"replicas": 2})
    assert one.all("PodDisruptionBudget") == []
    assert "affinity" not in one.pod()["spec"]
    assert one.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "strategy" not in two.one("Deployment")["spec"]
    budget = two.one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == two.one("Deployment")["spec"]["selector"]
    (term,) = two.pod()["spec"]["affinity"]["podAntiAffinity"].popitem()[1]
    labels = term["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert labels == budget["selector"]["matchLabels"]
    for rendered in (one, two):
        settings = rendered.settings()
        assert settings.leader_namespace == NAMESPACE
        assert settings.leader_lease == rendered.one("Deployment")["metadata"]["name"]


def test_an_affinity_of_ones_own_is_kept(helm: Helm) -> None:
    """Whoever sets one knows the nodes better."""
    spec = helm.render({**RICH, "replicas": 2}).pod()["spec"]
    assert spec["affinity"] == RICH["affinity"]


def test_our_labels_win_over_added_ones(helm: Helm) -> None:
    """Or the Deployment would not find its pod, nor a change of the settings start it anew."""
    rendered = helm.render(RICH)
    metadata = rendered.pod()["metadata"]
    chosen = rendered.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= metadata["labels"].items()
    assert metadata["labels"]["team"] == "platform"
    assert len(metadata["annotations"]["checksum/operator.json"]) == 64


def test_a_cluster_that_is_too_old_is_refused(helm: Helm) -> None:
    """Whatever Kubernetes Helm was built for, `helm template` works without telling it one."""
    kinds = "--api-versions=apps/v1/Deployment"
    helm.render(None, kinds, "--kube-version=1.31.0")
    helm.render(None, kinds, "--kube-version=1.31.4-gke.100")
    done = helm.template(None, kinds, "--kube-version=1.30.9")
    assert "needs Kubernetes 1.31 or newer; this cluster has v1.30.9" in done.stderr
