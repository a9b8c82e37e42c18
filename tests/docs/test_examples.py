"""The examples: each manifest is valid, and the first one prints what its page shows."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from profile_image_sync.api.spec import ProfileImageSyncSpec
from testkit.control_plane import ControlPlane
from testkit.kind_cluster import ROOT
from testkit.people import sample_people
from testkit.sync_command import merged
from testkit.trial import running_trial
from testkit.waiting import wait_for
from tests.chart.helm import Helm
from tests.docs.commands import blocks

EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))
SYNC = "profile-image-sync sync"
CRDS = (ROOT / "crds", ROOT / "tests/data/foreign_crds")
NAMESPACES = ("argocd", "flux-system", "tenant-acme", "tenant-globex")
FLUX = ROOT / "examples/07-flux/tenants.yaml"
STRICTLY = ("create", "--dry-run=server", "--validate=strict", "--filename=-")

Apply = Callable[[list[Any]], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def apply(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Apply:
    """Give a strict dry run in an API server that knows Argo CD, Flux, External Secrets, and us."""
    admin = (str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig}")
    folder = tmp_path_factory.mktemp("crds")
    for file in (file for crds in CRDS for file in crds.iterdir() if file.suffix != ".md"):
        packed = file.suffix == ".gz"
        content = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
        (folder / file.name.removesuffix(".gz")).write_bytes(content)
    subprocess.run([*admin, "apply", "--server-side", f"--filename={folder}"], check=True)
    for name in NAMESPACES:
        subprocess.run([*admin, "create", "namespace", name], check=True)

    def dry_run(documents: list[Any]) -> subprocess.CompletedProcess[str]:
        text = yaml.safe_dump_all(documents)
        command = [*admin, *STRICTLY]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    flux = list(yaml.safe_load_all(FLUX.read_text()))
    wait_for("the kinds", lambda: dry_run(flux).returncode == 0)
    return dry_run


def test_an_api_server_takes_every_manifest_strictly(
    apply: Apply, control_plane: ControlPlane
) -> None:
    """Also those of Argo CD, Flux and External Secrets: nothing unknown, missing or of a wrong type."""
    examples = ROOT / "examples"
    texts = [file.read_text() for file in examples.rglob("*.yaml") if "04-many" not in str(file)]
    for overlay in (examples / "04-many-tenants/acme", examples / "04-many-tenants/globex"):
        command = [str(control_plane.kubectl), "kustomize", str(overlay)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        texts.append(done.stdout)
    documents = [each for text in texts for each in yaml.safe_load_all(text)]
    manifests = [
        each for each in documents if "apiVersion" in each
    ]  # others are values of the chart
    assert {each["kind"] for each in manifests} == {
        "ProfileImageSync", "Secret", "ConfigMap", "Application", "ApplicationSet", "GitRepository",
        "Kustomization", "HelmRelease", "ExternalSecret",
    }  # fmt: skip
    done = apply(manifests)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(manifests)


def test_a_wrong_field_of_another_projects_manifest_would_be_found(apply: Apply) -> None:
    """The comparison itself: unknown, missing, wrong type."""
    documents = yaml.safe_load_all(FLUX.read_text())
    (good,) = [each for each in documents if each["kind"] == "Kustomization"]
    assert "unknown field" in apply([merged(good, {"spec": {"prunes": True}})]).stderr
    assert "interval: Required" in apply([merged(good, {"spec": {"interval": None}})]).stderr
    assert "wait" in apply([merged(good, {"spec": {"wait": "yes"}})]).stderr


def test_the_chart_takes_the_values_that_argo_cd_and_flux_hand_over(helm: Helm) -> None:
    """They are part of the manifests, so no API server looks at them."""
    argo_cd, *_ = yaml.safe_load_all((ROOT / "examples/06-argo-cd/operator.yaml").read_text())
    _, flux = yaml.safe_load_all((ROOT / "examples/07-flux/operator.yaml").read_text())
    for values in (argo_cd["spec"]["source"]["helm"]["valuesObject"], flux["spec"]["values"]):
        assert helm.render(values).settings().allow.directory_hosts == ("*.corp.example",)


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
