"""Where a run keeps its state: the protocol that a folder and ConfigMaps implement.

Apart, so that a run does not know whether it is in a pod. A store knows names, atomic writes and locks; not
what the bytes mean, nor the order they are written in (see ledger).
"""

from __future__ import annotations

from typing import Protocol


class StateStore(Protocol):
    """Keeps one header and numbered shards. Each write is all or nothing, and lasts.

    Every method raises StateUnavailable when the store cannot be reached, or will not have the
    write just now, with the place and the remedy.
    """

    @property
    def where(self) -> str:
        """The place in words, for messages: "folder /srv/acme", "ConfigMaps of tenant/pisync-acme"."""
        ...

    def read_header(self) -> bytes | None:
        """Return the header; None: there is none."""
        ...

    def read_shard(self, index: int) -> bytes | None:
        """Return this shard; None: there is none."""
        ...

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        ...

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace this shard, or make it."""
        ...
