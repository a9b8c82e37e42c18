"""Decodes, reduces, turns, squares and encodes one picture."""

from __future__ import annotations

import struct
from contextlib import suppress
from io import BytesIO
from itertools import product

from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile

from profile_image_sync.api.image_settings import SMALLEST_SIDE, Fit, Focus, ImageSettings
from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.images.formats import (
    DECODE_ERRORS,
    MAX_PIXELS,
    corrupt,
    open_image,
    too_many_pixels,
)
from profile_image_sync.worker.images.memory import (
    MAX_BYTES,
    needed_by,
    reduction,
    target_side,
)
from profile_image_sync.worker.images.structure import count_scans, is_bare_jpeg, is_bare_png
from profile_image_sync.worker.people import Avatar

QUALITY = 90  # of the JPEG that is sent
MAX_SCANS = 64  # of a progressive JPEG; programs write about ten; 10 megapixels take 15 ms a scan
TILE = 512  # pixels a side that are flattened at once

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


def make_avatar(raw: bytes, settings: ImageSettings) -> Avatar:
    """Return the picture upright, square, in sRGB, on white, without metadata.

    A side has at least 256 pixels and at most `settings.max_size`. A JPEG or PNG that is so already is
    passed on byte for byte; others become a JPEG. Equal bytes and settings give equal bytes. Raises
    ImageRefused: NotAnImage, Base64Text, UnsupportedFormat, TooManyPixels, TooSmall, Corrupt.
    """
    image = open_image(raw)
    size, name = image.size, image.format
    _check_size(size, settings)
    _check_cost(image, raw, settings)
    try:
        image.load()
        if size == image.size and (media_type := _unchanged_type(image, raw, settings)):
            return Avatar(raw, media_type, image.width)
        icc, exif = image.info.get("icc_profile"), image.info.get("exif", b"")
        reduced = _reduced(image, settings)
        del image  # its pixels
        square = _square(_upright(reduced, exif), icc, settings)
    except DECODE_ERRORS:
        raise corrupt(name) from None
    data = BytesIO()
    square.save(data, "JPEG", quality=QUALITY)
    return Avatar(data.getvalue(), "image/jpeg", square.width)


def _check_size(size: tuple[int, int], settings: ImageSettings) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise too_many_pixels()
    if min(size) < settings.min_source_size:
        raise ImageRefused(
            "TooSmall",
            f"the picture has {width}x{height} pixels, less than spec.image.minSourceSize "
            f"({settings.min_source_size}) on a side: put a larger one into the directory",
        )


def _check_cost(image: ImageFile, raw: bytes, settings: ImageSettings) -> None:
    """Refuse what would take too much memory, or too long."""
    width, height = image.size
    if needed_by(image, raw, settings) > MAX_BYTES:
        raise ImageRefused(
            "TooManyPixels",
            f"the picture of {width}x{height} pixels takes more than {MAX_BYTES // 2**20} MiB of memory "
            "to decode: put a smaller one into the directory",
        )
    if image.format == "JPEG" and count_scans(raw) > MAX_SCANS:
        raise ImageRefused(
            "Corrupt",
            f"the JPEG consists of more than {MAX_SCANS} scans: save it anew, without them",
        )


def _unchanged_type(image: ImageFile, raw: bytes, settings: ImageSettings) -> str | None:
    """Return the media type of a picture that HighQ can take as it is; None when it must be converted."""
    width, height = image.size
    if width != height or not SMALLEST_SIDE <= width <= settings.max_size:
        return None
    if image.mode not in ("L", "RGB") or "transparency" in image.info:
        return None
    if image.format == "JPEG" and is_bare_jpeg(raw):
        return "image/jpeg"
    if image.format == "PNG" and is_bare_png(raw):
        return "image/png"
    return None


def _reduced(image: Image.Image, settings: ImageSettings) -> Image.Image:
    """Return the picture flattened, and reduced to a small multiple of the size that is wanted.

    Tile by tile, so that no second copy of all pixels is made.
    """
    factor = reduction(image.size, settings)
    if not image.has_transparency_data and image.mode in ("L", "RGB", "CMYK"):
        return image if factor == 1 else image.reduce(factor)
    opaque = image.mode == "RGBA" and list(image.getextrema())[3] == (0, 0)  # a BMP's unused byte
    width, height = image.size
    grey = image.mode in ("1", "I;16") and not image.has_transparency_data
    canvas = Image.new("L" if grey else "RGB", (-(-width // factor), -(-height // factor)))
    step = factor * max(1, TILE // factor)
    for top, left in product(range(0, height, step), range(0, width, step)):
        box = (left, top, min(width, left + step), min(height, top + step))
        tile = _flattened(image.crop(box), opaque=opaque)
        canvas.paste(tile.reduce(factor), (left // factor, top // factor))
    return canvas


def _flattened(image: Image.Image, *, opaque: bool) -> Image.Image:
    """Return the tile as L or RGB, with white where it is transparent."""
    if image.mode == "I;16":  # grey of 16 bits a pixel
        return image.point(lambda value: value / 256).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data and not opaque:
        image = image.convert("RGBA") if image.mode != "RGBA" else image
        image.paste(_WHITE, mask=ImageChops.invert(image.getchannel("A")))
    return image.convert("RGB")


def _upright(image: Image.Image, exif: bytes) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(exif))
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


def _square(image: Image.Image, icc: bytes | None, settings: ImageSettings) -> Image.Image:
    """Crop or pad, and scale, onto a new canvas, which has none of the source's metadata."""
    width, height = image.size
    length = target_side(image.size, settings)
    box = (0, 0, width, height)
    if settings.fit is Fit.CROP:
        side = min(image.size)
        left = (width - side) // 2
        top = 0 if settings.focus is Focus.TOP else (height - side) // 2
        box = (left, top, left + side, top + side)
        width = height = side
    longest = max(width, height)
    size = (max(1, round(width * length / longest)), max(1, round(height * length / longest)))
    # Bicubic is made for enlarging: a third cheaper, and without Lanczos' rings around edges.
    filter_ = Image.Resampling.BICUBIC if length > longest else Image.Resampling.LANCZOS
    scaled = _in_srgb(image.resize(size, filter_, box=box), icc)
    canvas = Image.new("RGB", (length, length), _WHITE)
    canvas.paste(scaled, ((length - scaled.width) // 2, (length - scaled.height) // 2))
    return canvas


def _in_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert the colours by the embedded profile; a broken profile is ignored."""
    if icc:
        with suppress(*DECODE_ERRORS):
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            translated = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
            if translated:
                return translated
    return image.convert("RGB")
