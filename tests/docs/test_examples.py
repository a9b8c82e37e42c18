"""The examples: each manifest is valid, and the first one prints what its page shows."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from profile_image_sync.api.spec import ProfileImageSyncSpec
from testkit.kind_cluster import ROOT
from testkit.people import sample_people
from testkit.sync_command import merged
from testkit.trial import running_trial
from tests.docs.commands import blocks
from tests.support.structural_schema import Schema, problems

EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))
SYNC = "profile-image-sync sync"
FOREIGN = {
    "Application",
    "ApplicationSet",
    "ExternalSecret",
    "GitRepository",
}  # and Flux's Kustomization


def foreign_schemas() -> dict[tuple[str, str], Schema]:
    """Return the schemas of other projects' CRDs, by apiVersion and kind."""
    found: dict[tuple[str, str], Schema] = {}
    for file in (ROOT / "tests/data/foreign_crds").glob("*.json.gz"):
        spec = json.loads(gzip.decompress(file.read_bytes()))["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = version["schema"]["openAPIV3Schema"]
    return found


def test_manifests_of_other_projects_are_what_their_crds_take() -> None:
    """Argo CD, Flux and External Secrets: no unknown field, none missing, no wrong type."""
    schemas = foreign_schemas()
    seen: set[str] = set()
    for file in (ROOT / "examples").rglob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            key = (document.get("apiVersion", ""), document.get("kind", ""))
            if key in schemas:
                seen.add(key[1])
                assert list(problems(document, schemas[key])) == [], file
            else:
                assert key[1] not in FOREIGN, f"{file}: no schema of {key}"
    assert seen == FOREIGN | {"Kustomization"}


def test_a_wrong_field_of_another_projects_manifest_would_be_found() -> None:
    """The comparison itself: unknown, missing, wrong type."""
    schema = foreign_schemas()["kustomize.toolkit.fluxcd.io/v1", "Kustomization"]
    (good,) = [
        each
        for each in yaml.safe_load_all((ROOT / "examples/07-flux/tenants.yaml").read_text())
        if each["kind"] == "Kustomization"
    ]
    bad = good | {"spec": good["spec"] | {"prunes": True, "wait": "yes"}}
    del bad["spec"]["interval"]
    assert set(problems(bad, schema)) == {
        ".spec.prunes: unknown",
        ".spec.wait: not of type boolean",
        ".spec.interval: missing",
    }


def resources(text: str) -> list[dict[str, Any]]:
    """Return the ProfileImageSyncs of a file."""
    documents = (each for each in yaml.safe_load_all(text) if each)
    return [each for each in documents if each.get("kind") == "ProfileImageSync"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_resources_are_valid(example: str) -> None:
    """No unknown field, and every rule that the API server would check, too."""
    for file in (ROOT / "examples" / example).rglob("*.yaml"):
        for resource in resources(file.read_text()):
            ProfileImageSyncSpec.model_validate(resource["spec"])


def test_the_fleet_has_a_valid_resource_for_each_name() -> None:
    """What the script of examples/11-fleet writes."""
    folder = ROOT / "examples/11-fleet"
    command = [folder / "make-tenants", folder / "tenants.txt"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = resources(made)
    assert [each["metadata"]["name"] for each in found] == (
        (folder / "tenants.txt").read_text().split()
    )
    assert len(found) == 200
    for each in found:
        ProfileImageSyncSpec.model_validate(each["spec"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_block_of_commands_says_if_it_is_not_for_execution(example: str) -> None:
    """As in the documentation."""
    found = blocks(ROOT / "examples" / example / "README.md")
    assert found
    assert [block for block in found if not (block.executed or block.reason)] == []


def test_every_example_is_listed() -> None:
    """In the page that people open first."""
    listed = (ROOT / "examples/README.md").read_text()
    assert len(EXAMPLES) >= 11
    assert [name for name in EXAMPLES if f"[{name}]({name}/README.md)" not in listed] == []


def test_the_first_example_prints_what_its_page_shows(tmp_path: Path) -> None:
    """`sync` on the example's own manifest, with the addresses of a trial and 41 sample people."""
    folder = ROOT / "examples/01-one-tenant"
    shown = next(b for b in blocks(folder / "README.md") if b.commands.startswith(SYNC))
    spec = yaml.safe_load((folder / "tenant.yaml").read_text())["spec"]
    with running_trial(tmp_path, sample_people()) as trial:
        documents = list(yaml.safe_load_all(trial.manifest.read_text()))
        there = documents[0]["spec"]
        addresses = {part: there[part] for part in ("activeDirectory", "highq")}
        spec["activeDirectory"].pop("searchBases")
        documents[0]["spec"] = merged(spec, addresses)
        (tmp_path / "acme.yaml").write_text(yaml.safe_dump_all(documents))
        command = [sys.executable, "-m", "profile_image_sync", *shown.commands.split()[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert trial.highq.uploads() == [], "the example has dryRun"
    assert shown.matches(done.stdout), done.stdout
