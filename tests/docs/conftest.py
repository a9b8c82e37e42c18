"""Fixtures of the chart's tests: Helm, and a control plane."""

from __future__ import annotations

from tests.chart.conftest import control_plane, helm

__all__ = ["control_plane", "helm"]
