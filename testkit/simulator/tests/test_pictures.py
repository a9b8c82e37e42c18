"""Showing and taking pictures: sizes, the order of checks, the refs."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO

import httpx
import pytest
from PIL import Image

from testkit.pictures import gif, jpeg, png, portrait
from testkit.simulator.process import Instance

CROP = ("avatarXPosition", "avatarYPosition", "avatarWidth", "avatarHeight")
SQUARE = jpeg(portrait("AB", 1, 300, 300))
LANDSCAPE = png(portrait("CD", 2, 600, 400))
SMALL = png(portrait("EF", 3, 255, 400))


def post(
    api: httpx.Client, user: int | str, content: bytes, *crop: object, name: str = "file"
) -> httpx.Response:
    """Post an avatar; `crop` are x, y, width and height, None for one that is left out."""
    data = {key: str(value) for key, value in zip(CROP, crop, strict=False) if value is not None}
    files = {name: ("picture", content, "image/jpeg")}
    return api.post(f"api/5/users/{user}/avatar", files=files, data=data)


def outcome(answer: httpx.Response) -> tuple[int, int | None]:
    """Read HTTP status and ref; no ref if all went well."""
    return answer.status_code, answer.json()["error"]["ref"] if answer.is_error else None


def md5(content: bytes) -> str:
    """Tell bytes as the audit does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def size(answer: httpx.Response) -> tuple[int, int]:
    """Decode a picture and measure it."""
    with Image.open(BytesIO(answer.content)) as image:
        image.load()
        return image.size


@pytest.mark.parametrize("picture", [SQUARE, png(portrait("AB", 1, 256, 256))])
def test_a_square_picture_is_taken(highq: Instance, api: httpx.Client, picture: bytes) -> None:
    """200 with an empty body; the bytes are kept as they came, and who set them."""
    answer = post(api, 1, picture)
    assert (answer.status_code, answer.content) == (200, b"")
    assert highq.picture(1) == picture
    facts = highq.picture_facts(1)
    assert facts
    assert (facts.set_by, facts.size, facts.crop) == ("sync", len(picture), None)
    (upload,) = highq.uploads()
    assert upload.md5 == facts.md5 == md5(picture)
    assert (upload.user_id, upload.status, upload.size) == (1, 200, len(picture))


@pytest.mark.parametrize(
    ("content", "crop", "ref"),
    [
        (b"", (), 406),
        (b"just words", (), 398),
        (gif(portrait("AB", 1, 300, 300)), (), 398),
        (SQUARE[:-200], (), 400),
        (LANDSCAPE[:-200], (), 400),
        (LANDSCAPE[:3000] + b"damage" + LANDSCAPE[3006:], (), 400),
        (b"\xff\xd8\xff\xe0 no more", (), 400),
        (SMALL, (), 401),
        (SMALL, ("x", 0, 200, 200), 401),
        (LANDSCAPE, ("x", 0, 200, 200), 396),
        (LANDSCAPE, (0, "", 200, 200), 396),
        (LANDSCAPE, (0, 0, "1e2", 200), 396),
        (LANDSCAPE, (-1, 0, 200, 200), 396),
        (LANDSCAPE, (0, 0, 0, 0), 396),
        (LANDSCAPE, (300, 0, 301, 500), 402),
        (LANDSCAPE, (300, 200, 300, 201), 403),
        (LANDSCAPE, (0, 0, 300, 301), 404),
        (LANDSCAPE, (), 404),
        (LANDSCAPE, (None, None, 300, None), 404),
        (LANDSCAPE, (1, None, None, None), 402),
        (LANDSCAPE, (None, 1, None, None), 403),
        (LANDSCAPE, (100, 0, 400, 400), None),
        (LANDSCAPE, (None, None, 400, None), None),
        (LANDSCAPE, (200, None, 400, None), None),
        (SQUARE, (0, 0, 100, 100), None),
    ],
)
def test_avatars_are_checked_in_order(
    highq: Instance, api: httpx.Client, content: bytes, crop: tuple[object, ...], ref: int | None
) -> None:
    """Empty, type by content, damage, shortest side, numbers, width, height, square."""
    status = 400 if ref else 200
    assert outcome(post(api, 1, content, *crop)) == (status, ref)
    (entry,) = highq.audit()
    assert (entry.ref, entry.verdict) == (ref, "refused" if ref else "accepted")
    assert entry.md5 == md5(content)
    assert (highq.picture(1) is None) == (ref is not None)


def test_the_crop_is_what_is_shown(highq: Instance, api: httpx.Client) -> None:
    """The file is kept whole, the square of it is shown."""
    post(api, 1, LANDSCAPE, 100, 0, 400, 400)
    facts = highq.picture_facts(1)
    assert facts
    assert facts.crop == (100, 0, 400, 400)
    assert highq.picture(1) == LANDSCAPE
    assert size(api.get("api/5/users/1/avatar?size=256")) == (256, 256)


def test_a_form_needs_a_file(api: httpx.Client) -> None:
    """A part of another name, or a `file` without a file, is 397; no form at all is 74."""
    assert outcome(post(api, 1, SQUARE, name="image")) == (400, 397)
    words = api.post("api/5/users/1/avatar", files={"file": (None, b"words")})
    assert outcome(words) == (400, 397)
    assert outcome(api.post("api/5/users/1/avatar", content=SQUARE)) == (400, 74)
    assert outcome(api.post("api/5/users/1/avatar", data={"file": "x"})) == (400, 74)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    broken = api.post("api/5/users/1/avatar", content=b"--b\r\nbroken", headers=headers)
    assert outcome(broken) in {(400, 74), (400, 397)}


