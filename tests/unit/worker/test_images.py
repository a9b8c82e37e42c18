"""Pictures made ready for HighQ: upright, square, on white, in sRGB; and what is refused instead."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode, encodebytes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from profile_image_sync.api.image_settings import Fit, Focus, ImageSettings
from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.images import largest, make_avatar, source_md5
from profile_image_sync.worker.people import Avatar
from testkit import pictures

DEFAULTS = ImageSettings()
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Colour = tuple[int, int, int]


def encoded(image: Image.Image, media_format: str, **options: object) -> bytes:
    """Return the picture as a file of that format."""
    buffer = BytesIO()
    image.save(buffer, media_format, **options)
    return buffer.getvalue()


def striped(width: int, height: int, first: Colour, middle: Colour, last: Colour) -> Image.Image:
    """Paint three stripes across the longer side."""
    image = Image.new("RGB", (width, height), middle)
    third = max(width, height) // 3
    image.paste(first, (0, 0, width, third) if height > width else (0, 0, third, height))
    end = (
        (0, height - third, width, height) if height > width else (width - third, 0, width, height)
    )
    image.paste(last, end)
    return image


def shown(raw: bytes, settings: ImageSettings = DEFAULTS) -> Image.Image:
    """Return what HighQ would get, having checked what holds for every avatar."""
    ready = make_avatar(raw, settings)
    image = Image.open(BytesIO(ready.data), formats=("JPEG", "PNG"))
    assert image.size == (ready.side, ready.side)
    assert 256 <= ready.side <= settings.max_size
    assert image.mode == "RGB" or (image.mode == "L" and ready.data == raw)
    assert ready.media_type == Image.MIME[image.format or ""]
    assert ready.media_type == "image/jpeg" or ready.data == raw
    assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return image


def looks_like(image: Image.Image, where: tuple[float, float], colour: Colour) -> bool:
    """Compare the pixel at this share of width and height, as exactly as JPEG allows."""
    pixel = image.getpixel((int(where[0] * image.width), int(where[1] * image.height)))
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= 12 for a, b in zip(pixel, colour, strict=True))


def refusal(raw: bytes, settings: ImageSettings = DEFAULTS) -> ImageRefused:
    """Return why the picture is refused."""
    with pytest.raises(ImageRefused) as refused:
        make_avatar(raw, settings)
    return refused.value


@pytest.mark.parametrize(
    ("size", "options", "top_left", "bottom_right"),
    [
        ((300, 900), {}, RED, RED),  # the top third: heads
        ((300, 900), {"focus": Focus.CENTER}, GREEN, GREEN),
        ((900, 300), {}, GREEN, GREEN),  # of a wide picture the middle
        ((900, 300), {"focus": Focus.CENTER}, GREEN, GREEN),
        ((300, 900), {"fit": Fit.PAD}, WHITE, WHITE),
        ((900, 300), {"fit": Fit.PAD}, WHITE, WHITE),
    ],
)
def test_a_picture_becomes_square_as_the_spec_says(
    size: tuple[int, int],
    options: dict[str, Fit | Focus],
    top_left: Colour,
    bottom_right: Colour,
) -> None:
    """Crop keeps the top or the centre; Pad keeps all, on white."""
    raw = pictures.png(striped(*size, RED, GREEN, BLUE))
    image = shown(raw, ImageSettings.model_validate(options))
    assert looks_like(image, (0.02, 0.02), top_left)
    assert looks_like(image, (0.97, 0.97), bottom_right)
    assert looks_like(image, (0.5, 0.5), RED if top_left == RED else GREEN)


def test_padding_keeps_the_whole_picture() -> None:
    """Both ends of a wide picture are there, in the middle of the height."""
    raw = pictures.png(striped(900, 300, RED, GREEN, BLUE))
    image = shown(raw, ImageSettings(fit=Fit.PAD))
    assert looks_like(image, (0.1, 0.5), RED)
    assert looks_like(image, (0.9, 0.5), BLUE)


@pytest.mark.parametrize(
    ("source", "max_size", "side"),
    [(48, 512, 256), (256, 512, 256), (400, 512, 400), (3000, 512, 512), (1500, 1024, 1024)],
)
@pytest.mark.parametrize("fit", Fit)
def test_small_pictures_are_scaled_up_and_large_ones_down(
    source: int, max_size: int, side: int, fit: Fit
) -> None:
    """HighQ takes no side under 256; what it would only shrink is not sent."""
    raw = pictures.jpeg(Image.new("RGB", (source, source), BLUE))
    image = shown(raw, ImageSettings(max_size=max_size, fit=fit))
    assert image.width == side
    assert looks_like(image, (0.5, 0.5), BLUE)


@pytest.mark.parametrize("media_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_taken_sideways_stands_upright(orientation: int, media_format: str) -> None:
    """All of EXIF's eight orientations, in either format; a value that means nothing is ignored."""
    upright = Image.new("RGB", (400, 400), WHITE)
    for colour, corner in ((RED, (0, 0)), (GREEN, (200, 0)), (BLUE, (0, 200))):
        upright.paste(colour, (*corner, corner[0] + 200, corner[1] + 200))
    lying = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(lying[orientation]) if orientation in lying else upright
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Telephone"
    exif[ExifTags.Base.Orientation] = orientation
    image = shown(encoded(stored, media_format, exif=exif.tobytes()))
    assert looks_like(image, (0.25, 0.25), RED)
    assert looks_like(image, (0.75, 0.25), GREEN)
    assert looks_like(image, (0.25, 0.75), BLUE)


