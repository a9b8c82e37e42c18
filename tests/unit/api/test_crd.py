"""The CustomResourceDefinition: generated, structural, bounded, described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from profile_image_sync.api import crd
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.status import Condition
from profile_image_sync.api.validation import validated
from tests.support.bad_manifests import GOOD, tenant

COMMITTED = Path(__file__).parents[3] / "crds/profileimagesyncs.profileimagesync.io.yaml"
VERSION = crd.definition()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
Node = dict[str, Any]


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Go through a schema and all below it."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(node[key], f"{path}[]")


NODES = {
    path: node
    for part in ("spec", "status")
    for path, node in nodes(ROOT["properties"][part], part)
}


def test_the_committed_crd_is_the_models() -> None:
    """`profile-image-sync crd > crds/profileimagesyncs.profileimagesync.io.yaml` mends a drift."""
    assert COMMITTED.read_text() == crd.render()
    assert yaml.safe_load(crd.render()) == crd.definition()


@pytest.mark.parametrize("path", [path for path in NODES if not path.endswith("]")])
def test_every_field_is_described(path: str) -> None:
    """`kubectl explain` is the manual."""
    description = NODES[path]["description"]
    assert description.endswith(".")
    assert "  " not in description


@pytest.mark.parametrize("path", NODES)
def test_everything_is_bounded(path: str) -> None:
    """Every string, list, map and number has its limits, so that CEL's cost has."""
    node = NODES[path]
    kind = node.get("type")
    if node.get("x-kubernetes-int-or-string"):
        assert {"maxLength", "pattern"} <= node.keys()
    elif kind == "string":
        assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"
    elif kind == "integer":
        assert {"minimum", "maximum", "format"} <= node.keys()
        assert node["maximum"] < 2**53  # the API server compares as float64
    elif kind == "array":
        assert "maxItems" in node
        assert node["x-kubernetes-list-type"] in {"atomic", "set", "map"}
    elif kind == "object":
        assert "properties" in node or "maxProperties" in node
    else:
        assert kind == "boolean"


@pytest.mark.parametrize("path", NODES)
def test_the_schema_is_structural(path: str) -> None:
    """Nothing in it but what a structural schema of Kubernetes may hold."""
    allowed = {"type", "description", "default", "format", "enum", "required", "properties"}
    allowed |= {"items", "additionalProperties", "minimum", "maximum", "minLength", "maxLength"}
    allowed |= {"minItems", "maxItems", "maxProperties", "x-kubernetes-validations"}
    allowed |= {"x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
    node = NODES[path]
    if node.get("x-kubernetes-int-or-string"):
        allowed |= {"x-kubernetes-int-or-string", "anyOf", "pattern"}
    assert node.keys() <= allowed
    assert not (node.get("additionalProperties") and "properties" in node)


@pytest.mark.parametrize("path", NODES)
def test_every_rule_speaks(path: str) -> None:
    """A rule has a message of its own, and blames a field that is there."""
    for rule in NODES[path].get("x-kubernetes-validations", []):
        assert rule["message"]
        place = f"{path}{rule.get('fieldPath', '')}"
        assert place in NODES


def test_names_whose_children_would_collide_are_refused_at_the_root() -> None:
    """No child's name needs shortening, and none is that of a Secret's tokens."""
    rules = [rule["rule"] for rule in ROOT["x-kubernetes-validations"]]
    assert rules == [
        "self.metadata.name.size() <= 40",
        "!self.metadata.name.startsWith('token-')",
    ]


def with_defaults(node: Node, value: Any) -> Any:
    """Set defaults as the API server does: from the outside in."""
    if isinstance(value, dict) and "properties" in node:
        filled = dict(value)
        for name, child in node["properties"].items():
            if name not in filled and "default" in child:
                filled[name] = child["default"]
            if name in filled:
                filled[name] = with_defaults(child, filled[name])
        return filled
    if isinstance(value, list):
        return [with_defaults(node["items"], entry) for entry in value]
    return value


@pytest.mark.parametrize("patch", GOOD.values(), ids=GOOD)
def test_the_defaults_of_the_api_server_are_the_models(patch: dict[str, Any]) -> None:
    """A spec means the same inside and outside a cluster."""
    document = tenant(patch)
    ours = validated(ProfileImageSync, document).spec
    served = with_defaults(ROOT["properties"]["spec"], document["spec"])
    assert validated(ProfileImageSync, document | {"spec": served}).spec == ours
    dumped = ours.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped.keys() == served.keys()


def test_a_resource_that_no_operator_has_seen_is_not_ready() -> None:
    """Kstatus takes a resource without conditions for current; nothing else of status has a default."""
    defaults = {
        path: node["default"]
        for path, node in NODES.items()
        if path.startswith("status") and "default" in node
    }
    (condition,) = defaults.pop("status")["conditions"]
    assert defaults == {}
    assert (condition["type"], condition["status"]) == ("Ready", "Unknown")
    assert Condition.model_validate(condition).reason == "Pending"


def test_conditions_are_a_map_by_type() -> None:
    """Two writers of two conditions do not overwrite each other."""
    conditions = NODES["status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert "type" in conditions["items"]["required"]


def test_kubectl_get_shows_the_columns_of_the_design() -> None:
    """The last run can be judged from one line."""
    columns = VERSION["additionalPrinterColumns"]
    usual = [column["name"].upper() for column in columns if not column["priority"]]
    wide = [column["name"].upper() for column in columns if column["priority"]]
    assert (
        " ".join(usual)
        == "MODE SCHEDULE READY STATUS LAST RUN UPLOADED FAILED NEXT RUN AGE MESSAGE"
    )
    assert " ".join(wide) == "SUSPENDED PEOPLE LAST SUCCESS"
    for column in columns:
        path = column["jsonPath"].removeprefix(".").partition("[")[0]
        assert path in NODES or path == "metadata.creationTimestamp"
