"""The CRD's own rules on a real API server: no webhook, and every refusal names the field."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from profile_image_sync import names
from testkit.control_plane import ControlPlane, run_control_plane
from tests.support.bad_manifests import BAD, GOOD, BadManifest, tenant
from tests.support.operator import install_crd


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with the CRD."""
    with run_control_plane(tmp_path_factory.mktemp("manifests") / "data") as running:
        install_crd(running)
        yield running


def apply(control_plane: ControlPlane, manifest: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Have the API server judge a manifest as `kubectl apply --dry-run=server --validate=strict` does."""
    path = f"/apis/{names.API_VERSION}/namespaces/default/{names.PLURAL}"
    query = "?dryRun=All&fieldValidation=Strict"
    request = urllib.request.Request(  # noqa: S310  # the address is ours
        control_plane.url + path + query,
        data=json.dumps(manifest).encode(),
        headers={
            "Authorization": f"Bearer {control_plane.token}",
            "Content-Type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=str(control_plane.ca_file))
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("bad", [each for each in BAD if each.server], ids=lambda each: each.name)
def test_a_bad_manifest_is_refused_with_the_fields_name(
    control_plane: ControlPlane, bad: BadManifest
) -> None:
    """Before anything is stored."""
    code, answer = apply(control_plane, tenant(bad.patch))
    assert code in (400, 422), answer
    assert _spelt(bad.field) in answer["message"], answer["message"]


def _spelt(field: str) -> str:
    """Return a field as the API server spells it: of an unknown one it names the last part only."""
    return field.rpartition(".")[2].partition("[")[0]


@pytest.mark.parametrize("patch", GOOD.values(), ids=GOOD.keys())
def test_a_good_manifest_is_accepted(control_plane: ControlPlane, patch: dict[str, Any]) -> None:
    """Without a warning; and it is not ready before an operator has seen it."""
    code, answer = apply(control_plane, tenant(patch))
    assert code == 201, answer
    (condition,) = answer["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Ready", "Unknown")


@pytest.mark.parametrize(
    ("name", "says"),
    [("a" * 41, "at most 40 characters"), ("token-x", "must not begin with token-")],
)
def test_a_name_whose_children_would_collide_is_refused(
    control_plane: ControlPlane, name: str, says: str
) -> None:
    """The names of what is made for it are built from it."""
    manifest = tenant()
    manifest["metadata"]["name"] = name
    code, answer = apply(control_plane, manifest)
    assert code == 422
    assert says in answer["message"]
    manifest["metadata"]["name"] = "a" * 40 if len(name) > 40 else "tokens"
    assert apply(control_plane, manifest)[0] == 201
