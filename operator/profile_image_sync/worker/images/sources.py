"""What identifies a source picture: its hash, and its size among others."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.images.formats import MAX_PIXELS, open_image


def source_md5(raw: bytes) -> bytes:
    """Return the MD5 of the raw value, before any conversion (rule 2)."""
    return md5(raw, usedforsecurity=False).digest()


def largest(values: Sequence[bytes]) -> bytes:
    """Return the value with the most pixels by its header, among equals the one with the smallest hash.

    LDAP values have no order: the choice must not depend on it. Values that would be refused count as
    0 pixels. `values` holds at least one.
    """
    if len(values) == 1:
        return values[0]
    return min(values, key=lambda value: (-_usable_pixels(value), source_md5(value)))


def _usable_pixels(raw: bytes) -> int:
    try:
        image = open_image(raw)
    except ImageRefused:
        return 0
    pixels = image.width * image.height
    return pixels if pixels <= MAX_PIXELS else 0
