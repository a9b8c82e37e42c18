"""Who may name a Secret in a resource: the chart's admission policy, with real users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profile_image_sync import names
from testkit.waiting import wait_for
from tests.chart.helm import RELEASE, ROOT, Document, Helm
from tests.chart.kubectl import TENANT, Kubectl
from tests.support.bad_manifests import tenant

MANIFEST = ROOT / "packaging/admission-policy.yaml"
BINDING_SECONDS = 30.0  # until the API server holds everybody to a new policy
RESOURCES = "profileimagesyncs.profileimagesync.io"
SECRETS = ("ad-bind", "highq-oauth")
REFUSED = "whoever names Secrets here, or changes where they are sent, must be allowed to get each of them; "


@pytest.fixture(scope="module")
def editor(kubectl: Kubectl) -> Kubectl:
    """Give someone who may edit ProfileImageSyncs and nothing else, once the policy holds."""
    kubectl("create", "role", "editor", "--verb=*", f"--resource={RESOURCES}")
    kubectl("create", "rolebinding", "editor", "--role=editor", "--user=editor")
    person = replace(kubectl, user="editor")

    def is_refused() -> bool:
        done = person.run("create", "--dry-run=server", "-f", "-", body=resource())
        return done.returncode != 0

    wait_for("the policy", is_refused, BINDING_SECONDS)
    return person


@pytest.fixture
def existing(kubectl: Kubectl) -> Iterator[str]:
    """Give a resource that an administrator made."""
    kubectl("create", "-f", "-", body=resource())
    yield "acme"
    kubectl("delete", "profileimagesync", "acme")


def resource(patch: dict[str, Any] | None = None) -> Document:
    """Return a resource that names two Secrets."""
    return tenant(patch, namespace=TENANT)


def grant(kubectl: Kubectl, user: str, *secrets: str) -> Kubectl:
    """Give a new person who may edit resources and get these Secrets."""
    kubectl("create", "rolebinding", f"{user}-edits", "--role=editor", f"--user={user}")
    named = [f"--resource-name={secret}" for secret in secrets]
    kubectl("create", "role", user, "--verb=get", "--resource=secrets", *named)
    kubectl("create", "rolebinding", user, f"--role={user}", f"--user={user}")
    return replace(kubectl, user=user)


def test_who_may_not_get_a_secret_cannot_make_a_resource_that_names_it(editor: Kubectl) -> None:
    """Else the right to edit resources would be the right to send any Secret to a host of one's own."""
    done = editor.run("create", "-f", "-", body=resource())
    assert "Forbidden" in done.stderr
    assert (
        f"{REFUSED}editor is not, in namespace {TENANT}: ad-bind, highq-oauth. Ask" in done.stderr
    )


def test_one_of_the_rights_is_not_enough(editor: Kubectl, kubectl: Kubectl) -> None:
    """Each named Secret counts."""
    person = grant(kubectl, "half", "ad-bind")
    assert f"{REFUSED}half is not" in person.run("create", "-f", "-", body=resource()).stderr
    del editor


def test_who_may_get_all_of_them_can(editor: Kubectl, kubectl: Kubectl) -> None:
    """By name is enough: nobody needs to list Secrets."""
    person = grant(kubectl, "entitled", *SECRETS)
    person("create", "-f", "-", body=resource())
    patch = '{"spec":{"activeDirectory":{"servers":["ldaps://dc7.corp.example"]}}}'
    person("patch", "profileimagesync", "acme", "--type=merge", "-p", patch)
    person("delete", "profileimagesync", "acme")
    del editor


def test_a_gitops_controller_needs_the_right_as_well(editor: Kubectl, kubectl: Kubectl) -> None:
    """Argo CD and Flux apply with a ServiceAccount: with the cluster's role `edit`, it may."""
    kubectl("create", "serviceaccount", "flux")
    account = f"system:serviceaccount:{TENANT}:flux"
    kubectl(
        "create", "rolebinding", "flux-edits", "--role=editor", f"--serviceaccount={TENANT}:flux"
    )
    flux = replace(kubectl, user=account)
    apply = ("apply", "--server-side", "--field-manager=flux", "-f", "-")
    assert f"{account} is not, in namespace {TENANT}" in flux.run(*apply, body=resource()).stderr
    kubectl(
        "create", "rolebinding", "flux", "--clusterrole=edit", f"--serviceaccount={TENANT}:flux"
    )
    flux(*apply, body=resource())
    flux(*apply, body=resource({"highq": {"url": "https://other.highq.com/other"}}))
    flux("delete", "profileimagesync", "acme")
    del editor


