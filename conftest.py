"""What each test needs is known from its fixtures: it gets that marker, and its place in the order of a run.

No file marks itself, so no mark can be forgotten: a test without any of them is fast.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

# Neither a deadline nor a health check that a busy machine fails, whatever the code does.
# "tests" draws the same examples each time: a failure is the change's own. "search" draws others.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("tests", PATIENT, derandomize=True)
settings.register_profile("search", PATIENT)
settings.load_profile("tests")

# A shell has its background jobs ignore it, and so would each command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["testkit.samba.fixtures", "testkit.simulator.fixtures"]

# Marker -> fixtures that start it. Heaviest first: that is the order in which a parallel run begins.
MARKERS = {
    "e2e": {"kind_environment", "product_image"},
    "samba": {"domain_controller"},
    "apiserver": {"control_plane", "helm", "kstatus"},
    "chromium": {"browser"},
}
LONG = "tests/model/"  # a minute of one processor: last, it would keep the others waiting
LAST = "tests/e2e/test_rights.py"  # judges what the others have done


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test; begin with what takes longest, so that workers end together."""
    for item in items:
        for marker in _markers(item):
            item.add_marker(marker)
    items.sort(key=_rank)


def _markers(item: pytest.Item) -> list[str]:
    fixtures = set(getattr(item, "fixturenames", ()))
    return [marker for marker, starters in MARKERS.items() if fixtures & starters]


def _rank(item: pytest.Item) -> int:
    if item.nodeid.startswith(LONG):
        return -1
    if item.nodeid.startswith(LAST):
        return len(MARKERS) + 1
    order = list(MARKERS)
    return min((order.index(marker) for marker in _markers(item)), default=len(order))
