"""Whether a live object still says what we want of it, and nothing more. Pure.

The API server adds defaults, and admission webhooks add fields of their own: what it made of our own write is
taken as right (`Defaults.learn`), and anything else that somebody added is drift, like a field that they
changed. (A field that we no longer set shows in the digest.)
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

from profile_image_sync.controller.bodies import Body

_QUANTITIES = ("requests", "limits")  # whose values the API server writes its own way: 1000m is 1
_SUFFIXES = {
    "": Decimal(1),
    **{suffix: Decimal(10) ** power for suffix, power in zip("num", (-9, -6, -3), strict=True)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
# Parts of each kind that are ours alone. Others write into ServiceAccounts (pull secrets) and metadata.
_OURS_ALONE: Final = {
    "CronJob": ("spec",),
    "Role": ("rules",),
    "RoleBinding": ("roleRef", "subjects"),
}
_SERVER_DEFAULTS: Final = {  # of fields that we leave out
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationMessagePath": "/dev/termination-log",
}
_COPIES = {"serviceAccount": "serviceAccountName"}  # the old name of a field, kept equal


class Defaults:
    """Fields that the cluster adds to what we write. Learnt once per kind, place and value."""

    def __init__(self) -> None:
        """Start with nothing learnt."""
        self._known: set[tuple[str, str, str]] = set()

    def learn(self, wanted: Body, stored: Body) -> None:
        """Take what the API server made of our own write as right."""
        self._known |= _added(wanted, stored)

    def drifted(self, wanted: Body, live: Body) -> bool:
        """Tell whether anything differs from what we want, or was added to it."""
        return needs_update(wanted, live) or not _added(wanted, live) <= self._known


def needs_update(wanted: Any, live: Any, key: str = "") -> bool:
    """Tell whether anything that `wanted` holds is otherwise, or absent, in `live`."""
    if wanted == live:
        return False
    if (
        live is None
    ):  # the API server leaves out what is empty, and sets 0 where that means something
        return bool(wanted)
    if isinstance(wanted, dict) and isinstance(live, dict):
        inside = key if key in _QUANTITIES else ""
        return any(
            needs_update(value, live.get(name), inside or name) for name, value in wanted.items()
        )
    if key == "ownerReferences":  # others may add theirs, and we do while a pod needs the object
        return any(owner not in live for owner in wanted)
    if isinstance(wanted, list) and isinstance(live, list):
        if len(wanted) != len(live):
            return True
        return any(needs_update(one, other, key) for one, other in zip(wanted, live, strict=True))
    if key in _QUANTITIES:
        return _amount(wanted) != _amount(live)
    return bool(wanted != live)


def _added(wanted: Body, live: Body) -> set[tuple[str, str, str]]:
    kind: str = wanted["kind"]
    return {
        (kind, place, value)
        for part in _OURS_ALONE.get(kind, ())
        for place, value in _extra(wanted.get(part), live.get(part), part)
    }


def _extra(wanted: Any, live: Any, place: str) -> set[tuple[str, str]]:
    """Return places and values that only the live object has."""
    found: set[tuple[str, str]] = set()
    if wanted == live:
        return found
    if isinstance(wanted, dict) and isinstance(live, dict):
        for name, value in live.items():
            if name in wanted:
                found |= _extra(wanted[name], value, f"{place}.{name}")
            elif value not in (
                None,
                {},
                [],
                _SERVER_DEFAULTS.get(name),
                live.get(_COPIES.get(name)),
            ):
                found.add((f"{place}.{name}", json.dumps(value, sort_keys=True)))
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for one, other in zip(wanted, live, strict=True):
            found |= _extra(one, other, place)
    return found


def _amount(quantity: Any) -> Decimal | str:
    """Read a Kubernetes quantity; one that cannot be read is equal to none but itself."""
    text = str(quantity)
    found = re.fullmatch(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)", text)
    if found is None or found[2] not in _SUFFIXES:
        return text
    return Decimal(found[1]) * _SUFFIXES[found[2]]
