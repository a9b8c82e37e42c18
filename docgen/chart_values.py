"""The table of values in the chart's README, made from the comments in values.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator

BEGIN, END = "<!-- values: made by `make docs` -->", "<!-- end of values -->"
_KEY = re.compile(r"^( *)(#?)([A-Za-z_][\w-]*):(?: (.*))?$")


def with_table(readme: str, values: str) -> str:
    """Return the README with its table made anew."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = [
        f"| `{key}` | {f'`{default}`' if default else ''} | {text} |"
        for key, default, text in rows_of(values)
    ]
    table = "\n".join(["| Value | Default | Meaning |", "| --- | --- | --- |", *rows])
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}"


def rows_of(values: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and comment of every commented value; optional ones have no default."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in values.splitlines():
        prose = re.match(r"^ *# (?! )(.*)$", line)
        key = _KEY.match(line)
        if prose and not line.lstrip().startswith("# ----"):
            comment.append(prose[1])
        elif key:
            indent = len(key[1])
            path = [part for part in path if part[0] < indent] + [(indent, key[3])]
            if comment:
                default = "" if key[2] else (key[4] or "")
                yield (
                    ".".join(name for _, name in path),
                    default,
                    " ".join(comment).replace("|", "\\|"),
                )
            comment = []
        else:
            comment = []
