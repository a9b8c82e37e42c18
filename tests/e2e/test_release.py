"""`make release`: what is published, byte for byte the same each time."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import profile_image_sync

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
VERSION = profile_image_sync.__version__
STEM = f"profile-image-sync-{VERSION}"


def git(clone: Path, *arguments: str) -> None:
    """Run git in a clone, as somebody."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    subprocess.run(["git", "-C", clone, *who, *arguments], check=True, capture_output=True)


def release(clone: Path, version: str = VERSION) -> subprocess.CompletedProcess[str]:
    """Run `make release`; the caller judges the outcome."""
    command = ["make", "-s", "release", f"VERSION={version}"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a clean clone whose changelog has a section for the version; packages are not fetched again."""
    clone = tmp_path_factory.mktemp("release") / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(
        changelog.read_text().replace("## Unreleased", f"## {VERSION} - 2026-01-01")
    )
    git(clone, "commit", "-qam", "Changelog of the release")
    (clone / ".git/info/exclude").write_text(".venv\n")  # a link, where .gitignore knows a folder
    (clone / ".venv").symlink_to(ROOT / ".venv")
    for wheels in ("wheelhouse", "image-tools"):
        if (ROOT / "build" / wheels).exists():
            shutil.copytree(ROOT / "build" / wheels, clone / "build" / wheels)
    return clone


@pytest.fixture(scope="module")
def dist(clone: Path) -> Path:
    """Give what a release makes."""
    done = release(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    return clone / "dist"


def test_a_release_is_complete(dist: Path) -> None:
    """Wheel, sdist, chart, image, SBOM, and the checksum of each."""
    names = {path.name for path in dist.iterdir()}
    sums = {}
    for line in (dist / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        sums[name] = digest
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    assert sums.keys() == names - {"SHA256SUMS"}
    (image,) = [name for name in names if name.startswith(f"{STEM}-image-")]
    wheel = f"profile_image_sync-{VERSION}-py3-none-any.whl"
    sdist = f"profile_image_sync-{VERSION}.tar.gz"
    chart_files = {f"{STEM}.tgz", f"{STEM}-chart-oci.tar.gz"}
    plugin = {f"kubectl-pisync-{VERSION}.tar.gz", "pisync.yaml"}
    assert sums.keys() == {wheel, sdist, f"{STEM}-sbom.cdx.json", image} | chart_files | plugin
    assert "profile_image_sync/api/spec.py" in zipfile.ZipFile(dist / wheel).namelist()
    with tarfile.open(dist / f"{STEM}.tgz") as chart:
        assert "profile-image-sync/files/alerts.yaml" in chart.getnames()
    assert json.loads((dist / f"{STEM}-sbom.cdx.json").read_text())["bomFormat"] == "CycloneDX"


def test_the_charts_oci_layout_holds_its_package(dist: Path) -> None:
    """From the index by digests to the very bytes of the package: what a registry would serve."""
    with tarfile.open(dist / f"{STEM}-chart-oci.tar.gz") as layout:

        def content(name: str) -> bytes:
            file = layout.extractfile(f"oci/{name}")
            assert file
            return file.read()

        def blob(descriptor: dict[str, Any]) -> bytes:
            found = content("blobs/" + descriptor["digest"].replace(":", "/"))
            assert descriptor["digest"] == f"sha256:{hashlib.sha256(found).hexdigest()}"
            return found

        (tagged,) = json.loads(content("index.json"))["manifests"]
        assert tagged["annotations"]["org.opencontainers.image.ref.name"] == VERSION
        manifest = json.loads(blob(tagged))
        assert json.loads(blob(manifest["config"]))["name"] == "profile-image-sync"
        assert blob(manifest["layers"][0]) == (dist / f"{STEM}.tgz").read_bytes()


def test_a_second_release_has_the_same_bytes(clone: Path, dist: Path) -> None:
    """Whoever builds it again can compare; test_image.py tells that also a new image is the same."""
    first = (dist / "SHA256SUMS").read_text()
    shutil.rmtree(dist)
    done = release(clone)
    assert done.returncode == 0, done.stderr
    assert (dist / "SHA256SUMS").read_text() == first


def test_what_is_not_ready_is_refused(clone: Path) -> None:
    """Another version than the code's, a dirty tree, a changelog without the version."""
    assert "__version__ is not 9.9.9" in release(clone, "9.9.9").stderr
    changelog = clone / "CHANGELOG.md"
    text = changelog.read_text()
    changelog.write_text(text.replace(f"## {VERSION}", "## Unreleased"))
    assert "the tree is not clean" in release(clone).stderr
    git(clone, "commit", "-qam", "No section")
    assert f"CHANGELOG.md has no section '## {VERSION}'" in release(clone).stderr
    git(clone, "reset", "-q", "--hard", "HEAD~1")
