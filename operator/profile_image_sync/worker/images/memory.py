"""How much memory a picture takes to decode and scale, told from its header.

Apart, because 23 KB of PNG can take 180 MiB decoded, and several threads decode at once: the caller
shares one budget among them, and no picture may take more than MAX_BYTES.
"""

from __future__ import annotations

from PIL.ImageFile import ImageFile

from profile_image_sync.api.image_settings import SMALLEST_SIDE, Fit, ImageSettings
from profile_image_sync.worker.images.formats import open_image
from profile_image_sync.worker.images.structure import components_of_first_scan

MAX_BYTES = 64 * 1024 * 1024

_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # others: 4
_WEBP_BYTES_A_PIXEL = 16  # two canvases of its animation decoder, its own pixels, a copy, and ours
_COEFFICIENT = 2  # bytes
_TILE = 6 * 1024 * 1024  # what flattening a tile takes
_FLATTENED = ("L", "RGB", "CMYK")


def memory_needed(raw: bytes, settings: ImageSettings) -> int:
    """Return an upper bound in bytes. Raises ImageRefused when `raw` is no picture."""
    image = open_image(raw)
    return needed_by(image, raw, settings)


def needed_by(image: ImageFile, raw: bytes, settings: ImageSettings) -> int:
    """Return the bound for an opened picture, whose `draft` is chosen by this."""
    coefficients = _coefficients(image, raw)
    draft(image, settings)
    width, height = image.size
    decoded = width * height * _bytes_a_pixel(image)
    factor = reduction(image.size, settings)
    reduced = -(-width // factor) * -(-height // factor) * 4
    if image.mode not in _FLATTENED or image.has_transparency_data:
        reduced += _TILE
    elif factor == 1:
        reduced = 0  # scaled as it is
    length = target_side(image.size, settings)
    scaling = (reduced or decoded) + 4 * length * max(-(-height // factor), length) + 4 * length**2
    return max(coefficients + decoded + reduced, scaling, 12 * length**2)


def draft(image: ImageFile, settings: ImageSettings) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth, never under the size that is wanted."""
    image.draft(None, (settings.max_size, settings.max_size))


def reduction(size: tuple[int, int], settings: ImageSettings) -> int:
    """Return the whole number by which a picture is reduced before it is scaled; 1: not at all."""
    return max(1, _side(size, settings) // (2 * target_side(size, settings)))


def target_side(size: tuple[int, int], settings: ImageSettings) -> int:
    """Return the side of the square that is sent, in pixels."""
    return min(max(_side(size, settings), SMALLEST_SIDE), settings.max_size)


def _side(size: tuple[int, int], settings: ImageSettings) -> int:
    return min(size) if settings.fit is Fit.CROP else max(size)


def _bytes_a_pixel(image: ImageFile) -> int:
    if image.format == "WEBP":
        return _WEBP_BYTES_A_PIXEL
    return _BYTES_A_PIXEL.get(image.mode, 4)


def _coefficients(image: ImageFile, raw: bytes) -> int:
    """Return what the decoder holds of a JPEG in several scans: all of it, before the first pixel."""
    layers = getattr(image, "layer", ())
    if not layers:
        return 0
    if "progressive" not in image.info and components_of_first_scan(raw) == len(layers):
        return 0
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    share = sum(layer[1] * layer[2] for layer in layers) / max(1, across * down)
    return int(image.width * image.height * share * _COEFFICIENT)