def test_a_telephones_picture_is_cut_after_it_was_turned() -> None:
    """Heads are at the top of the upright picture, not of the pixels as they lie."""
    image = shown(pictures.rotated_jpeg(striped(300, 900, RED, GREEN, BLUE)))
    assert looks_like(image, (0.5, 0.5), RED)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09", b"Exif\0\0II*\0" * 9]
)
def test_broken_exif_does_not_spoil_a_picture(exif: bytes) -> None:
    """Nor does it make Pillow warn."""
    assert looks_like(
        shown(encoded(Image.new("RGB", (99, 99), RED), "JPEG", exif=exif)), (0, 0), RED
    )


def test_no_metadata_leaves_the_house() -> None:
    """Where a picture was taken, and with what, stays behind; the comment and the profile as well."""
    place = pictures.rotated_jpeg(Image.new("RGB", (99, 99), RED))
    assert b"Telephone" in place
    noted = encoded(
        Image.new("RGB", (99, 99), RED),
        "JPEG",
        comment=b"Telephone",
        icc_profile=SRGB,
        dpi=(300, 300),
    )
    for raw in (place, noted):
        shown(raw)
        assert b"Telephone" not in make_avatar(raw, DEFAULTS).data


@pytest.mark.parametrize(
    ("mode", "colour", "media_format", "options", "expected"),
    [
        ("RGB", RED, "JPEG", {"quality": 95}, RED),
        ("RGB", RED, "JPEG", {"quality": 95, "progressive": True}, RED),
        ("L", 200, "JPEG", {}, (200, 200, 200)),
        ("CMYK", (0, 255, 255, 0), "JPEG", {"quality": 95}, RED),  # Adobe's way, inverted
        ("RGB", RED, "PNG", {}, RED),
        ("RGBA", (255, 0, 0, 0), "PNG", {}, RED),  # nothing but transparent: the byte means nothing
        ("RGBA", (255, 0, 0, 128), "PNG", {}, (255, 127, 127)),
        ("LA", (0, 128), "PNG", {}, (127, 127, 127)),
        ("L", 7, "PNG", {"transparency": 8}, (7, 7, 7)),
        ("I;16", 200 * 256, "PNG", {}, (200, 200, 200)),
        ("1", 0, "PNG", {}, (0, 0, 0)),
        ("RGB", BLUE, "GIF", {}, BLUE),
        ("RGB", BLUE, "BMP", {}, BLUE),
        ("L", 200, "BMP", {}, (200, 200, 200)),
        ("1", 255, "BMP", {}, WHITE),
        ("RGBA", (255, 0, 0, 255), "BMP", {}, RED),
    ],
)
def test_every_kind_of_colour_is_shown_as_it_was_meant(
    mode: str,
    colour: float | tuple[int, ...],
    media_format: str,
    options: dict[str, object],
    expected: Colour,
) -> None:
    """Grey, palettes, print colours, 16 bits, transparency: the result is RGB, on white."""
    source = Image.new(mode, (120, 120), colour)
    image = shown(encoded(source, media_format, **options))
    assert looks_like(image, (0.5, 0.5), expected)


