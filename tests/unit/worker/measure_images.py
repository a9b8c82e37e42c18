"""Prints, as JSON, the memory that conversions were estimated to need and took: run as a process."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from uuid import UUID

from PIL import Image

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.worker.images import make_avatar, memory_needed
from profile_image_sync.worker.people import Person, Source
from profile_image_sync.worker.pipeline import LARGE_BYTES, Pipeline, Upload
from profile_image_sync.worker.plan import PersonPlan, Verdict

SETTINGS = ImageSettings()
SOURCE = Source("thumbnailPhoto", bytes(16))
PERSON = Person(UUID(int=1), (), SOURCE, (), "somebody")
UPLOAD = Upload(PersonPlan(PERSON, Verdict.UPLOAD_FIRST, 1), SOURCE)
STATUS, PEAK_RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
LIBC = ctypes.CDLL("libc.so.6")


def encoded(image: Image.Image, media_format: str, **options: object) -> bytes:
    """Return the picture as a file of that format."""
    buffer = BytesIO()
    image.save(buffer, media_format, **options)
    return buffer.getvalue()


def memory(field: str) -> int:
    """Return a figure of the kernel's, in bytes."""
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def taken(work: Callable[[], object]) -> int:
    """Return by how much the resident memory grows while `work` runs, at its peak."""
    gc.collect()
    LIBC.malloc_trim(0)
    PEAK_RESET.write_text("5")
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


def convert(raw: bytes) -> None:
    """Convert one picture."""
    make_avatar(raw, SETTINGS)


def in_all_threads(large: list[bytes], small: list[bytes]) -> None:
    """Convert pictures as a run does: large ones in this thread, small ones in the pipeline's."""
    with Pipeline(SETTINGS, lambda _account, _avatar: None) as pipeline:
        for raw in small * 2:
            pipeline.submit(UPLOAD, raw)
        for raw in large:
            pipeline.convert(raw)
        while len(pipeline):
            pipeline.finished(1.0)


def main() -> None:
    """Measure each picture."""
    grey_alpha = encoded(Image.new("LA", (3400, 3400), (90, 128)), "PNG")
    cases = {
        "grey with transparency": grey_alpha,
        "RGB with transparency": encoded(Image.new("RGBA", (3000, 3000), (9, 9, 9, 128)), "PNG"),
        "RGB": encoded(Image.new("RGB", (4000, 3000), (9, 9, 9)), "PNG"),
        "palette": encoded(Image.new("P", (5000, 5000), 3), "PNG"),
        "palette with transparency": encoded(
            Image.new("P", (4000, 4000), 3), "PNG", transparency=b"\0\x80\xff"
        ),
        "16 bits": encoded(Image.new("I;16", (4000, 4000), 3000), "PNG"),
        "GIF": encoded(Image.new("P", (4000, 4000), 3), "GIF"),
        "JPEG": encoded(Image.new("RGB", (6000, 4000), (9, 9, 9)), "JPEG"),
        "progressive JPEG": encoded(
            Image.new("RGB", (3000, 3000), (9, 9, 9)), "JPEG", progressive=True, subsampling=0
        ),
        "CMYK JPEG": encoded(Image.new("CMYK", (3000, 3000)), "JPEG"),
        "WebP": encoded(Image.new("RGB", (1700, 1700), (9, 9, 9)), "WEBP"),
        "lossless WebP": encoded(Image.new("RGBA", (1700, 1700)), "WEBP", lossless=True),
    }
    convert(encoded(Image.new("RGB", (300, 200)), "JPEG"))  # imports, and codecs' own tables
    figures = {
        name: (memory_needed(raw, SETTINGS), taken(lambda raw=raw: convert(raw)))  # type: ignore[misc]
        for name, raw in cases.items()
    }
    small = [
        encoded(Image.new(mode, (side, side)), media_format)
        for mode, side, media_format in (
            ("LA", 1000, "PNG"), ("RGB", 1500, "PNG"), ("RGB", 1500, "BMP"), ("P", 1100, "GIF")
        )
    ]  # fmt: skip
    assert all(LARGE_BYTES / 2 < memory_needed(raw, SETTINGS) <= LARGE_BYTES for raw in small)
    together = taken(lambda: in_all_threads([grey_alpha] * 4, small))
    figures["all threads"] = (sum(needed for needed, _ in figures.values()), together)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