@pytest.mark.parametrize(("user", "expected"), [(99, (403, 110)), ("p1@acme.example", (400, 113))])
def test_avatars_go_to_a_user_id(
    api: httpx.Client, user: int | str, expected: tuple[int, int]
) -> None:
    """The user must exist and be named by number; that is checked before the file."""
    assert outcome(post(api, user, b"")) == expected


def test_refusals_may_be_403(highq: Instance, api: httpx.Client) -> None:
    """The knob changes the HTTP status of 396 to 406, not of system errors."""
    highq.knobs(validation_status=403, max_upload_bytes=1_000_000)
    assert outcome(post(api, 1, b"")) == (403, 406)
    assert outcome(post(api, 1, SMALL)) == (403, 401)
    assert outcome(post(api, 1, bytes(1_000_001))) == (500, 399)


def test_large_files_are_a_system_error(highq: Instance, api: httpx.Client) -> None:
    """Ten MiB by default, or what the knob says: ref 399 at both endpoints."""
    assert outcome(post(api, 1, SQUARE + bytes(10 * 1024 * 1024))) == (500, 399)
    highq.knobs(max_upload_bytes=len(SQUARE))
    assert outcome(post(api, 1, SQUARE)) == (200, None)
    assert outcome(post(api, 1, SQUARE + b"0")) == (500, 399)
    headers = {"Content-Type": "image/jpeg"}
    raw = api.post("api/2/users/1/profileimage", content=SQUARE + b"0", headers=headers)
    assert outcome(raw) == (500, 399)


def test_archived_users_take_pictures(highq: Instance, api: httpx.Client) -> None:
    """They do, unless the knob says no: then they do not exist (110)."""
    highq.change_user(1, status="Archived")
    assert post(api, 1, SQUARE).status_code == 200
    highq.knobs(archived_upload="refuse")
    assert outcome(post(api, 1, SQUARE)) == (403, 110)


@pytest.mark.parametrize("who", ["1", "p1%40acme.example", "P1@ACME.example"])
@pytest.mark.parametrize("wrap", [bytes, base64.b64encode, base64.encodebytes])
def test_profile_images_are_raw_or_base64(
    highq: Instance, api: httpx.Client, who: str, wrap: object
) -> None:
    """To an id or a mail address; the answer is the summary; there is no rule of size or shape."""
    assert callable(wrap)
    headers = {"Content-Type": "image/png"}
    answer = api.post(f"api/2/users/{who}/profileimage", content=wrap(SMALL), headers=headers)
    link = f"{highq.url}/api/2/users/1"
    assert answer.json() == {"user": {"id": 1, "email": "p1@acme.example", "link": link}}
    assert highq.picture(1) == SMALL
    assert highq.uploads()[0].md5 == md5(SMALL)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "image/png", 400),
        (b"no picture", "image/png", 400),
        (gif(portrait("AB", 1, 60, 60)), "image/jpeg", 400),
        (SMALL, "image/gif", 415),
        (SMALL, "application/octet-stream", 415),
    ],
)
def test_profile_images_are_png_or_jpeg(
    highq: Instance, api: httpx.Client, content: bytes, content_type: str, status: int
) -> None:
    """By type and by content; ref 74 for a body that holds none."""
    headers = {"Content-Type": content_type}
    answer = api.post("api/2/users/1/profileimage", content=content, headers=headers)
    assert answer.status_code == status
    assert status == 415 or answer.json()["error"]["ref"] == 74
    assert highq.uploads() == []


def test_an_instance_may_have_one_endpoint_only(highq: Instance, api: httpx.Client) -> None:
    """What a product does not have is answered with a page."""
    highq.knobs(upload_endpoints=["profileimage"])
    assert post(api, 1, SQUARE).status_code == 404
    highq.knobs(upload_endpoints=["avatar"])
    headers = {"Content-Type": "image/png"}
    answer = api.post("api/2/users/1/profileimage", content=SMALL, headers=headers)
    assert answer.status_code == 404
    assert post(api, 1, SQUARE).status_code == 200


@pytest.mark.parametrize("pixels", [16, 32, 48, 64, 96, 128, 256, 512])
def test_avatars_are_shown_in_fixed_sizes(highq: Instance, api: httpx.Client, pixels: int) -> None:
    """Resized bytes, never the ones that were uploaded; a placeholder for those without."""
    picture = jpeg(portrait("AB", 1, 640, 640))
    post(api, 1, picture)
    for user in (1, 2):
        answer = api.get(f"api/5/users/{user}/avatar", params={"size": pixels})
        assert size(answer) == (pixels, pixels)
        assert answer.content != picture
    assert highq.picture(2) is None


@pytest.mark.parametrize("wanted", ["100", "0", "big"])
def test_other_sizes_are_refused(api: httpx.Client, wanted: str) -> None:
    """HTTP 400."""
    assert api.get("api/3/users/1/avatar", params={"size": wanted}).status_code == 400


def test_missing_avatars_may_be_404(highq: Instance, api: httpx.Client) -> None:
    """HighQ's page says both: a placeholder, and 404. The knob chooses."""
    highq.knobs(missing_avatar="404")
    assert api.get("api/3/users/1/avatar").status_code == 404
    assert outcome(api.get("api/3/users/99/avatar")) == (403, 110)


def test_a_file_that_cannot_be_shown_is_a_placeholder(api: httpx.Client) -> None:
    """Publisher takes it all the same."""
    headers = {"Content-Type": "image/png"}
    answer = api.post("api/2/users/1/profileimage", content=SMALL[:200], headers=headers)
    assert answer.status_code == 200
    assert size(api.get("api/3/users/1/avatar?size=64")) == (64, 64)
