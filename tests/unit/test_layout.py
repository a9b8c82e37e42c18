"""The layout: what the design promises about files, measured."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOT = ROOT / "operator"
PACKAGE = SOURCE_ROOT / "profile_image_sync"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each third-party library lives behind one module (or package), so that it can be replaced there.
HOMES = {
    "httpx": {"worker/highq/transport.py"},
    "ldap3": {"worker/directory"},
    "dns": {"worker/directory/discovery.py"},
    "PIL": {"worker/images"},
    "yaml": {"local/yaml_documents.py", "api/crd.py"},
    "kopf": {"controller/handlers.py"},
    "kubernetes": {"kube/connection.py"},
    "rich": {"cli/terminal.py"},
    "typer": {"cli"},
    "prometheus_client": {"controller/metrics.py", "controller/resource_metrics.py"},
}


@pytest.mark.parametrize("flags", [(), ("-S",)], ids=["plain", "without site"])
def test_the_source_root_does_not_hide_the_standard_librarys_operator(
    flags: tuple[str, ...],
) -> None:
    """In the repository's root, `import operator` is the standard library's."""
    code = "import operator; print(operator.__file__ or 'built in'); operator.eq"
    command = [sys.executable, *flags, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(ROOT) not in result.stdout
    assert not (SOURCE_ROOT / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    """A module has a docstring and at most 350 lines, a function at most 60."""
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert text.count("\n") <= 350
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@pytest.mark.parametrize("library", HOMES)
def test_a_third_party_library_lives_behind_one_module(library: str) -> None:
    """Only its one module imports a library."""
    importers = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if library in _imported(path)
        and not any(str(path.relative_to(PACKAGE)).startswith(home) for home in HOMES[library])
    ]
    assert importers == []


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
