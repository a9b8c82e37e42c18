"""Every command that a message, a help text or a page names: it can be typed, and a test tries it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from profile_image_sync.cli.app import app

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "profile_image_sync"
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
PRODUCT = "profile-image-sync"
OURS = re.compile(rf"(?<![/\w.-]){PRODUCT} ([a-z]+(?![/\w])[^`\n|;)]*)")
KUBECTL = re.compile(r"\bkubectl ((?:[a-z-]+ )?[a-z]+)\b([^`\n)]*)")
STATE = "tests/unit/cli/test_state.py::"
STORED = "tests/apiserver/test_state_commands.py::"
CLUSTER = "tests/apiserver/test_cluster_commands.py::"
PODS = "tests/e2e/test_cluster_commands.py::test_logs_are_those_of_a_runs_pod"

# What a message tells a person to type -> the test that does so.
TRIED = {
    "acknowledge": f"{CLUSTER}test_status_tells_what_waits_for_a_person_and_the_command_goes_on",
    "authorize": "tests/contract/test_authorize.py::test_a_click_on_allow_ends_with_a_secret_that_works",
    "check": "tests/contract/cli/test_check.py::test_a_tenant_that_can_run_is_all_ok_and_nothing_is_changed",
    "crd": f"{STORED}test_a_state_is_exported_lost_and_imported",
    "logs": PODS,
    "people": f"{CLUSTER}test_people_are_listed_with_reason_and_remedy",
    "plan": "tests/contract/cli/test_plan.py::test_a_plan_and_the_run_that_follows_agree_person_by_person",
    "state export": f"{STORED}test_a_state_is_exported_lost_and_imported",
    "state import": f"{STORED}test_a_state_is_exported_lost_and_imported",
    "state list": f"{STORED}test_all_states_are_listed_also_without_a_resource",
    "state release": f"{STATE}test_release_and_resend_are_for_the_next_run",
    "state resend": f"{STATE}test_release_and_resend_are_for_the_next_run",
    "status": f"{CLUSTER}test_status_tells_what_waits_for_a_person_and_the_command_goes_on",
    "sync": "tests/contract/cli/test_sync.py::test_a_run_prints_numbers_people_and_a_summary",
    "kubectl annotate": f"{CLUSTER}test_what_kubectl_is_told_to_do_by_messages_can_be_done",
    "kubectl delete": f"{CLUSTER}test_what_kubectl_is_told_to_do_by_messages_can_be_done",
    "kubectl describe": f"{CLUSTER}test_what_kubectl_is_told_to_do_by_messages_can_be_done",
    "kubectl get": f"{CLUSTER}test_what_kubectl_is_told_to_do_by_messages_can_be_done",
    "kubectl logs": PODS,
}


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings; what is filled in reads X."""
    tree = ast.parse(path.read_text())
    inner = {
        id(part)
        for each in ast.walk(tree)
        if isinstance(each, ast.JoinedStr)
        for part in each.values
    }
    docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docs | inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(map(_filled_in, node.values))


def _filled_in(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    name = ast.unparse(part)
    return PRODUCT if "names.PRODUCT" in name or "program()" in name else "X"


def words(text: str) -> list[str]:
    """Return the words of a command as a shell would, without a comment."""
    if text == "state X X X":  # of `explain`: one of three commands, and where the state is
        text = "state resend X --state X"
    text = re.sub(r"\{\w+\}", "X", text).partition("   ")[0].partition(" #")[0].partition(" > ")[0]
    return shlex.split(text.strip().rstrip(".,:\\"))


def parse(command: Any, typed: list[str], path: str = "") -> str:
    """Return the name of the command that is typed. Raises a UsageError for what it does not know."""
    if hasattr(command, "commands"):
        assert typed, path
        assert typed[0] in command.commands, f"{PRODUCT} {path} {typed[0]}"
        return parse(command.commands[typed[0]], typed[1:], f"{path} {typed[0]}".strip())
    context = command.context_class(command, info_name=path, resilient_parsing=True)
    _, left, _ = command.make_parser(context).parse_args(typed)
    assert not left, f"{PRODUCT} {path}: one word too many: {left}"
    return path


MODULES = sorted(PACKAGE.rglob("*.py"))
SAID = sorted({each for path in MODULES for text in texts(path) for each in OURS.findall(text)})
TOLD_KUBECTL = sorted(
    {each for path in MODULES for text in texts(path) for each in KUBECTL.findall(text)}
)
ON_PAGES = sorted({each for page in PAGES for each in OURS.findall(page.read_text())})
EXAMPLES = sorted(
    {
        each
        for path in (PACKAGE / "cli").glob("*.py")
        for each in re.findall(rf"^      {PRODUCT} (.*)$", path.read_text(), re.MULTILINE)
    }
)


def test_commands_are_found_where_they_are() -> None:
    """The table is of something."""
    assert len(SAID) >= 15
    assert len(EXAMPLES) >= 20
    assert len(ON_PAGES) >= 10


@pytest.mark.parametrize("text", [*SAID, *EXAMPLES, *ON_PAGES])
def test_a_command_that_is_named_can_be_typed(text: str) -> None:
    """The command is there, and has these options and arguments."""
    parse(get_command(app), words(text.partition(" | ")[0]))


@pytest.mark.parametrize("text", SAID)
def test_a_command_that_a_message_names_is_tried_by_a_test(text: str) -> None:
    """The table says by which one, and it is there."""
    _require_test(TRIED[parse(get_command(app), words(text))])


@pytest.mark.parametrize("text", TOLD_KUBECTL, ids=" ".join)
def test_what_kubectl_is_told_to_do_is_tried_by_a_test(text: tuple[str, str]) -> None:
    """By the verb."""
    _require_test(TRIED[f"kubectl {text[0].split()[0]}"])


def _require_test(node: str) -> None:
    file, _, name = node.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(), node


def test_the_table_has_no_row_that_no_message_needs() -> None:
    """A message that is gone takes its row along."""
    said = {parse(get_command(app), words(text)) for text in SAID}
    said |= {f"kubectl {verb.split()[0]}" for verb, _ in TOLD_KUBECTL}
    assert set(TRIED) - said == set()