def test_transparent_corners_become_white() -> None:
    """Not black, as in so many systems."""
    image = shown(pictures.transparent_png(Image.new("RGB", (300, 300), BLUE)))
    assert looks_like(image, (0.02, 0.02), WHITE)
    assert looks_like(image, (0.5, 0.5), BLUE)
    keyed = Image.new("RGB", (300, 300), RED)
    keyed.paste(BLUE, (100, 100, 200, 200))
    image = shown(encoded(keyed, "PNG", transparency=RED))
    assert looks_like(image, (0.02, 0.02), WHITE)
    assert looks_like(image, (0.5, 0.5), BLUE)
    palette = Image.new("P", (300, 300), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.paste(1, (100, 100, 200, 200))
    for media_format, clear in (("PNG", b"\0\xff"), ("PNG", 0), ("GIF", 0)):
        image = shown(encoded(palette, media_format, transparency=clear))
        assert looks_like(image, (0.02, 0.02), WHITE)
        assert looks_like(image, (0.5, 0.5), BLUE)


def test_of_an_animation_the_first_picture_counts() -> None:
    """GIF and animated PNG alike."""
    frames = [Image.new("RGB", (99, 99), colour) for colour in (RED, GREEN, BLUE)]
    for media_format in ("GIF", "PNG"):
        raw = encoded(frames[0], media_format, save_all=True, append_images=frames[1:])
        assert looks_like(shown(raw), (0.5, 0.5), RED)


def test_a_pictures_own_colour_space_is_translated() -> None:
    """A made-up profile in which red and green have changed places shows that it is obeyed."""
    swapped = SRGB.replace(b"rXYZ", b"swap").replace(b"gXYZ", b"rXYZ").replace(b"swap", b"gXYZ")
    red = Image.new("RGB", (300, 300), RED)
    for media_format in ("JPEG", "PNG"):
        image = shown(encoded(red, media_format, icc_profile=swapped))
        assert looks_like(image, (0.5, 0.5), GREEN)


@pytest.mark.parametrize("profile", [b"rubbish", SRGB[:200], SRGB[:128] + bytes(460)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_broken_colour_profile_is_as_good_as_none(profile: bytes, mode: str) -> None:
    """The picture goes up all the same; so it does when the profile is one for another mode."""
    source = Image.new("RGB", (99, 99), RED).convert(mode)
    plain = make_avatar(encoded(source, "JPEG"), DEFAULTS)
    assert make_avatar(encoded(source, "JPEG", icc_profile=profile), DEFAULTS) == plain
    if mode != "RGB":
        assert make_avatar(encoded(source, "JPEG", icc_profile=SRGB), DEFAULTS) == plain


def test_equal_bytes_and_settings_give_equal_avatars_in_any_thread() -> None:
    """The sync can be repeated, and several pictures are converted at once."""
    raws = [pictures.jpeg(pictures.portrait(f"P{seed}", seed, 200, 260)) for seed in range(12)]
    expected = [make_avatar(raw, DEFAULTS) for raw in raws]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(lambda raw: make_avatar(raw, DEFAULTS), raws)) == expected


def png_header(width: int, height: int) -> bytes:
    """Make a PNG of a few bytes that claims any size."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"")
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (body, idat)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(10_000, 10_000), (2**31 - 1, 2**31 - 1), (6_325, 6_325)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    """A few bytes that would fill the memory are never decoded."""
    refused = refusal(png_header(*size))
    assert refused.reason == "TooManyPixels"
    assert "more than 40 million pixels: put a smaller one" in str(refused)


def test_a_bomb_in_a_gif_is_refused() -> None:
    """Its frame may be far larger than the screen that the header speaks of."""
    frame = (
        b"GIF89a\x01\0\x01\0\0\0\0," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x08\x01\0\0"
    )
    assert refusal(frame).reason == "TooManyPixels"


@pytest.mark.parametrize(
    ("media_format", "options", "fits"),
    [
        ("JPEG", {}, True),
        ("JPEG", {"progressive": True, "subsampling": 0}, False),
        ("PNG", {}, False),
        ("WEBP", {"lossless": True}, False),
    ],
)
def test_what_would_not_fit_a_small_pod_is_refused(
    media_format: str, options: dict[str, object], fits: bool
) -> None:
    """Only a baseline JPEG can be decoded at a fraction of its size, and so may be larger."""
    raw = encoded(Image.new("RGB", (4200, 4000), RED), media_format, **options)
    if fits:
        assert looks_like(shown(raw), (0.5, 0.5), RED)
    else:
        refused = refusal(raw)
        assert refused.reason == "TooManyPixels"
        assert "4200x4000 pixels takes more than 64 MiB of memory to decode" in str(refused)


def test_a_jpeg_of_many_scans_is_refused() -> None:
    """Each scan costs as much time as a whole picture, and a few bytes: a thousand would take minutes."""
    raw = encoded(Image.new("RGB", (400, 300), RED), "JPEG", progressive=True)
    scan = raw[raw.rfind(b"\xff\xda") : -2]
    few, many = (raw[:-2] + count * scan + raw[-2:] for count in (20, 1000))
    assert shown(few)
    refused = refusal(many)
    assert refused.reason == "Corrupt"
    assert "more than 64 scans" in str(refused)


def test_text_in_a_png_is_not_unpacked() -> None:
    """A megabyte of zeros in a kilobyte of compressed text, many times over, costs nothing."""
    text = PngImagePlugin.PngInfo()
    for number in range(70):
        text.add_text(f"t{number}", "0" * 1_000_000, zip=True)
    plain = encoded(Image.new("RGB", (300, 200), RED), "PNG")
    assert make_avatar(
        encoded(Image.new("RGB", (300, 200), RED), "PNG", pnginfo=text), DEFAULTS
    ) == make_avatar(plain, DEFAULTS)


@pytest.mark.parametrize("size", [(47, 300), (300, 47), (1, 1)])
def test_a_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    """Its shorter side counts; the message names the setting."""
    refused = refusal(pictures.png(Image.new("RGB", size)))
    assert refused.reason == "TooSmall"
    assert "spec.image.minSourceSize (48)" in str(refused)
    assert shown(pictures.png(Image.new("RGB", size)), ImageSettings(min_source_size=1))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (encoded(Image.new("RGB", (64, 64)), "TIFF"), "TIFF"),
        (encoded(Image.new("RGB", (64, 64)), "ICO"), "a Windows icon"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_another_format_is_named(raw: bytes, name: str) -> None:
    """So that a person knows what to convert."""
    refused = refusal(raw)
    assert refused.reason == "UnsupportedFormat"
    assert f"looks like {name}: put the bytes of a JPEG, PNG, GIF, BMP or WebP" in str(refused)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "no picture"),
        (b"\0" * 100, "no picture"),
        (b"\x80\xff\0", "no picture"),
        (b"https://intranet.example/faces/ada.jpg", "text"),
        (b"QUJDREVGR0hJSktMTU5PUA==", "text"),
    ],
)
def test_what_is_no_picture_is_refused(raw: bytes, what: str) -> None:
    """A link in the attribute is told apart from rubbish."""
    refused = refusal(raw)
    assert refused.reason == "NotAnImage"
    assert f"the value is {what}" in str(refused)


@pytest.mark.parametrize("media_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("form", ["{}", "data:image/jpeg;base64,{}", "\n  {}"])
def test_base64_text_is_named_with_its_remedy(media_format: str, form: str) -> None:
    """Scripts write it into the attribute: decoding it here would hash what the directory does not hold."""
    raw = encoded(Image.new("RGB", (64, 64)), media_format)
    for text in (b64encode(raw), encodebytes(raw)):
        refused = refusal(form.format(text.decode()).encode())
        assert refused.reason == "Base64Text"
        assert "decode it, and put the bytes themselves into the directory" in str(refused)


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (encoded(Image.new("RGB", (300, 300), RED), "JPEG"), "image/jpeg"),
        (encoded(Image.new("L", (256, 256), 90), "JPEG"), "image/jpeg"),
        (encoded(Image.new("RGB", (512, 512), RED), "JPEG", progressive=True), "image/jpeg"),
        (encoded(Image.new("RGB", (300, 300), RED), "PNG"), "image/png"),
        (encoded(Image.new("L", (300, 300), 90), "PNG"), "image/png"),
    ],
    ids=["jpeg", "grey jpeg", "progressive jpeg", "png", "grey png"],
)
@pytest.mark.parametrize("fit", Fit)
def test_a_square_picture_within_bounds_is_passed_on_byte_for_byte(
    raw: bytes, media_type: str, fit: Fit
) -> None:
    """Nothing is lost by encoding it once more."""
    assert make_avatar(raw, ImageSettings(fit=fit)) == Avatar(raw, media_type, _side(raw))


def _side(raw: bytes) -> int:
    return Image.open(BytesIO(raw)).width


SQUARE = Image.new("RGB", (300, 300), RED)
EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
PNG_TEXT = PngImagePlugin.PngInfo()
PNG_TEXT.add_text("Author", "somebody")


@pytest.mark.parametrize(
    "raw",
    [
        encoded(Image.new("RGB", (255, 255), RED), "JPEG"),
        encoded(Image.new("RGB", (513, 513), RED), "PNG"),
        encoded(Image.new("RGB", (300, 301), RED), "JPEG"),
        encoded(SQUARE, "JPEG", exif=EXIF),
        encoded(SQUARE, "JPEG", comment=b"taken at home"),
        encoded(SQUARE, "JPEG", icc_profile=SRGB),
        encoded(SQUARE, "JPEG", xmp=b"<x/>"),
        encoded(SQUARE, "JPEG") + b"and more",
        encoded(SQUARE, "JPEG").replace(b"\xff\xd9", b"\xff\xfe\0\x06home\xff\xd9"),
        encoded(Image.new("CMYK", (300, 300)), "JPEG"),
        encoded(SQUARE, "PNG", pnginfo=PNG_TEXT),
        encoded(SQUARE, "PNG", icc_profile=SRGB),
        encoded(SQUARE, "PNG", exif=EXIF),
        encoded(SQUARE, "PNG", transparency=RED),
        encoded(SQUARE, "PNG") + b"and more",
        encoded(Image.new("RGBA", (300, 300), RED), "PNG"),
        encoded(SQUARE.convert("P"), "PNG"),
        encoded(SQUARE, "GIF"),
        encoded(SQUARE, "BMP"),
        encoded(SQUARE, "WEBP", lossless=True),
    ],
    ids=[
        "too small", "too large", "not square", "exif", "comment", "profile", "xmp", "behind the end",
        "comment behind the scan", "cmyk", "png text", "png profile", "png exif", "png colour key",
        "behind the png's end", "alpha", "palette", "gif", "bmp", "webp",
    ],
)  # fmt: skip
def test_any_other_picture_is_encoded_anew(raw: bytes) -> None:
    """Metadata, such as where a photograph was taken, never reaches HighQ."""
    avatar = make_avatar(raw, DEFAULTS)
    assert avatar.data != raw
    assert avatar.media_type == "image/jpeg"
    assert b"home" not in avatar.data
    assert shown(raw)


SOURCES: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": pictures.jpeg,
    "progressive": lambda image: encoded(image, "JPEG", progressive=True, icc_profile=SRGB),
    "sideways": pictures.rotated_jpeg,
    "cmyk": pictures.cmyk_jpeg,
    "png": pictures.png,
    "transparent": pictures.transparent_png,
    "palette": lambda image: encoded(image.convert("P"), "PNG", transparency=b"\0\x80\xff"),
    "deep": pictures.deep_png,
    "profile": lambda image: encoded(image, "PNG", icc_profile=SRGB),
    "gif": pictures.gif,
    "bmp": lambda image: encoded(image, "BMP"),
    "webp": lambda image: encoded(image, "WEBP"),
    "lossless webp": lambda image: encoded(image.convert("RGBA"), "WEBP", lossless=True),
    "bmp with a palette": lambda image: encoded(image.convert("P"), "BMP"),
}
REAL = {name: make(pictures.portrait("XY", 3, 60, 80)) for name, make in SOURCES.items()}


@pytest.mark.parametrize("name", REAL)
def test_a_picture_that_is_cut_off_is_refused(name: str) -> None:
    """A half picture is worse than none."""
    raw = REAL[name]
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.95):
        assert refusal(raw[: int(len(raw) * share)]).reason == "Corrupt"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Change, drop or insert a few bytes of a real picture, mostly near its headers."""
    raw = bytearray(REAL[draw(st.sampled_from(sorted(REAL)))])
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, min(700, len(raw))) | st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(raw)


@settings(max_examples=600, deadline=None)
@given(damaged() | st.binary(max_size=300))
def test_any_bytes_become_an_avatar_or_a_refusal(raw: bytes) -> None:
    """No error of Pillow's gets away, and no message holds bytes of the picture."""
    reasons = {
        "Base64Text", "Corrupt", "NotAnImage", "TooManyPixels", "TooSmall", "UnsupportedFormat"
    }  # fmt: skip
    for options in (DEFAULTS, ImageSettings(fit=Fit.PAD, min_source_size=1, max_size=256)):
        refused = None
        try:
            shown(raw, options)
        except ImageRefused as error:
            refused = error
        assert refused is None or refused.reason in reasons
        assert str(refused).isprintable()
        assert "\\x" not in str(refused)
    assert largest([raw, raw]) == raw


def test_of_several_values_the_one_with_the_most_pixels_counts() -> None:
    """In whatever order the directory lists them; what cannot be used does not count."""
    small = pictures.png(Image.new("RGB", (96, 96), RED))
    large = pictures.png(Image.new("RGB", (200, 200), RED))
    rubbish, bomb = b"rubbish", png_header(9_000, 9_000)
    for order in permutations((small, large, rubbish, bomb)):
        assert largest(order) == large
    assert largest([rubbish]) == rubbish


def test_among_pictures_of_one_size_the_smallest_hash_counts() -> None:
    """Any rule would do, as long as two runs choose alike."""
    values = [pictures.png(Image.new("RGB", (96, 96), (shade, 0, 0))) for shade in range(4)]
    expected = min(values, key=lambda value: md5(value, usedforsecurity=False).hexdigest())
    assert {largest(order) for order in permutations(values)} == {expected}


def test_the_source_hash_is_md5_of_the_raw_bytes() -> None:
    """What is compared from run to run is what AD holds (rule 2)."""
    assert source_md5(b"abc").hex() == "900150983cd24fb0d6963f7d28e17f72"
