"""Every reason that a condition, an event, a report or a list can give, as the code has it.

A word in CamelCase in the controller or the worker is a reason, unless runbooks.yaml says that it is none.
So a new reason cannot stay without its remedy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from profile_image_sync import errors

PACKAGE = Path(errors.__file__).parent
_CAMEL_CASE = re.compile(r"[A-Z][a-z]+[A-Za-z0-9]*")


def error_classes() -> list[type[errors.SyncError]]:
    """Return the errors that end a run, in the order of errors.py, without their common bases."""
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    found = [each for each in classes if issubclass(each, errors.SyncError)]
    bases = {base for each in found for base in each.__bases__}
    return [each for each in found if each not in bases]


def words() -> set[str]:
    """Return the words in CamelCase in the code that gives reasons, other than names of errors."""
    modules = [*(PACKAGE / "controller").rglob("*.py"), *(PACKAGE / "worker").rglob("*.py")]
    known = {each.__name__ for each in error_classes()}
    return {word for module in modules for word in _words_of(module)} - known


def _words_of(module: Path) -> Iterator[str]:
    """Leave out what a module exports: names of its classes."""
    for statement in ast.parse(module.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            continue
        for node in ast.walk(statement):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and _CAMEL_CASE.fullmatch(value):
                yield value
