"""docs/rules.md names tests: each of them exists, and each rule of the design is quoted by a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = {
    node.name: (path.relative_to(ROOT).as_posix(), ast.get_docstring(node) or "")
    for folder in ("tests", "testkit")
    for path in (ROOT / folder).rglob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


def test_every_test_that_the_page_names_exists_where_it_says() -> None:
    """Who doubts a rule can run its test."""
    named = 0
    for line in (ROOT / "docs" / "rules.md").read_text().splitlines():
        for name, _, file in re.findall(
            r"`(test_\w+)`(,? ?\(`((?:tests|testkit)/[^`]+)`\))?", line
        ):
            assert TESTS[name][0] == (file or "tests/model/test_rules.py"), name
            named += 1
    assert named > 30


def test_every_rule_of_the_design_is_quoted_by_a_test() -> None:
    """Rules 1 to 14: at least one test's docstring says which one it proves."""
    docstrings = " ".join(docstring for _, docstring in TESTS.values())
    quoted = {int(number) for number in re.findall(r"[Rr]ules? (\d+)", docstrings)}
    assert quoted >= set(range(1, 15))
