"""Writes to the terminal: text, tables, the progress bar. The only module that imports rich.

Names come from directories that many people may edit. All text is therefore printed without control
characters, so that no name can move the cursor, colour a line or hide another one.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from profile_image_sync import logs

_LAST_COLUMN = 16  # characters that it has at least, if it is as long
_PIPED_WIDTH = 10_000  # characters: no line is cut for a program that reads it
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, formatting (bidi), surrogates, separators


def printable(text: str) -> str:
    """Return the text with control characters escaped, but for line ends."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _UNPRINTABLE
        else ascii(character)[1:-1]
        for character in text
    )


@dataclass(frozen=True, slots=True)
class Terminal:
    """Standard output for results, standard error for everything else."""

    output: Console
    errors: Console

    @classmethod
    def start(cls, *, verbose: bool, quiet: bool = False) -> Self:
        """Use the process's streams. Log lines are printed where there is no bar, or if `verbose`.

        `quiet`: only warnings, on a terminal or not.
        """
        width = None if sys.stdout.isatty() else _PIPED_WIDTH
        terminal = cls(Console(width=width), Console(stderr=True))
        logs.configure(json=False, quiet=quiet or (terminal.errors.is_terminal and not verbose))
        return terminal

    def print(self, text: str) -> None:
        """Print a line of the result."""
        self.output.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def notice(self, text: str) -> None:
        """Print a line that is not part of the result."""
        self.errors.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False
    ) -> None:
        """Print a table without lines; `numbers` aligns to the right.

        No cell is cut: on a terminal the last column goes on below where there is room for it, else lines do.
        """
        table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        cells = [[Text(printable(cell)) for cell in row] for row in rows]
        widths = [
            max(len(name), *(row[number].cell_len for row in cells), 0)
            for number, name in enumerate(header)
        ]
        for column in header:
            table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
        table.columns[-1].no_wrap = False
        for row in cells:
            table.add_row(*row)
        needed = sum(widths[:-1]) + len(widths) + min(widths[-1], _LAST_COLUMN)
        if needed > self.output.width:
            table.width = needed
        self.output.print(table, crop=False)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar with rate and time left on a terminal. Elsewhere log lines tell the progress."""
        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        hidden = not self.errors.is_terminal
        with Progress(*columns, console=self.errors, disable=hidden, transient=True) as bar:
            task = bar.add_task(what, total=None, rate="")

            def update(done: int, total: int) -> None:
                if hidden:  # rich would reckon the speed all the same
                    return
                speed = bar.tasks[task].speed
                rate = f"{speed:.0f}/s" if speed else ""
                bar.update(task, completed=done, total=total, rate=rate)

            yield update
