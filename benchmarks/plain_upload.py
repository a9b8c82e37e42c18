"""The plain script that `bench-uploading` compares with: one picture after the other, one connection.

What a careful administrator would write in an afternoon: no retries, no rate limit, no state.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Sequence

import httpx
from PIL import Image

SIDE = 256  # pixels: HighQ's minimum


def upload_all(
    url: str, token: str, trust: ssl.SSLContext, pictures: Sequence[tuple[int, bytes]]
) -> None:
    """Convert and upload each picture to the account with that id."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    with httpx.Client(headers=headers, verify=trust, timeout=60, trust_env=False) as client:
        for account, raw in pictures:
            files = {"file": ("portrait.jpg", _converted(raw), "image/jpeg")}
            client.post(f"{url}/api/5/users/{account}/avatar", files=files).raise_for_status()


def _converted(raw: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(raw)) as image:
        image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
            out, "JPEG", quality=90
        )
    return out.getvalue()
