"""Shows pictures side by side on a terminal: two pixels a character, upper and lower half."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image
from rich.color import Color
from rich.style import Style
from rich.text import Text

SIDE = 24  # characters; half as many lines
GAP = "    "


def side_by_side(pictures: Iterable[bytes]) -> list[Text]:
    """Return the lines that show these pictures, from left to right."""
    images = [Image.open(io.BytesIO(each)).convert("RGB").resize((SIDE, SIDE)) for each in pictures]
    return [Text(GAP).join(_line(image, upper) for image in images) for upper in range(0, SIDE, 2)]


def _line(image: Image.Image, upper: int) -> Text:
    return Text.assemble(
        *(
            ("▀", Style(color=_colour(image, x, upper), bgcolor=_colour(image, x, upper + 1)))
            for x in range(SIDE)
        )
    )


def _colour(image: Image.Image, x: int, y: int) -> Color:
    red, green, blue = image.tobytes()[(y * SIDE + x) * 3 :][:3]
    return Color.from_rgb(red, green, blue)
