"""The chart's files among each other and against the project's: no Helm needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import profile_image_sync
from profile_image_sync.controller.installation import OperatorSettings
from tests.chart.helm import CHART, EXAMPLES, ROOT, Values

CRD = "profileimagesyncs.profileimagesync.io.yaml"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = (CHART / "values.yaml").read_text()
HANDED_DOWN = {"global"}  # by Helm, from a chart that contains this one


def resolved(node: Values) -> Values:
    """Follow a reference into the definitions."""
    target: Values = (
        SCHEMA["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    )
    return target


def keys(node: Values, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that the schema knows."""
    for name, child in resolved(node).get("properties", {}).items():
        if name not in HANDED_DOWN:
            yield (*path, name)
            yield from keys(child, (*path, name))


def objects(node: Any) -> Iterator[Values]:
    """Yield every part of the schema that says which keys there are."""
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object":
            yield node
        for child in node.values():
            yield from objects(child)


def test_the_charts_crd_is_the_projects() -> None:
    """One file, copied since a chart cannot reach outside itself."""
    same = (CHART / "files" / CRD).read_bytes() == (ROOT / "crds" / CRD).read_bytes()
    assert same, "the chart's CRD differs from crds/: run `make crd`"


def test_the_chart_installs_the_version_it_comes_with() -> None:
    """Chart, image and command are released together."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == profile_image_sync.__version__


@pytest.mark.parametrize("path", list(keys(SCHEMA)), ids=".".join)
def test_every_value_is_in_the_manual(path: tuple[str, ...]) -> None:
    """values.yaml shows every key, optional ones as an example behind a #."""
    found: Any = EXAMPLES
    for key in path:
        found = found[0] if isinstance(found, list) else found
        assert key in found
        found = found[key]


def test_every_value_has_a_comment() -> None:
    """The line above a key, or above the keys it heads, is prose."""
    lines = VALUES.splitlines()
    heads = [i for i, line in enumerate(lines) if re.match(r"#?[a-zA-Z]+:", line)]
    told = [i for i in heads if lines[i - 1].startswith(("# ", "#  "))]
    # their headline stands above
    parents = {"image", "watch", "worker", "metrics", "networkPolicy", "crds", "rbac"}
    shared = {"tolerations", "affinity", "volumeMounts"}  # with what stands above them
    missing = {lines[i].strip("#").partition(":")[0] for i in heads if i not in told}
    assert missing <= parents | shared


@pytest.mark.parametrize(
    "node", list(objects(SCHEMA)), ids=lambda node: ",".join(node["properties"])
)
def test_no_part_of_the_values_takes_unknown_keys(node: Values) -> None:
    """A typing error must not look like a setting."""
    assert node["additionalProperties"] is False


def test_the_operators_own_defaults_are_the_charts() -> None:
    """What the chart leaves out means the same as what values.yaml shows."""
    values = yaml.safe_load(VALUES)
    settings = OperatorSettings.model_validate({"workerImage": "any"}).model_dump(by_alias=True)
    for key, hosts in values["allow"].items():
        assert settings["allow"][key] == tuple(hosts)
    assert settings["resyncSeconds"] == values["resyncSeconds"]
    assert settings["watchNamespaces"] == tuple(values["watch"]["namespaces"])
    assert settings["workerImagePullPolicy"] == values["image"]["pullPolicy"]


@pytest.mark.parametrize("name", list(OperatorSettings.model_fields))
def test_every_setting_of_the_operator_can_be_set_by_the_chart(name: str) -> None:
    """A setting that no value reaches would be dead."""
    field = OperatorSettings.model_fields[name]
    assert f'"{field.alias}"' in (CHART / "templates/_names.tpl").read_text()


def test_the_oldest_kubernetes_that_is_tested_is_the_oldest_that_is_supported() -> None:
    """`make test-matrix` runs on it; the chart refuses older ones, and the pages say so."""
    versions = (ROOT / "testcluster/versions.env").read_text()
    oldest, newest = re.findall(r"KUBERNETES_MINORS=\((\S+) (\S+)\)", versions)[0]
    refusal = (CHART / "templates/kubernetes-version.yaml").read_text()
    assert f"<{oldest}.0-0" in refusal
    assert f"needs Kubernetes {oldest} or newer" in refusal
    assert f"Kubernetes {oldest} or newer" in (CHART / "README.md").read_text()
    tested = f"| Kubernetes | {oldest} and newer; tested with {oldest} and {newest}"
    assert tested in (ROOT / "docs/upgrade.md").read_text()
