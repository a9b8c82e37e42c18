"""What a user installs: the wheel, by pip in an empty environment, as krew's plugin does it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import profile_image_sync
from testkit.people import sample_people
from testkit.trial import running_trial

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


def program(name: str) -> str:
    """Return a program that testcluster/build-binaries makes, or finds in the cache."""
    made = subprocess.run(
        [ROOT / "testcluster" / "build-binaries", name],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return str(Path(made.stdout.strip()) / name)


def test_krews_own_validator_accepts_the_manifest(made: Path) -> None:
    """Every field is one that krew knows, no two platforms overlap, and the archive is beside it."""
    manifest = made / "pisync.yaml"
    arguments = ["-manifest", str(manifest), "-skip-install"]
    done = subprocess.run(
        [program("validate-krew-manifest"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    spec = yaml.safe_load(manifest.read_text())["spec"]
    assert spec["version"] == f"v{VERSION}"
    assert len(spec["shortDescription"]) <= 50  # what krew asks of its index
    (platform,) = spec["platforms"]
    assert platform["uri"].endswith(f"/kubectl-pisync-{VERSION}.tar.gz")


def test_krew_installs_it_in_an_empty_environment_and_it_needs_neither_root_nor_cluster(
    made: Path,
) -> None:
    """Krew checks the archive's sum, pip the packages'; a plan's page then needs a directory and a HighQ."""
    krew, archive = made / "krew", made / f"kubectl-pisync-{VERSION}.tar.gz"
    install = ["install", f"--manifest={made / 'pisync.yaml'}", f"--archive={archive}"]
    variables = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    python = interpreter()
    variables |= packages(python) | {"PYTHON": python, "NO_COLOR": "1", "KREW_ROOT": str(krew)}
    variables["PATH"] = os.pathsep.join([str(krew / "bin"), os.environ["PATH"]])

    def call(*arguments: str | Path, user: str | None = CALLER) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            env=variables, cwd=made, user=user, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=500,
        )  # fmt: skip

    installed = call(program("krew"), *install, user=None)
    assert installed.returncode == 0, installed.stderr
    kubectl, plugin = program("kubectl"), krew / "bin" / "kubectl-pisync"
    first = call(kubectl, "pisync", "version", user=None)
    assert (first.returncode, first.stdout) == (0, f"profile-image-sync {VERSION}\n"), first.stderr
    assert "installs into" in first.stderr
    subprocess.run(["chmod", "-R", "a+rX", krew], check=True)  # krew's store is for its owner only
    (pip,) = krew.glob("store/pisync/*/venv/bin/pip")
    assert call(pip, "check").returncode == 0

    again = call(plugin, "version")
    assert (again.returncode, again.stderr) == (0, "")
    assert yaml.safe_load(call(plugin, "crd").stdout)["kind"] == "CustomResourceDefinition"
    assert call(plugin, "sync", "--help").stdout.startswith("Usage: kubectl pisync sync")
    nothing = call(plugin, "plan", "-f", "none.yaml")
    assert (nothing.returncode, nothing.stderr) == (
        20,
        "InvalidSpec: none.yaml cannot be read: No such file or directory\n",
    )
    nowhere = call(plugin, "status")
    assert (nowhere.returncode, len(nowhere.stderr.splitlines())) == (30, 1)
    assert nowhere.stderr.startswith("ApiUnavailable: no cluster to talk to")

    (made / "trial").mkdir()
    with running_trial(made / "trial", sample_people()) as trial:  # the files are root's
        page = made / "plan.html"
        planned = call(plugin, "plan", "-f", trial.manifest, "--html", page, user=None)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.splitlines()[-1].startswith("DryRun: 30 would be uploaded")
    assert "This page holds people's pictures" in page.read_text()

    plugin.with_name("kubectl_complete-pisync").symlink_to(plugin)  # as docs/at-a-terminal.md says
    completed = call(kubectl, "__complete", "pisync", "ackn", user=None).stdout
    assert completed.startswith("acknowledge\t")
