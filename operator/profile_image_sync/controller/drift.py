"""Whether a live object still says what we want of it. Pure.

The API server adds defaults and other controllers add fields: only what we set is compared, so that
nothing is applied when nothing differs.
"""

from __future__ import annotations

from typing import Any

from kubernetes.utils.quantity import parse_quantity

_QUANTITIES = ("requests", "limits")


def differs(wanted: Any, live: Any, key: str = "") -> bool:
    """Tell whether anything that `wanted` holds is otherwise, or absent, in `live`."""
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return bool(wanted) or live is not None
        inside = key if key in _QUANTITIES else ""
        return any(differs(value, live.get(name), inside or name) for name, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(wanted) != len(live):
            return bool(wanted or live)
        return any(differs(one, other, key) for one, other in zip(wanted, live, strict=True))
    if key in _QUANTITIES and live is not None:
        return bool(parse_quantity(wanted) != parse_quantity(live))
    return bool(wanted != live)
