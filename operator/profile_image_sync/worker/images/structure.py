"""Reads the outer structure of JPEG and PNG files: segments, scans and chunks. Pure, without decoding.

Pillow does not say what a file holds besides its pixels. Without this, metadata would be passed on, a
few bytes of compressed text could fill the memory, and a JPEG of thousands of scans the processor.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_PNG_SIGNATURE = 8
_PNG_CHUNK = 12  # length, type and checksum around the data
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_PNG_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")

_MARKER = 0xFF  # begins each marker
_APP0, _SCAN, _END = 0xE0, 0xDA, 0xD9
_COMPONENTS_AT = 4  # of a scan's header: marker, length, then their number
_JFIF = b"JFIF\0"
_JFIF_LENGTH = 16  # without a thumbnail
# What a JPEG is decoded from: frames, tables, restart intervals, scans, and Adobe's colour transform.
_JPEG_PIXELS = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, _SCAN, 0xEE}
_MARKERS_BETWEEN_SCANS = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")


def without_text_chunks(png: bytes) -> bytes:
    """Return the PNG without text, which may be compressed a thousandfold."""
    chunks = list(_chunks(png))
    if not any(name in _PNG_TEXT for name, _ in chunks):
        return png
    kept = [png[part] for name, part in chunks if name not in _PNG_TEXT]
    return b"".join([png[:_PNG_SIGNATURE], *kept])


def is_bare_png(png: bytes) -> bool:
    """Tell whether the PNG holds nothing but pixels, and nothing behind its end."""
    chunks = list(_chunks(png))
    return (
        all(name in _PNG_PIXELS for name, _ in chunks)
        and chunks[-1][0] == b"IEND"
        and chunks[-1][1].stop == len(png)
    )


def is_bare_jpeg(jpeg: bytes) -> bool:
    """Tell whether the JPEG holds nothing but pixels, and nothing behind its end."""
    for marker, at, length in _segments(jpeg):
        if marker == _APP0:
            if length != _JFIF_LENGTH or not jpeg.startswith(_JFIF, at + 4):
                return False
        elif marker not in _JPEG_PIXELS:
            return False
        if marker == _SCAN:
            rest = {found[1][0] for found in _MARKERS_BETWEEN_SCANS.finditer(jpeg, at + 2)}
            return (
                rest <= {*_JPEG_PIXELS, _END}
                and jpeg.endswith(b"\xff\xd9")
                and jpeg.find(b"\xff\xd9", at) == len(jpeg) - 2
            )
    return False


def count_scans(jpeg: bytes) -> int:
    """Return the number of scans, or a few more: thumbnails in metadata have scans, too."""
    return jpeg.count(b"\xff\xda")


def components_of_first_scan(jpeg: bytes) -> int:
    """Return how many components the first scan holds; 0 when there is no scan."""
    for marker, at, _ in _segments(jpeg):
        if marker == _SCAN and at + _COMPONENTS_AT < len(jpeg):
            return jpeg[at + _COMPONENTS_AT]
    return 0


def _chunks(png: bytes) -> Iterator[tuple[bytes, slice]]:
    """Yield type and place of each chunk; the last one may be cut off."""
    at = _PNG_SIGNATURE
    while at < len(png):
        (length,) = (
            struct.unpack_from(">I", png.ljust(at + 4, b"\0"), at) if at + 4 <= len(png) else (0,)
        )
        yield png[at + 4 : at + 8], slice(at, at + length + _PNG_CHUNK)
        at += length + _PNG_CHUNK


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, place and length of each segment, up to the first scan's header."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == _MARKER:
        marker = jpeg[at + 1]
        if marker == _MARKER:  # padding
            at += 1
            continue
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        yield marker, at, length
        if marker == _SCAN:
            return
        at += 2 + length
