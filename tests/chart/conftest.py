"""Helm, and a control plane to install into."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from profile_image_sync import names
from testkit.control_plane import ControlPlane, run_control_plane
from tests.chart.helm import CHART, NAMESPACE, RELEASE, ROOT, Helm
from tests.chart.kubectl import OTHER, TENANT, Kubectl


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Give Helm; the first call on a machine builds it."""
    made = subprocess.run(
        [ROOT / "testcluster/build-binaries", "helm"], stdout=subprocess.PIPE, text=True, check=True
    )
    return Helm(Path(made.stdout.strip()) / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a module's own control plane: what Helm installs is seen by the whole cluster."""
    with run_control_plane(tmp_path_factory.mktemp("plane") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, helm: Helm) -> Kubectl:
    """Give an administrator's kubectl where the chart is installed, all namespaces being restricted."""
    admin = Kubectl(control_plane)
    modes = ("enforce", "warn")  # the one judges pods, the other what makes them
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes}
    for name in (NAMESPACE, TENANT, OTHER):
        admin("create", "-f", "-", body={
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted},
        })  # fmt: skip
    helm.do("install", RELEASE, str(CHART), kubeconfig=control_plane.kubeconfig)
    admin("wait", "--for=condition=Established", f"crd/{names.PLURAL}.{names.GROUP}")
    return admin
