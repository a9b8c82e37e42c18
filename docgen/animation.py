"""The demo as an animated picture: each step of docs/demo-transcript.md is shown in turn, by CSS alone."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

TRANSCRIPT = Path(__file__).parents[1] / "docs/demo-transcript.md"
SECONDS_A_STEP, SECONDS_A_LINE = 2.0, 0.9
COLUMNS, CHARACTER, LINE, MARGIN = 146, 6.6, 16, 14  # characters; pixels
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}"
  viewBox="0 0 {width:.0f} {height}" role="img" aria-label="The steps of make demo and what they print">
<style>
text {{ font: 11px ui-monospace, Menlo, Consolas, monospace; fill: #d7dce2; white-space: pre; }}
.title {{ font-weight: bold; fill: #ffffff; }}
.command {{ fill: #7fd1e8; }}
.result {{ fill: #8fd694; }}
.step {{ visibility: hidden; animation: {total:.1f}s step-end infinite; }}
{keyframes}
</style>
<rect width="100%" height="100%" rx="6" fill="#1b2027"/>
"""


def render() -> str:
    """Return the picture, from the last run of the demo in the transcript."""
    steps = _steps(TRANSCRIPT.read_text())
    seconds = [SECONDS_A_STEP + SECONDS_A_LINE * len(step) for step in steps]
    total, passed, keyframes = sum(seconds), 0.0, []
    for number, each in enumerate(seconds):
        start, end = 100 * passed / total, 100 * (passed + each) / total
        hidden = "" if number == 0 else "0% { visibility: hidden } "
        keyframes.append(
            f"@keyframes s{number} {{ {hidden}{start:.2f}% {{ visibility: visible }} "
            f"{end:.2f}% {{ visibility: hidden }} }}"
        )
        passed += each
    height = 2 * MARGIN + LINE * max(len(step) for step in steps)
    width = 2 * MARGIN + COLUMNS * CHARACTER
    parts = [_HEAD.format(width=width, height=height, total=total, keyframes="\n".join(keyframes))]
    for number, step in enumerate(steps):
        parts.append(f'<g class="step" style="animation-name: s{number}">\n')
        parts += [_text(line, row) for row, line in enumerate(step, start=1)]
        parts.append("</g>\n")
    return "".join([*parts, "</svg>\n"])


def _steps(transcript: str) -> list[list[str]]:
    """Return the lines of each step of the last console block; how long it took is left out."""
    block = re.findall(r"^```console\n(.*?)^```", transcript, re.MULTILINE | re.DOTALL)[-1]
    steps = block.split("\n== ")[1:]
    return [
        [
            line
            for line in ("== " + step).splitlines()
            if line and not re.search(r"\(\d+ s\)$", line)
        ]
        for step in steps
    ]


def _text(line: str, row: int) -> str:
    """Return a line as SVG; what does not fit is cut."""
    kinds = {"==": "title", "$": "command", "Succeeded:": "result", "DryRun:": "result"}
    kind = kinds.get(line.split(maxsplit=1)[0], "")
    fits = line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{MARGIN}" y="{MARGIN - 4 + LINE * row}"{mark}>{escape(fits)}</text>\n'
