"""Where credentials come from: one question, answered by mounted folders or by a manifest."""

from __future__ import annotations

from typing import Literal, Protocol

ReferenceKind = Literal["Secret", "ConfigMap"]


class References(Protocol):
    """Reads the Secrets and ConfigMaps that a spec names. Read anew each time: they may be rotated."""

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """Return the value, without one trailing newline.

        Raises MissingReference when the object or the key is not there, or the value is empty; the
        message names the object, the key and the remedy.
        """
        ...
