"""The documentation as a site: built strictly, and readable without a network."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build/docs"


@pytest.fixture(scope="module")
def site() -> Path:
    """Give the site, made by `make docs`."""
    done = subprocess.run(
        ["make", "-s", "docs"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return SITE


def test_every_page_is_in_the_site(site: Path) -> None:
    """And so every link and anchor in it was checked."""
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 15
    for page in pages:
        assert (site / page.with_suffix(".html")).exists()


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and pictures come with it: it is read inside of firewalls."""
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"', page.read_text())
        loaded += re.findall(
            r'<link rel="(?:stylesheet|icon|preconnect)"[^>]+href="([^"]+)"', page.read_text()
        )
        assert not [address for address in loaded if "//" in address], page
