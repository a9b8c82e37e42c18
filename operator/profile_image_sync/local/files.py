"""Writes a file so that a crash leaves the old content or the new, never half of it."""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EISDIR
from pathlib import Path

UNFINISHED = ".unfinished"  # suffix of a file that is being written


def write_file(path: Path, data: bytes) -> None:
    """Replace the file, readable by its owner only; when it returns, a power cut loses nothing.

    Raises OSError; the old content is then still there.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        _write_new(unfinished, data)
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _sync_folder(path.parent)


def check_writable(path: Path, size: int) -> None:
    """Raise OSError unless a file of `size` bytes can be written beside this one; change nothing."""
    unfinished = path.with_name(path.name + UNFINISHED)
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    try:
        _write_new(unfinished, b" " * size)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_new(path: Path, data: bytes) -> None:
    # a new file each time: nothing is written through a link or a leftover of a killed run
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Wait until the disk has the new name."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
