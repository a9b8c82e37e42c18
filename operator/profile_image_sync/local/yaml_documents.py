"""Reads YAML documents from a file, as JSON values. The only module that reads YAML.

Reads as `kubectl` does, but refuses a field that is given twice. The file holds secrets, so no message
quotes it: line and column say where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from profile_image_sync import names
from profile_image_sync.api.model import shown
from profile_image_sync.errors import InvalidSpec

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class _Loader(yaml.SafeLoader):
    """Reads plain scalars as JSON has them. A date, 12:30 or 0123 stays text."""


_PLAIN = {
    "null": "~|null|",
    "bool": "|".join(_BOOLEANS),
    "int": "[-+]?(?:0|[1-9][0-9]{0,17})",
    "float": r"[-+]?[0-9]{1,17}\.[0-9]{1,17}",
}
_Loader.yaml_implicit_resolvers = {
    None: [
        (_TAG + name, re.compile(f"(?:{pattern})$", re.IGNORECASE | re.ASCII))
        for name, pattern in _PLAIN.items()
    ]
}


class _NotAccepted(yaml.MarkedYAMLError):
    """Valid YAML that a manifest must not have. The problem is described in our words."""


def documents(path: Path) -> Iterator[object]:
    """Read the documents of a file, without empty ones; raise InvalidSpec."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        nodes = [node for node in yaml.compose_all(text, _Loader) if node is not None]
        found = [document for document in map(_json, nodes) if document is not None]
    except OSError as problem:
        raise InvalidSpec(f"{path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSpec(f"{path} is not text (UTF-8)") from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise InvalidSpec(f"{path}{_place(problem)}") from None
    if not found:
        raise InvalidSpec(f"{path} is empty: it must hold a {names.KIND}")
    yield from found


def _place(problem: Exception) -> str:
    """Return where and why a file is not YAML. PyYAML's message quotes the file, so quotes are removed."""
    if not isinstance(problem, yaml.MarkedYAMLError) or problem.problem_mark is None:
        return " is not YAML: it has control characters, or is nested too deeply"
    why = problem.problem or ""
    if not isinstance(problem, _NotAccepted):
        why = "not YAML: " + re.sub("""['"].*['"]""", "…", why, flags=re.DOTALL)
    mark = problem.problem_mark
    return f", line {mark.line + 1}, column {mark.column + 1}: {why}"


def _json(node: yaml.Node) -> object:
    """Return a YAML node as JSON values."""
    if isinstance(node, yaml.SequenceNode):
        return [_json(entry) for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, object] = {}
        for key, value in node.value:
            if key.tag != f"{_TAG}str":
                raise _NotAccepted(
                    problem="a field's name must be text", problem_mark=key.start_mark
                )
            if key.value in fields:
                twice = f"the field {shown(key.value)} is given twice"
                raise _NotAccepted(problem=twice, problem_mark=key.start_mark)
            fields[key.value] = _json(value)
        return fields
    return _scalar(node)


def _scalar(node: yaml.Node) -> object:
    readers: dict[str, Callable[[str], object]] = {
        "null": lambda _: None,
        "bool": lambda text: _BOOLEANS[text.lower()],
        "int": int,
        "float": float,
        "str": str,
    }
    try:
        return readers[node.tag.removeprefix(_TAG)](node.value)
    except (KeyError, ValueError):
        problem = "a value with a tag (!) that is not read here"
        raise _NotAccepted(problem=problem, problem_mark=node.start_mark) from None
