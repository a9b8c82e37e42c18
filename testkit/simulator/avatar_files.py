"""Image files as HighQ checks and shows them. The only module that imports Pillow.

Pure: bytes in, verdicts and bytes out. Slow (milliseconds): call it in a worker thread.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image, ImageDraw

from .rendering import ApiError

Box = tuple[int, int, int, int]

SIZES = (16, 32, 48, 64, 96, 128, 256, 512)
SHORTEST_SIDE = 256
CROP_FIELDS = ("avatarXPosition", "avatarYPosition", "avatarWidth", "avatarHeight")

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def media_type(content: bytes) -> str | None:
    """Tell PNG and JPEG by their first bytes; None for all else."""
    for signature, name in _SIGNATURES.items():
        if content.startswith(signature):
            return name
    return None


def unwrap(body: bytes) -> bytes:
    """Return the picture of a profile-image body, which is raw or base64, else refuse (74)."""
    if media_type(body) is None:
        try:
            body = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            raise ApiError(400, 74) from None
    if media_type(body) is None:
        raise ApiError(400, 74)
    return body


def check_avatar(content: bytes, crop: Mapping[str, str], status: int) -> Box | None:
    """Check an avatar file as HighQ does, in its order; return the square to show, if one is given.

    `crop` holds the form's crop numbers as text; missing ones are 0 and full size. Refuses with
    refs 398, 400, 401, 396, 402, 403, 404 and the HTTP `status`.
    """
    if media_type(content) is None:
        raise ApiError(status, 398)
    width, height = _decoded_size(content, status)
    if min(width, height) < SHORTEST_SIDE:
        raise ApiError(status, 401)
    given = {name: text for name in CROP_FIELDS if (text := crop.get(name)) is not None}
    full = dict(zip(CROP_FIELDS, ("0", "0", str(width), str(height)), strict=True))
    try:
        left, top, across, down = (int(text) for text in (full | given).values())
    except ValueError:
        raise ApiError(status, 396) from None
    if left < 0 or top < 0 or across <= 0 or down <= 0:
        raise ApiError(status, 396)
    if left + across > width:
        raise ApiError(status, 402)
    if top + down > height:
        raise ApiError(status, 403)
    if across != down:
        raise ApiError(status, 404)
    return (left, top, across, down) if given else None


def shown(content: bytes, crop: Box | None, size: int) -> tuple[bytes, str]:
    """Show a stored picture, its square within `size` pixels a side: the bytes and their type.

    Publisher takes files that cannot be decoded; they show as the placeholder.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            square = image.crop(_corners(crop)) if crop else image.copy()
            form = image.format or "PNG"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return placeholder(size), "image/png"
    square.thumbnail((size, size))
    out = io.BytesIO()
    square.save(out, form)
    return out.getvalue(), Image.MIME[form]


@lru_cache(maxsize=16)
def placeholder(size: int) -> bytes:
    """Draw the grey figure (PNG) that HighQ shows for people without a picture."""
    image = Image.new("RGB", (256, 256), "#d9dee5")
    draw = ImageDraw.Draw(image)
    draw.ellipse((84, 52, 172, 140), fill="#9aa5b4")
    draw.ellipse((40, 156, 216, 356), fill="#9aa5b4")
    out = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


def _corners(box: Box) -> Box:
    left, top, across, down = box
    return (left, top, left + across, top + down)


def _decoded_size(content: bytes, status: int) -> tuple[int, int]:
    """Decode the whole file, to find damage, and return its width and height."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            size = image.size
            # A JPEG is decoded at an eighth of its size: reads every byte, at a fifth of the cost.
            image.draft("L", (size[0] // 8, size[1] // 8))
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ApiError(status, 400) from None
    return size
