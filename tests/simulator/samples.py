"""Made-up people and pictures, for tests and trials; the same ones each time."""

from __future__ import annotations

import io
from colorsys import hsv_to_rgb

from PIL import Image, ImageDraw

from .settings import UserSettings

_FIRST = ("Ada", "Bruno", "Chloé", "Dmitri", "Élise", "Farid", "Grace", "Håkon", "Ines", "Jürgen")
_LAST = ("Ashby", "Brown", "Castillo", "Dvořák", "Evans", "Fischer", "García", "Hughes", "Ito")
_JOBS = ("Partner", "Associate", "Paralegal", "Counsel", "Librarian")


def person(
    number: int, *, picture: bytes | None = None, domain: str = "acme.example"
) -> UserSettings:
    """Make the HighQ user of that number; mail p<number>@<domain>, external id ext-<number>."""
    return UserSettings(
        id=number,
        firstname=_FIRST[number % len(_FIRST)],
        lastname=_LAST[number % len(_LAST)],
        email=f"p{number}@{domain}",
        externalid=f"ext-{number}",
        organisation="Acme LLP",
        jobtitle=_JOBS[number % len(_JOBS)],
        department="Litigation",
        picture=picture,
    )


def people(count: int) -> list[UserSettings]:
    """Make users 1 to `count`, none with a picture."""
    return [person(number) for number in range(1, count + 1)]


def portrait(seed: int, width: int = 320, height: int = 320, form: str = "JPEG") -> bytes:
    """Draw a figure before a coloured ground; each seed has its own colours and bytes."""
    red, green, blue = hsv_to_rgb(seed * 0.618 % 1, 0.55, 0.75)
    image = Image.new("RGB", (width, height), (int(red * 255), int(green * 255), int(blue * 255)))
    draw = ImageDraw.Draw(image)
    side, middle = min(width, height), width // 2
    skin = tuple(
        int(255 * part) for part in hsv_to_rgb(0.07, 0.25 + seed % 5 / 10, 0.95 - seed % 4 / 8)
    )
    cloth = tuple(int(255 * part) for part in hsv_to_rgb(seed * 0.381 % 1, 0.6, 0.35))
    draw.ellipse((middle - side * 0.36, side * 0.68, middle + side * 0.36, side * 1.4), fill=cloth)
    draw.ellipse((middle - side * 0.2, side * 0.2, middle + side * 0.2, side * 0.7), fill=skin)
    draw.text((4, 4), str(seed), fill="white")
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()
