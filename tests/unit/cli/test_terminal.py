"""Text on a terminal: names from a directory cannot control it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from profile_image_sync.cli.terminal import Terminal, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Brook", "Ada Brook"),
        ("Zoë Müller 李", "Zoë Müller 李"),
        ("red \x1b[31m", r"red \x1b[31m"),
        ("title \x1b]0;owned\x07", r"title \x1b]0;owned\x07"),
        ("8-bit \x9b2J", r"8-bit \x9b2J"),
        ("back\b\b\rover", r"back\x08\x08\rover"),
        ("right to left \u202egpj", r"right to left \u202egpj"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_control_characters_are_shown_not_obeyed(name: str, shown: str) -> None:
    """Whoever may edit a name in the directory cannot move the cursor or hide a line."""
    assert printable(name) == shown


def test_tables_and_lines_take_names_as_they_are() -> None:
    """No markup of the terminal library is read in a name, either."""
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=120), Console(file=io.StringIO()))
    name = "[bold]Ada[/bold] \x1b[2J " + "x" * 60
    terminal.print(name)
    terminal.table(["person"], [[name]])
    shown = printable(name)
    assert output.getvalue().split("\n")[0] == shown
    assert shown in output.getvalue().split("\n")[2]
