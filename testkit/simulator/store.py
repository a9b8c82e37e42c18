"""Persistence of `--data`: an SQLite file, or nothing (`NullStore`).

Rows of bytes only; instances.py knows what they mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

Kind = Literal["instance", "user", "picture", "audit"]


class Store(Protocol):
    """Rows of bytes by instance, kind and key; kept at once, lost only with the machine."""

    def put(self, instance: str, kind: Kind, rows: Iterable[tuple[int, bytes]]) -> None:
        """Write rows, all of them or none; a row of the same key is replaced."""

    def drop(self, instance: str, kind: Kind | None = None, key: int | None = None) -> None:
        """Forget one row, all rows of a kind, or all of an instance."""

    def rows(self, instance: str, kind: Kind) -> Iterator[tuple[int, bytes]]:
        """Read all rows of a kind, in the order of their keys."""

    def instances(self) -> list[str]:
        """Name the instances that have rows."""

    def close(self) -> None:
        """Close the file."""


class NullStore:
    """A store that keeps nothing."""

    def put(self, instance: str, kind: Kind, rows: Iterable[tuple[int, bytes]]) -> None:
        """Keep nothing."""

    def drop(self, instance: str, kind: Kind | None = None, key: int | None = None) -> None:
        """There is nothing to drop."""

    def rows(self, instance: str, kind: Kind) -> Iterator[tuple[int, bytes]]:  # noqa: ARG002
        """There are no rows."""
        return iter(())

    def instances(self) -> list[str]:
        """There are no instances."""
        return []

    def close(self) -> None:
        """There is nothing to close."""


class SqliteStore:
    """The store in `folder`/simulator.db. One process at a time."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file."""
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "simulator.db")
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS rows (
                instance TEXT, kind TEXT, key INTEGER, body BLOB, PRIMARY KEY (instance, kind, key)
            ) WITHOUT ROWID;
            """
        )

    def put(self, instance: str, kind: Kind, rows: Iterable[tuple[int, bytes]]) -> None:
        """Write rows in one transaction."""
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                ((instance, kind, key, body) for key, body in rows),
            )

    def drop(self, instance: str, kind: Kind | None = None, key: int | None = None) -> None:
        """Delete what matches."""
        with self._database:
            self._database.execute(
                "DELETE FROM rows WHERE instance = ?1 AND (?2 IS NULL OR kind = ?2)"
                " AND (?3 IS NULL OR key = ?3)",
                (instance, kind, key),
            )

    def rows(self, instance: str, kind: Kind) -> Iterator[tuple[int, bytes]]:
        """Read all rows of a kind."""
        yield from self._database.execute(
            "SELECT key, body FROM rows WHERE instance = ? AND kind = ? ORDER BY key",
            (instance, kind),
        )

    def instances(self) -> list[str]:
        """Name the instances that have rows."""
        return [name for (name,) in self._database.execute("SELECT DISTINCT instance FROM rows")]

    def close(self) -> None:
        """Close the file."""
        self._database.close()
