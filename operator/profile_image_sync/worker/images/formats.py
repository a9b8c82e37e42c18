"""Recognises a picture by its first bytes and opens it, reading only its header.

Apart, because every byte here is untrusted: what is no picture is named for the person who must
replace it, and what Pillow raises on damaged bytes becomes ImageRefused.
"""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.images.structure import without_text_chunks

MAX_PIXELS = 40_000_000  # of a source: more is a mistake or a decompression bomb

# What Pillow's Python code and codecs raise on damaged bytes. Not MemoryError: the machine, not the
# picture, is to blame for it.
DECODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    ImageCms.PyCMSError,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # of a GIF's frame, a WebP
_WANTED = "the bytes of a JPEG, PNG, GIF, BMP or WebP"
_BASE64 = re.compile(rb"\s*(?:data:[\w/+.;=-]*;base64,)?([A-Za-z0-9+/\s]{8,64})")


class _JpegFile(JpegImageFile):
    """Pillow's JPEG reader without its search of EXIF for a resolution: broken EXIF makes it warn."""

    def _read_dpi_from_exif(self) -> None:
        """Read nothing."""


def _open_png(raw: bytes) -> ImageFile:
    return PngImageFile(BytesIO(without_text_chunks(raw)))


# Pillow's classes, not Image.open: that one tries every plugin, and only warns of decompression bombs.
_FORMATS: tuple[tuple[re.Pattern[bytes], str, Callable[[bytes], ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG", lambda raw: _JpegFile(BytesIO(raw))),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG", _open_png),
    (re.compile(rb"GIF8[79]a"), "GIF", lambda raw: GifImageFile(BytesIO(raw))),
    (re.compile(rb"BM"), "BMP", lambda raw: BmpImageFile(BytesIO(raw))),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP", lambda raw: WebPImageFile(BytesIO(raw))),
)
UNSUPPORTED_SIGNATURES = (
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphe", "HEIC"),
    (4, b"ftypm", "HEIC"),  # mif1, msf1
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"jP  ", "JPEG 2000"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\1\0", "a Windows icon"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "SVG"),
    (0, b"%PDF", "PDF"),
    (0, b"\xd0\xcf\x11\xe0", "an OLE document"),
)


def open_image(raw: bytes) -> ImageFile:
    """Return the picture with nothing but its header read; raise ImageRefused when that fails."""
    for signature, name, opener in _FORMATS:
        if signature.match(raw):
            try:
                return opener(raw)
            except _BOMB:
                raise too_many_pixels() from None
            except DECODE_ERRORS:
                raise corrupt(name) from None
    raise _not_an_image(raw)


def corrupt(name: str | None) -> ImageRefused:
    """Return the refusal of a picture that cannot be decoded to its end."""
    return ImageRefused(
        "Corrupt", f"the {name} is cut off or damaged: put the picture into the directory anew"
    )


def too_many_pixels() -> ImageRefused:
    """Return the refusal of a picture that is too large to decode."""
    return ImageRefused(
        "TooManyPixels",
        f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels: put a smaller one into "
        "the directory",
    )


def _not_an_image(raw: bytes) -> ImageRefused:
    for offset, magic, name in UNSUPPORTED_SIGNATURES:
        if raw.startswith(magic, offset):
            return ImageRefused(
                "UnsupportedFormat",
                f"the picture looks like {name}: put {_WANTED} into the directory",
            )
    if _is_base64(raw):
        return ImageRefused(
            "Base64Text",
            "the value is a picture written as base64 text: decode it, and put the bytes themselves "
            "into the directory",
        )
    start = raw[:64]
    is_text = start.isascii() and b"\0" not in start and start != b""
    what = "text (a link?)" if is_text else "no picture"
    return ImageRefused("NotAnImage", f"the value is {what}: put {_WANTED} into the directory")


def _is_base64(raw: bytes) -> bool:
    """Tell whether the text decodes to the beginning of a picture."""
    found = _BASE64.match(raw)
    if not found:
        return False
    digits = b"".join(found[1].split())
    try:
        start = b64decode(digits[: len(digits) // 4 * 4])
    except Base64Error:
        return False
    return any(signature.match(start) for signature, _, _ in _FORMATS)
