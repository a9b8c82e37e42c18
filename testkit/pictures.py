"""Generated portraits that an eye can tell apart, in every format that people put into a directory.

Nobody's real face: each is drawn from a seed, so the same seed always gives the same picture.
"""

from __future__ import annotations

import colorsys
import random
from io import BytesIO

from PIL import ExifTags, Image, ImageDraw, ImageFont

RGB = tuple[int, int, int]

ORIENTATION_ROTATED = 6  # EXIF: turn clockwise by 90 degrees to see it upright
SKIN_TONES: tuple[RGB, ...] = (
    (255, 224, 196),
    (241, 194, 150),
    (214, 160, 112),
    (170, 112, 70),
    (112, 72, 44),
)
HAIR_COLOURS: tuple[RGB, ...] = (
    (40, 26, 13),
    (92, 51, 23),
    (181, 134, 64),
    (150, 150, 155),
    (160, 60, 25),
)


def portrait(initials: str, seed: int, width: int = 240, height: int = 240) -> Image.Image:
    """Draw head and shoulders before a coloured wall, with the initials on the chest."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), _colour(seed * 0.381966, 0.45, 0.95))
    draw = ImageDraw.Draw(image)
    unit = min(width, height) / 100
    centre, top = width / 2, (height - 100 * unit) / 3
    _shoulders(draw, centre, top, unit, _colour(seed * 0.381966 + 0.5, 0.7, 0.6))
    _head(draw, centre, top, unit, chance)
    font = ImageFont.load_default(size=max(6, 22 * unit))
    middle = (centre, top + 86 * unit)
    draw.text(middle, initials, fill="white", font=font, anchor="mm")
    return image


def _colour(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _shoulders(
    draw: ImageDraw.ImageDraw, centre: float, top: float, unit: float, colour: RGB
) -> None:
    box = (centre - 42 * unit, top + 68 * unit, centre + 42 * unit, top + 140 * unit)
    draw.ellipse(box, fill=colour)
    draw.rectangle((box[0], top + 104 * unit, box[2], top + 400 * unit), fill=colour)


def _head(
    draw: ImageDraw.ImageDraw, centre: float, top: float, unit: float, chance: random.Random
) -> None:
    def oval(x: float, y: float, rx: float, ry: float, fill: RGB | str) -> None:
        middle, level = centre + x * unit, top + y * unit
        draw.ellipse(
            (middle - rx * unit, level - ry * unit, middle + rx * unit, level + ry * unit),
            fill=fill,
        )

    skin, hair = chance.choice(SKIN_TONES), chance.choice(HAIR_COLOURS)
    oval(0, 36, 24 + chance.uniform(0, 6), 30, hair)
    oval(0, 42, 20, 26, skin)
    gap, eye = chance.uniform(7, 10), chance.choice(("black", "#1d4f91", "#2f6b3a"))
    oval(-gap, 38, 2.6, 2.6, eye)
    oval(gap, 38, 2.6, 2.6, eye)
    smile = (centre - 9 * unit, top + 44 * unit, centre + 9 * unit, top + 58 * unit)
    draw.arc(smile, start=20, end=160, fill=(150, 30, 40), width=max(1, round(2 * unit)))


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """Encode as an ordinary RGB JPEG."""
    return _encoded(image, "JPEG", quality=quality)


def rotated_jpeg(image: Image.Image) -> bytes:
    """Encode as a phone does: pixels lie on their side, EXIF says so, and where it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = ORIENTATION_ROTATED
    exif[ExifTags.Base.Make] = "Telephone"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (51.0, 30.0, 26.0),
            ExifTags.GPS.GPSLongitudeRef: "W",
            ExifTags.GPS.GPSLongitude: (0.0, 7.0, 39.0),
        }
    )
    sideways = image.transpose(Image.Transpose.ROTATE_90)
    return _encoded(sideways, "JPEG", quality=85, exif=exif.tobytes())


def cmyk_jpeg(image: Image.Image) -> bytes:
    """Encode as a print shop does."""
    return _encoded(image.convert("CMYK"), "JPEG", quality=85)


def png(image: Image.Image) -> bytes:
    """Encode as an RGB PNG."""
    return _encoded(image, "PNG")


def transparent_png(image: Image.Image) -> bytes:
    """Encode as a PNG whose corners are transparent."""
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, image.width - 1, image.height - 1), fill=255)
    see_through = image.copy()
    see_through.putalpha(mask)
    return _encoded(see_through, "PNG")


def deep_png(image: Image.Image) -> bytes:
    """Encode as a PNG of 16 bits a pixel, grey."""
    deep = image.convert("L").convert("I").point(lambda value: value * 257)
    return _encoded(deep.convert("I;16"), "PNG")


def gif(image: Image.Image) -> bytes:
    """Encode as a GIF, 256 colours."""
    return _encoded(image, "GIF")


def large_jpeg(image: Image.Image, limit: int = 102_400) -> bytes:
    """Encode as big as thumbnailPhoto takes: grainy, just under `limit` bytes."""
    grain = Image.frombytes("L", image.size, random.Random(1).randbytes(image.width * image.height))
    grainy = Image.blend(image, grain.convert("RGB"), 0.25)
    for quality in range(95, 5, -1):
        data = jpeg(grainy, quality)
        if len(data) <= limit:
            return data
    raise ValueError(f"no quality brings {image.size} under {limit} bytes")


def _encoded(image: Image.Image, media_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, media_format, **options)
    return buffer.getvalue()
