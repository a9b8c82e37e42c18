"""The Makefile is the one way in: what people and machines are told to call exists, and is listed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def test_help_lists_every_target() -> None:
    """`make help` is how a newcomer finds them."""
    assert set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, flags=re.MULTILINE)) == TARGETS


def test_no_file_can_stand_in_for_a_target() -> None:
    """A folder called like a target, such as `demo`, would make it look done."""
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert {target for line in phony for target in line.split()} == TARGETS


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "testcluster/README.md"])
def test_every_command_of_the_documentation_exists(page: str) -> None:
    """Commands in code: `make NAME`, or a line that begins with it."""
    told = re.findall(r"(?:`|^ {4})make ([a-z-]+)", (ROOT / page).read_text(), flags=re.MULTILINE)
    assert set(told) <= TARGETS


def test_the_workflow_calls_make_and_nothing_else() -> None:
    """What a CI machine runs can be run anywhere."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    called = [re.fullmatch(r"(?:sudo \S+ )?make ([a-z-]+)", command) for command in commands]
    assert all(called), commands
    assert {call[1] for call in called if call} <= TARGETS


def test_what_is_mutated_exists_with_its_tests() -> None:
    """A module that was renamed must not drop out of `make mutation` unseen."""
    table = tomllib.loads((ROOT / "tests/mutation.toml").read_text())["modules"]
    modules = [f"operator/profile_image_sync/{module}" for module in table]
    tests = [path for paths in table.values() for path in paths.split()]
    assert [path for path in (*modules, *tests) if not (ROOT / path).exists()] == []
