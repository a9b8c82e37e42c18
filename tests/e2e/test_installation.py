"""What a user installs: the wheel, by pip in an empty environment, as krew's plugin does it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import profile_image_sync

pytestmark = pytest.mark.e2e  # apart from the fast tests: pip takes some seconds

ROOT = Path(__file__).parents[2]
VERSION = profile_image_sync.__version__
CALLER = "nobody" if os.geteuid() == 0 else None  # who is not root


def interpreter() -> str:
    """Return a Python that who is not root may run: root's own may lie in a folder of root's."""
    for python in (sys.executable, "/usr/bin/python3"):
        tried = ["sh", "-c", f"exec {python} -c 'import ensurepip'"]
        if subprocess.run(tried, user=CALLER, check=False, capture_output=True).returncode == 0:
            return python
    pytest.skip("no Python that someone else than root may run")


def packages(python: str) -> dict[str, str]:
    """Return variables of pip: the wheels of the image's build, if they are there, instead of an index."""
    wheels = ROOT / "build/wheelhouse"
    version = [python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    same = subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip()
    if f"PYTHON_VERSION={same} " not in (ROOT / "testcluster/versions.env").read_text():
        return {}
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)} if wheels.exists() else {}


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Give a folder with the wheel, krew's archive and its manifest."""
    with tempfile.TemporaryDirectory(
        prefix="installation-"
    ) as name:  # pytest's own are for root only
        folder = Path(name)
        folder.chmod(0o755)
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", name]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        subprocess.run([ROOT / "scripts" / "plugin-archive", wheel, folder], check=True)
        yield folder


def test_krews_manifest_says_what_krew_asks_for(made: Path) -> None:
    """https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/; and the sum is that of the archive."""
    manifest = yaml.safe_load((made / "pisync.yaml").read_text())
    archive = made / f"kubectl-pisync-{VERSION}.tar.gz"
    assert manifest["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2"
    assert (manifest["kind"], manifest["metadata"]) == ("Plugin", {"name": "pisync"})
    spec = manifest["spec"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", spec["version"])
    assert spec["version"] == f"v{VERSION}"
    assert len(spec["shortDescription"]) <= 50
    assert "\n" not in spec["shortDescription"]
    assert spec.keys() == {
        "version", "homepage", "shortDescription", "description", "caveats", "platforms",
    }  # fmt: skip
    (platform,) = spec["platforms"]
    assert platform.keys() == {"selector", "uri", "sha256", "bin"}
    assert platform["uri"].endswith(f"/{archive.name}")
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as content:
        launcher = content.getmember(f"./{platform['bin']}")
    assert launcher.mode & 0o111 == 0o111


def test_the_wheel_installs_in_an_empty_environment_and_needs_neither_root_nor_cluster(
    made: Path,
) -> None:
    """By pip, with hashes checked; then every part that needs no server works."""
    plugin = made / "plugin"
    with tarfile.open(made / f"kubectl-pisync-{VERSION}.tar.gz") as content:
        content.extractall(plugin, filter="data")

    python = interpreter()
    wheels = packages(python)

    def call(*arguments: str, user: str | None = CALLER) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        return subprocess.run(
            [plugin / "kubectl-pisync", *arguments],
            env=variables | wheels | {"PYTHON": python, "NO_COLOR": "1"},
            cwd=made, user=user, capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip

    first = call("version", user=None)
    assert (first.returncode, first.stdout) == (0, f"profile-image-sync {VERSION}\n"), first.stderr
    assert "installs into" in first.stderr
    pip = str(plugin / "venv" / "bin" / "pip")
    assert subprocess.run([pip, "check"], check=False, capture_output=True).returncode == 0

    again = call("version")
    assert (again.returncode, again.stderr) == (0, "")
    assert yaml.safe_load(call("crd").stdout)["kind"] == "CustomResourceDefinition"
    assert call("sync", "--help").stdout.startswith("Usage: kubectl pisync sync")
    nothing = call("plan", "-f", "none.yaml")
    assert (nothing.returncode, nothing.stderr) == (
        20,
        "InvalidSpec: none.yaml cannot be read: No such file or directory\n",
    )
    nowhere = call("status")
    assert (nowhere.returncode, len(nowhere.stderr.splitlines())) == (30, 1)
    assert nowhere.stderr.startswith("ApiUnavailable: no cluster to talk to")
