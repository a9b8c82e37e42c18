"""A resource among GitOps tools: what they write on it, how they prune it, and that they see no drift."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from profile_image_sync import names
from testkit.waiting import wait_for
from tests.support.operator import (
    Body,
    OperatorEnvironment,
    ended,
    finish,
    first_job,
    running_operator,
)
from tests.support.snapshots import SPEC

RESOURCE = ("profileimagesync", "acme")
CHILDREN = "cronjobs,jobs,pods,roles,rolebindings,serviceaccounts,leases,configmaps,secrets"
# What Argo CD and Flux write on what they apply. The value of the first is the Application's name.
LABELS = {
    "app.kubernetes.io/instance": "acme",
    "kustomize.toolkit.fluxcd.io/name": "tenants",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
ANNOTATIONS = {
    "argocd.argoproj.io/tracking-id": "acme:profileimagesync.io/ProfileImageSync:tenant-acme/acme"
}
APPLY = ("apply", "--server-side", "--field-manager=gitops", "--filename=-")


def manifest(namespace: str, revision: int = 1) -> str:
    """Return a resource as such a tool applies it."""
    metadata = {
        "name": "acme",
        "namespace": namespace,
        "labels": LABELS | {"revision": str(revision)},
        "annotations": ANNOTATIONS | {"example.org/commit": str(revision)},
    }
    document = {"apiVersion": names.API_VERSION, "kind": names.KIND}
    return json.dumps(document | {"metadata": metadata, "spec": SPEC})


def children(tenant: OperatorEnvironment) -> list[Body]:
    """Return all that the operator has made for a resource, and what comes of it."""
    found = tenant.items(CHILDREN)
    return [each for each in found if each["metadata"]["name"].startswith("pisync-")]


def versions(tenant: OperatorEnvironment) -> dict[tuple[str, str], str]:
    """Return the resourceVersion of each child that nobody else writes to."""
    found = (each for each in children(tenant) if each["kind"] not in {"Job", "Pod"})
    return {
        (each["kind"], each["metadata"]["name"]): each["metadata"]["resourceVersion"]
        for each in found
    }


@pytest.fixture
def healthy(tenant: OperatorEnvironment) -> Iterator[OperatorEnvironment]:
    """Give a served namespace whose resource has run once."""
    with running_operator(tenant.control_plane.kubeconfig, namespaces=(tenant.namespace,)):
        tenant.kubectl(*APPLY, text=manifest(tenant.namespace))
        job = first_job(tenant)
        finish(tenant, job, ended(job))
        yield tenant


def test_no_child_bears_a_label_by_which_a_tool_prunes(healthy: OperatorEnvironment) -> None:
    """Also not by chance: Argo CD takes `app.kubernetes.io/instance` for the name of an Application."""
    made = children(healthy)
    assert {"CronJob", "Job", "Role", "Lease", "ConfigMap", "Secret"} <= {e["kind"] for e in made}
    for child in made:
        metadata = child["metadata"]
        borne = metadata["labels"].items() | metadata.get("annotations", {}).items()
        assert borne & (LABELS | ANNOTATIONS).items() == set(), metadata["name"]


def test_commits_that_change_metadata_cost_no_run_and_no_write(
    healthy: OperatorEnvironment,
) -> None:
    """A request after them is served, so the operator has seen them all; only then something is written."""
    before = versions(healthy)
    status = healthy.status()
    for revision in range(2, 12):
        healthy.kubectl(*APPLY, text=manifest(healthy.namespace, revision))
    unseen = healthy.status()
    assert (versions(healthy), unseen) == (before, status)
    healthy.kubectl("annotate", *RESOURCE, f"{names.RUN_REQUEST_ANNOTATION}=1")
    wait_for("the request's Job", lambda: len(healthy.items("jobs")) > 1)
    assert len(healthy.items("jobs")) == 2
    changed = {at for at, version in versions(healthy).items() if version != before.get(at)}
    assert not {kind for kind, _ in changed} & {"CronJob", "ConfigMap", "Secret"}


def test_what_is_applied_again_drifts_in_nothing(
    healthy: OperatorEnvironment,
) -> None:
    """Neither by server-side apply nor by the comparison of `kubectl diff`."""
    before = healthy.get(*RESOURCE) or {}
    healthy.kubectl(*APPLY, text=manifest(healthy.namespace))
    after = healthy.get(*RESOURCE) or {}
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert drift(healthy) == ""


def test_without_an_operator_nothing_drifts_either(tenant: OperatorEnvironment) -> None:
    """What the API server fills in by itself is no difference to what was applied."""
    tenant.kubectl(*APPLY, text=manifest(tenant.namespace))
    before = tenant.get(*RESOURCE) or {}
    for _ in range(
        2
    ):  # the API server stores the status that it has filled in with the first of them
        tenant.kubectl(*APPLY, text=manifest(tenant.namespace))
        after = tenant.get(*RESOURCE) or {}
        before["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"]
        assert after == before
    assert drift(tenant) == ""


def drift(tenant: OperatorEnvironment) -> str:
    """Return what `kubectl diff` shows."""
    admin = [str(tenant.control_plane.kubectl), f"--kubeconfig={tenant.control_plane.kubeconfig}"]
    command = [*admin, "diff", "--server-side", "--field-manager=gitops", "--filename=-"]
    done = subprocess.run(
        command, input=manifest(tenant.namespace), capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("first", "cascade"), [("the resource", "background"), ("what it names", "foreground")]
)
def test_a_prune_in_any_order_leaves_the_state_alone(
    tenant: OperatorEnvironment, first: str, cascade: str
) -> None:
    """With the operator absent: resource and children go, the state and the tokens stay."""
    with running_operator(tenant.control_plane.kubeconfig, namespaces=(tenant.namespace,)):
        tenant.kubectl("create", "secret", "generic", "ad-bind")
        tenant.kubectl(*APPLY, text=manifest(tenant.namespace))
        first_job(tenant)
    secret = ("delete", "secret", "ad-bind")
    resource = ("delete", *RESOURCE, f"--cascade={cascade}", "--timeout=60s")
    for command in (resource, secret) if first == "the resource" else (secret, resource):
        tenant.kubectl(*command)
    retained = {names.state("acme"), names.token("highq-oauth")}

    def only_retained() -> bool:
        return {each["metadata"]["name"] for each in children(tenant)} == retained

    wait_for("the children are gone", only_retained)


def test_a_namespace_is_deleted_with_and_without_an_operator(tenant: OperatorEnvironment) -> None:
    """Nothing holds it, and what is left of it is not served."""
    with running_operator(tenant.control_plane.kubeconfig, namespaces=(tenant.namespace,)) as one:
        tenant.kubectl(*APPLY, text=manifest(tenant.namespace))
        first_job(tenant)
        tenant.kubectl("delete", "namespace", tenant.namespace, "--timeout=120s")
        assert one.loop.problem() is None
    other = OperatorEnvironment(tenant.control_plane)
    with running_operator(other.control_plane.kubeconfig, namespaces=(other.namespace,)):
        other.kubectl(*APPLY, text=manifest(other.namespace))
        first_job(other)
    other.kubectl("delete", "namespace", other.namespace, "--timeout=120s")
