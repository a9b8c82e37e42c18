"""Fixtures of the chart's tests: Helm, and a control plane; and a folder that looks like a clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.conftest import control_plane, helm
from tests.docs.commands import copy_of_the_tree

__all__ = ["clone", "control_plane", "helm"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a folder that looks like a clone, as far as commands name files."""
    return copy_of_the_tree(tmp_path)
