"""Whether a live object still says what we want of it. Pure.

The API server adds defaults and other controllers add fields: only what we set is compared, so that
nothing is applied when nothing differs. (A field that we no longer set shows in the digest.)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITIES = ("requests", "limits")  # whose values the API server writes its own way: 1000m is 1
_SUFFIXES = {
    "": Decimal(1),
    **{suffix: Decimal(10) ** power for suffix, power in zip("num", (-9, -6, -3), strict=True)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}


def needs_update(wanted: Any, live: Any, key: str = "") -> bool:
    """Tell whether anything that `wanted` holds is otherwise, or absent, in `live`."""
    if live is None:
        return bool(
            wanted
        )  # the API server leaves out what is empty, and sets 0 where that means something
    if isinstance(wanted, dict) and isinstance(live, dict):
        inside = key if key in _QUANTITIES else ""
        return any(
            needs_update(value, live.get(name), inside or name) for name, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(live, list):
        if len(wanted) != len(live):
            return True
        return any(needs_update(one, other, key) for one, other in zip(wanted, live, strict=True))
    if key in _QUANTITIES:
        return _amount(wanted) != _amount(live)
    return bool(wanted != live)


def _amount(quantity: Any) -> Decimal | str:
    """Read a Kubernetes quantity; one that cannot be read is equal to none but itself."""
    text = str(quantity)
    found = re.fullmatch(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)", text)
    if found is None or found[2] not in _SUFFIXES:
        return text
    return Decimal(found[1]) * _SUFFIXES[found[2]]