@pytest.mark.parametrize(
    "patch",
    [
        {"activeDirectory": {"servers": ["ldaps://evil.example"]}},
        {"activeDirectory": {"credentialsSecretRef": {"name": "other"}}},
        {"activeDirectory": {"caBundleRef": {"name": "evil-ca"}}},
        {"activeDirectory": {"servers": None, "domain": "evil.example"}},
        {"highq": {"url": "https://evil.example/acme"}},
        {"highq": {"proxy": {"url": "http://evil.example:3128"}}},
        {"highq": {"credentialsSecretRef": {"name": "other"}}},
        {"highq": {"caBundleRef": {"kind": "Secret", "name": "evil-ca"}}},
    ],
    ids=str,
)
def test_who_may_not_get_the_secrets_cannot_send_them_elsewhere(
    editor: Kubectl, existing: str, patch: dict[str, Any]
) -> None:
    """A server, an address, a CA bundle or a Secret's name decides where they go."""
    done = editor.run("replace", "-f", "-", body=resource(patch))
    assert REFUSED in done.stderr
    assert existing in done.stderr


def test_the_names_of_all_kinds_of_secrets_are_asked_for(editor: Kubectl) -> None:
    """A CA bundle is one of them if it is a Secret, and none if it is a ConfigMap."""
    named = resource(
        {
            "activeDirectory": {"caBundleRef": {"kind": "Secret", "name": "ad-ca"}},
            "highq": {"caBundleRef": {"name": "no-secret"}},
        }
    )
    done = editor.run("create", "-f", "-", body=named)
    assert f"namespace {TENANT}: ad-ca, ad-bind, highq-oauth." in done.stderr


@pytest.mark.parametrize(
    "patch",
    [
        '{"spec":{"schedule":"@hourly","suspend":true}}',
        '{"spec":{"runRequest":"now"}}',
        '{"metadata":{"labels":{"team":"a"},"annotations":{"profileimagesync.io/run-request":"1"}}}',
    ],
)
def test_other_edits_need_no_right_to_a_secret(editor: Kubectl, existing: str, patch: str) -> None:
    """A helpdesk may request runs, and a scheduler may pause, without knowing a password."""
    editor("patch", "profileimagesync", existing, "--type=merge", "-p", patch)


def test_the_operator_writes_status_under_the_policy(kubectl: Kubectl, existing: str) -> None:
    """The policy judges specs; the status is not asked about."""
    found = kubectl.get("profileimagesync", existing)
    kubectl("replace", "--subresource=status", "-f", "-", body=found)


def test_a_namespaced_installation_has_the_policy_as_a_file(helm: Helm) -> None:
    """It is the chart's, without Helm's labels: UPDATE_SNAPSHOTS=1 writes it anew."""
    namespaced = helm.render({"watch": {"namespaces": ["tenant-acme"]}})
    assert namespaced.all("ValidatingAdmissionPolicy") == []
    assert namespaced.all("ValidatingAdmissionPolicyBinding") == []
    rendered = packaged(helm.render().text)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        MANIFEST.write_text(rendered)
    assert MANIFEST.read_text() == rendered


def packaged(text: str) -> str:
    """Return the policy and its binding as the file for an administrator."""
    source = "# Source: profile-image-sync/templates/admission.yaml\n"
    parts = [part.partition(source)[2] for part in text.split("---\n") if source in part]
    lines = "---\n".join(parts).splitlines(keepends=True)
    kept = [line for line in lines if not _of_helm(line)]
    return Path(__file__).with_name("admission-policy.head").read_text() + "".join(kept)


def _of_helm(line: str) -> bool:
    prefixes = ("labels:", "app.kubernetes.io/", "helm.sh/")
    return line.strip().startswith(prefixes)


def test_the_file_is_accepted_strictly(kubectl: Kubectl) -> None:
    """By the cluster's administrator, without a namespace."""
    strict = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")
    replace(kubectl, namespace="")("apply", *strict, "-f", str(MANIFEST))
    assert names.GROUP in MANIFEST.read_text()
    assert f"name: {RELEASE}" in MANIFEST.read_text()
