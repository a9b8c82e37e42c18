"""Converts a picture of the directory into an avatar for HighQ: bytes in, bytes out.

The only package that imports Pillow: callers see an Avatar or ImageRefused, never an error of Pillow's.
Pictures are untrusted input: format, size and memory are checked before anything is decoded. Thread-safe:
it changes no global setting.
"""

from __future__ import annotations

from profile_image_sync.worker.images.conversion import make_avatar
from profile_image_sync.worker.images.memory import memory_needed
from profile_image_sync.worker.images.previews import (
    PictureFacts,
    inspect,
    preview_avatar,
    preview_source,
)
from profile_image_sync.worker.images.sources import largest, source_md5

__all__ = [
    "PictureFacts",
    "inspect",
    "largest",
    "make_avatar",
    "memory_needed",
    "preview_avatar",
    "preview_source",
    "source_md5",
]
