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


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_cell_of_a_table_is_cut_however_narrow_the_terminal(width: int) -> None:
    """The last column, the longest, goes on below; without room for it, lines are long, as kubectl's."""
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=width), Console(file=io.StringIO()))
    remedy = "no HighQ user has their address or external id; once one has, they are served"
    row = ["ada.brook@firm.example", "unmatched", "AccountInactive", "JPEG 240x240", remedy]
    terminal.table(["PERSON", "ACTION", "REASON", "PICTURE", "WHAT TO DO"], [row])
    shown = output.getvalue()
    assert "…" not in shown
    assert shown.splitlines()[1].split()[:5] == " ".join(row[:4]).split()
    assert " ".join(shown.split()).endswith(remedy)
    if width >= 80:
        assert max(map(len, shown.splitlines())) <= width


def test_a_table_whose_last_cells_are_words_is_not_broken_within_one() -> None:
    """Of `status`: the reason is read as it is typed."""
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=40), Console(file=io.StringIO()))
    terminal.table(["NAMESPACE", "NAME", "LAST", "WHY"], [["tenant-acme", "acme", "9m", "x" * 16]])
    assert output.getvalue().splitlines()[1].split() == ["tenant-acme", "acme", "9m", "x" * 16]
