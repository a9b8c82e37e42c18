"""Argo CD's view of a resource, by the scripts of packaging/argocd/, run as Argo CD runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import ROOT
from tests.support.operator import Body

PATCH = ROOT / "packaging/argocd/argocd-cm.yaml"  # of the ConfigMap argocd-cm
SANDBOX = Path(__file__).with_name("sandbox.lua")
KIND = "profileimagesync.io_ProfileImageSync"


def health(resource: Body) -> Body:
    """Return status and message."""
    return _run(_customization("health"), resource)


def actions(resource: Body) -> dict[str, Body]:
    """Return the actions in the menu, by name."""
    return _run(_actions()["discovery.lua"], resource)


def act(name: str, resource: Body) -> Body:
    """Return the resource as an action changes it; Argo CD patches what differs."""
    (script,) = [each["action.lua"] for each in _actions()["definitions"] if each["name"] == name]
    return _run(script, resource)


def _customization(of: str) -> str:
    text: str = yaml.safe_load(PATCH.read_text())["data"][f"resource.customizations.{of}.{KIND}"]
    return text


def _actions() -> Body:
    found: Body = yaml.safe_load(_customization("actions"))
    return found


def _run(script: str, resource: Body) -> Body:
    given = f"{len(script.encode())}\n{script}{_table(resource)}"
    command = ["lua5.1", str(SANDBOX)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: Body = json.loads(done.stdout)
    return result


def _table(value: Any) -> str:
    """Return a JSON value as Lua writes it."""
    if isinstance(value, dict):
        items = [f"[{_table(key)}]={_table(item)}" for key, item in value.items()]
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(_table, value)) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03d}" for byte in value.encode()) + '"'
    return "nil" if value is None else str(value).lower()
