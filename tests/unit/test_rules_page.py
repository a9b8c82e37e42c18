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


def words(text: str) -> str:
    """Return what a quote must equal: marks and line ends do not count."""
    return " ".join(re.sub(r"[*`]", "", text).split())


PAGE = (ROOT / "docs" / "rules.md").read_text().partition("## The rules in full")[2]
RULES = {
    int(number): words(text)
    for number, text in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def quotes(text: str) -> list[str]:
    """Return the parts of what stands in quotation marks; "…" leaves something out."""
    parts = (part for quote in re.findall(r'"([^"]+)"', text) for part in quote.split("…"))
    return [words(part.strip(" .:,")) for part in parts if len(part) > 6]


def test_every_rule_is_quoted_word_for_word_by_a_test_of_its_own() -> None:
    """Rules 1 to 14: a docstring says which one its test proves, and quotes it as the page has it."""
    quoted = set()
    for _, docstring in TESTS.values():
        if rule := re.match(r"Rule (\d+): ", docstring):
            number = int(rule[1])
            for quote in quotes(docstring):
                assert quote in RULES[number], f"rule {number} does not say: {quote}"
                quoted.add(number)
    assert quoted == set(range(1, 15)) == set(RULES)


def test_the_reference_model_quotes_the_rules_word_for_word() -> None:
    """Read as the specification, it says what the page says; and it is short enough to be read."""
    text, everything = "", " ".join(RULES.values())
    for name in ("reference.py", "memory.py"):
        source = (ROOT / "tests" / "model" / name).read_text()
        comments = re.findall(r"#(.*)$", source, re.MULTILINE)
        docstrings = re.findall(r'"""(.*?)"""\n', source, re.DOTALL)
        text += "\n".join([*comments, *docstrings])
    for quote in quotes(text):
        assert quote in everything, f"no rule says: {quote}"
    assert len((ROOT / "tests" / "model" / "reference.py").read_text().splitlines()) <= 200
