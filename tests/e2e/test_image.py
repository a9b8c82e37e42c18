"""The image as it is shipped: what is in it, and that a second build makes the same one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import profile_image_sync

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "scripts/build-image"
SECOND = "localhost/profile-image-sync:second"
MADE = 1_577_836_800  # 2020-01-01: the time of every file that we add
MEGABYTE = 1_000_000
PACKAGES = re.compile(r"app/lib/python3\.\d+/site-packages/")


@dataclass(frozen=True, slots=True)
class Image:
    """An image as its engine saves it."""

    id: str
    config: dict[str, Any]
    archive: Path
    layers: tuple[str, ...]

    @classmethod
    def saved(cls, tag: str, archive: Path) -> Image:
        """Save an image and read its manifest."""
        subprocess.run([engine(), "save", "-o", archive, tag], check=True, capture_output=True)
        with tarfile.open(archive) as tar:
            (manifest,) = json.load(_member(tar, "manifest.json"))
            config = json.load(_member(tar, manifest["Config"]))
        return cls(manifest["Config"], config, archive, tuple(manifest["Layers"]))

    def files(self, layer: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        """Yield the files, folders and links of a layer; the content of JSON documents and byte code."""
        with tarfile.open(self.archive) as tar, tarfile.open(fileobj=_member(tar, layer)) as files:
            for file in files:
                wanted = file.isfile() and file.name.endswith((".json", ".pyc"))
                yield file, _member(files, file.name).read() if wanted else b""


def _member(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    assert found
    return found


def engine() -> str:
    """Return the engine that scripts/containers.sh would take."""
    chosen = os.environ.get("TESTCLUSTER_ENGINE")
    running = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    return chosen or ("docker" if running and not shutil.which("podman") else "podman")


def built(*arguments: str, **variables: str) -> str:
    """Build an image unless it is there, and return its tag."""
    environment = os.environ | variables
    command = [str(BUILD), *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def product_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Give the image of this checkout."""
    return Image.saved(built(), tmp_path_factory.mktemp("image") / "first.tar")


@pytest.fixture(scope="module")
def ours(product_image: Image) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Give what we add to the base, by path."""
    return {
        file.name: (file, content)
        for file, content in product_image.files(product_image.layers[-1])
    }


def test_it_adds_less_than_a_hundred_megabytes(
    ours: dict[str, tuple[tarfile.TarInfo, bytes]],
) -> None:
    """Every node pulls it, and every run starts from it."""
    total = sum(file.size for file, _ in ours.values())
    assert 20 * MEGABYTE < total <= 100 * MEGABYTE


def test_it_runs_as_a_number_and_says_what_it_is(product_image: Image) -> None:
    """`runAsNonRoot` can be checked without the image's list of users."""
    config = product_image.config["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["profile-image-sync"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "profile-image-sync"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == profile_image_sync.__version__


def test_nothing_in_it_installs_packages(product_image: Image) -> None:
    """No pip, neither in our folder nor from the base."""
    for layer in product_image.layers:
        names = [file.name for file, _ in product_image.files(layer)]
        assert not [name for name in names if re.search(r"(site|dist)-packages/pip(/|-|$)", name)]


def test_every_module_has_byte_code_that_depends_on_no_time(
    ours: dict[str, tuple[tarfile.TarInfo, bytes]],
) -> None:
    """The root is read-only, so a start could not keep what it compiles."""
    modules = [name for name in ours if name.endswith(".py") and "/profile_image_sync/" in name]
    assert len(modules) > 50
    for name in modules:
        path = Path(name)
        (code,) = [
            content
            for other, (_, content) in ours.items()
            if other.startswith(f"{path.parent}/__pycache__/{path.stem}.cpython-")
        ]
        assert int.from_bytes(code[4:8], "little") == 1, name  # PEP 552: by hash, unchecked


def test_the_sbom_lists_what_is_installed(
    ours: dict[str, tuple[tarfile.TarInfo, bytes]],
) -> None:
    """CycloneDX, with a licence and a package URL for each; the tools of the build are not in it."""
    sbom = json.loads(ours["app/sbom.cdx.json"][1])
    assert sbom["bomFormat"] == "CycloneDX"
    listed = {(part["name"], part["version"]) for part in sbom["components"]}
    installed = {
        tuple(match.groups())
        for name in ours
        if (match := re.search(r"site-packages/([^/]+)-([^-/]+)\.dist-info$", name))
    }
    assert {(_normal(name), version) for name, version in listed} == {
        (_normal(name), version) for name, version in installed
    }
    assert {"kopf", "ldap3", "profile-image-sync"} <= {name for name, _ in listed}
    assert all(part["purl"] for part in sbom["components"] if part["name"] != "profile-image-sync")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_second_build_makes_the_same_image(product_image: Image, tmp_path: Path) -> None:
    """Whoever builds a release again from its tag can compare digests."""
    try:
        second = Image.saved(built(SECOND, ANEW="yes"), tmp_path / "second.tar")
    finally:
        subprocess.run([engine(), "image", "rm", SECOND], capture_output=True, check=False)
    assert second.config["rootfs"]["diff_ids"][-1] == product_image.config["rootfs"]["diff_ids"][-1]
    assert second.config["created"] == product_image.config["created"]
    assert second.layers[-1] == product_image.layers[-1]


def test_every_file_has_the_same_time(ours: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    """Nothing says when it was built."""
    assert {file.mtime for file, _ in ours.values()} == {MADE}


@pytest.mark.parametrize(
    "path",
    ["Dockerfile", "packaging/image/install", "scripts/build-image", "scripts/wheels.sh"],
)
def test_no_processor_is_named(path: str) -> None:
    """It is built for the processor of the machine that builds it."""
    assert not re.search(r"amd64|x86.64|arm64(?!/)", (ROOT / path).read_text())
