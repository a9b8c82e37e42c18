"""Converts a picture of the directory into an avatar for HighQ: bytes in, bytes out.

The only module that imports Pillow: callers see an Avatar or ImageRefused, never an error of Pillow's.
Pictures are untrusted input: format and size are checked before anything is decoded. Thread-safe: it
changes no global setting.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import md5
from io import BytesIO

from PIL import Image, ImageChops, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from profile_image_sync.api.image_settings import SMALLEST_SIDE, Fit, Focus, ImageSettings
from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.people import Avatar

MAX_PIXELS = 40_000_000  # of a source: more is a mistake or a decompression bomb
MAX_HELD_PIXELS = 12_000_000  # to be held at once: about 180 MiB at worst (grey with transparency)
QUALITY = 90  # of the JPEG that is sent

_WHITE = (255, 255, 255)
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {  # by the tag's value; 1 is upright already
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's Python code and codecs raise on damaged bytes. Not MemoryError: the machine, not the
# picture, is to blame for it.
_DECODE_ERRORS = (
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
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # of a GIF's frame


class _JpegFile(JpegImageFile):
    """Pillow's JPEG reader without its search of EXIF for a resolution: broken EXIF makes it warn."""

    def _read_dpi_from_exif(self) -> None:
        """Read nothing."""


# Pillow's classes, not Image.open: that one tries every plugin, and only warns of decompression bombs.
_FORMATS: tuple[tuple[bytes, str, Callable[[BytesIO], ImageFile]], ...] = (
    (b"\xff\xd8\xff", "JPEG", _JpegFile),
    (b"\x89PNG\r\n\x1a\n", "PNG", PngImageFile),
    (b"GIF87a", "GIF", GifImageFile),
    (b"GIF89a", "GIF", GifImageFile),
    (b"BM", "BMP", BmpImageFile),
)
UNSUPPORTED_SIGNATURES = (
    (8, b"WEBP", "WebP"),
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


def make_avatar(raw: bytes, settings: ImageSettings) -> Avatar:
    """Return the picture upright, square, in sRGB, on white, as JPEG without metadata.

    A side has at least 256 pixels and at most `settings.max_size`. Equal bytes and settings give
    equal bytes. Raises ImageRefused: NotAnImage, UnsupportedFormat, TooManyPixels, TooSmall, Corrupt.
    """
    kind, image = _open(raw)
    _check_size(image.size, settings)
    try:
        _decode(image, settings)
        square = _square(_flattened(_upright(image)), image.info.get("icc_profile"), settings)
    except _DECODE_ERRORS:
        raise _corrupt(kind) from None
    data = BytesIO()
    square.save(data, "JPEG", quality=QUALITY)
    return Avatar(data.getvalue(), "image/jpeg", square.width)


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


def _open(raw: bytes) -> tuple[str, ImageFile]:
    """Return the format's name and the picture, with nothing but its header read."""
    for magic, kind, opener in _FORMATS:
        if raw.startswith(magic):
            try:
                return kind, opener(BytesIO(raw))
            except _BOMB:
                raise _too_many_pixels(MAX_PIXELS) from None
            except _DECODE_ERRORS:
                raise _corrupt(kind) from None
    for offset, magic, name in UNSUPPORTED_SIGNATURES:
        if raw.startswith(magic, offset):
            raise ImageRefused(
                "UnsupportedFormat",
                f"the picture looks like {name}: put a JPEG, PNG, GIF or BMP into the directory",
            )
    start = raw[:64]
    is_text = start.isascii() and b"\0" not in start and start != b""
    what = "text (a link, or base64?)" if is_text else "no picture"
    raise ImageRefused(
        "NotAnImage",
        f"the value is {what}: put the bytes of a JPEG, PNG, GIF or BMP into the directory",
    )


def _corrupt(kind: str) -> ImageRefused:
    return ImageRefused(
        "Corrupt", f"the {kind} is cut off or damaged: put the picture into the directory anew"
    )


def _check_size(size: tuple[int, int], settings: ImageSettings) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(MAX_PIXELS)
    if min(size) < settings.min_source_size:
        raise ImageRefused(
            "TooSmall",
            f"the picture has {width}x{height} pixels, less than spec.image.minSourceSize "
            f"({settings.min_source_size}) on a side: put a larger one into the directory",
        )


def _too_many_pixels(limit: int) -> ImageRefused:
    return ImageRefused(
        "TooManyPixels",
        f"the picture has more than {limit // 1_000_000} million pixels: put a smaller one into the "
        "directory",
    )


def _decode(image: ImageFile, settings: ImageSettings) -> None:
    """Load the pixels, unless they need too much memory."""
    whole = image.size
    # a large JPEG is decoded at a half, a quarter or an eighth, never under the size asked for
    image.draft(None, (settings.max_size, settings.max_size))
    # but a progressive one is held in full all the same
    width, height = whole if "progressive" in image.info else image.size
    if width * height > MAX_HELD_PIXELS:
        raise _too_many_pixels(MAX_HELD_PIXELS)
    image.load()


def _usable_pixels(raw: bytes) -> int:
    try:
        _, image = _open(raw)
    except ImageRefused:
        return 0
    pixels = image.width * image.height
    return pixels if pixels <= MAX_PIXELS else 0


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image.info.get("exif", b"")))
    return image if turn is None else image.transpose(turn)


def _orientation(exif: bytes) -> int:
    """Return the orientation tag, 1 when there is none.

    Pillow's reader parses all tags, and warns of every broken one.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order:
        with suppress(struct.error):  # the block ends early
            (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
            (tags,) = struct.unpack_from(f"{order}H", tiff, directory)
            for entry in range(directory + 2, directory + 2 + 12 * tags, 12):
                tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
                if tag == _ORIENTATION:
                    return int(value)
    return 1


def _flattened(image: Image.Image) -> Image.Image:
    """Return the image as L, RGB or CMYK, with white where it is transparent."""
    if image.mode == "I;16":  # grey of 16 bits a pixel
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA") if image.mode != "RGBA" else image
        alpha = image.getchannel("A")
        if alpha.getextrema() != (0, 0):  # all transparent: a BMP whose writer left the byte at 0
            image.paste(_WHITE, mask=ImageChops.invert(alpha))
        return image.convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _square(image: Image.Image, icc: bytes | None, settings: ImageSettings) -> Image.Image:
    """Crop or pad, and scale, onto a new canvas, which has none of the source's metadata."""
    width, height = image.size
    box = (0, 0, width, height)
    if settings.fit is Fit.CROP:
        side = min(image.size)
        left = (width - side) // 2
        top = 0 if settings.focus is Focus.TOP else (height - side) // 2
        box = (left, top, left + side, top + side)
        width = height = side
    longest = max(width, height)
    length = min(max(longest, SMALLEST_SIDE), settings.max_size)
    size = (max(1, round(width * length / longest)), max(1, round(height * length / longest)))
    scaled = _in_srgb(image.resize(size, Image.Resampling.LANCZOS, box=box), icc)
    canvas = Image.new("RGB", (length, length), _WHITE)
    canvas.paste(scaled, ((length - scaled.width) // 2, (length - scaled.height) // 2))
    return canvas


def _in_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert the colours by the embedded profile; a broken profile is ignored."""
    if icc:
        with suppress(*_DECODE_ERRORS):
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            translated = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
            if translated:
                return translated
    return image.convert("RGB")
