"""Secrets that a test plants, and the search for them in whatever a run leaves behind."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

# The command with all libraries at their most talkative, which no setting of ours makes them.
_PROGRAM = """
import logging
configure = logging.basicConfig
logging.basicConfig = lambda **given: configure(**given | {"level": logging.DEBUG})
from profile_image_sync.__main__ import main
main()
"""
AT_DEBUG_LEVEL = (sys.executable, "-c", _PROGRAM)
LOUD = b"debug"  # stands in what it prints


@dataclass(frozen=True)
class Planted:
    """Secrets by what they are."""

    secrets: Mapping[str, bytes]

    def found_in(self, places: Mapping[str, bytes]) -> set[str]:
        """Return which secret stands in which place, however it is spelled there."""
        return {
            f"{what} in {place}"
            for place, content in places.items()
            for what, secret in self.secrets.items()
            if any(spelling in content for spelling in spellings(secret))
        }


def spellings(secret: bytes) -> Iterator[bytes]:
    """Yield the secret as it is, and as it may be written: base64 at any place, URL, hex, JSON, Python."""
    yield secret
    for shift in range(3):
        encoded = b64encode(bytes(shift) + secret).rstrip(b"=")
        whole = encoded[(0, 2, 3)[shift] : -1]  # the last character may hold bits of what follows
        yield whole
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield json.dumps(secret.decode("latin-1"))[1:-1].encode()
    yield repr(secret)[2:-1].encode()


def proc_of(pid: int) -> dict[str, bytes]:
    """Return what `ps` shows of a running process: its arguments and its environment."""
    folder = f"/proc/{pid}"
    found = {}
    for name in ("cmdline", "environ"):
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123
            found[f"its {name}"] = file.read()
    return found
