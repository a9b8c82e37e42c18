"""Forty sample people: most are ordinary, each of the others is a special case.

The same people are loaded into the domain controller and, as far as `highq` says, into the HighQ
simulator. Deterministic: two calls give equal people and equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from PIL import Image

from testkit import pictures

DOMAIN = "ad.test"
MAIL_DOMAIN = "firm.example"

RUBBISH = b"C:\\Pictures\\me.jpg is where my picture is \x00\x01\x02"

Encoder = Callable[[Image.Image], bytes]


@dataclass(frozen=True, slots=True)
class HighQUser:
    """How somebody exists in HighQ."""

    email: str
    active: bool = True
    externalid: str | None = None


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """One sample person, in the directory and, if `highq` is set, in HighQ."""

    name: str  # the common name
    account: str  # sAMAccountName
    mail: str | None
    upn: str
    photos: Mapping[str, tuple[bytes, ...]] = field(repr=False)  # values by attribute
    highq: HighQUser | None
    enabled: bool = True
    case: str = ""  # what is special about them; empty for ordinary people
    department: str = ""
    manager: str = ""  # sAMAccountName


ORDINARY = (
    "Ada Brook", "Ben Castle", "Cleo Dale", "Dan East", "Ella Field", "Finn Grove", "Gwen Hill",
    "Hugo Isle", "Iris James", "Jack Knight", "Kate Lake", "Liam Moor", "Mona North", "Ned Oak",
    "Olga Park", "Paul Quill", "Queenie Rose", "Rory Stone",
)  # fmt: skip


@cache
def sample_people() -> tuple[SamplePerson, ...]:
    """Return everyone, ordinary people first."""
    ordinary = [_person(name, seed, pictures.jpeg) for seed, name in enumerate(ORDINARY)]
    return (*ordinary, *_formats(), *_attributes(), *_accounts())


def by_account() -> dict[str, SamplePerson]:
    """Return everyone by sAMAccountName."""
    return {person.account: person for person in sample_people()}


def _formats() -> list[SamplePerson]:
    """People whose pictures are unusual."""
    return [
        _person("Sia Tarn", 20, pictures.transparent_png, case="PNG with alpha"),
        _person("Tom Umber", 21, pictures.jpeg, width=400, height=260, case="landscape"),
        _person("Una Vale", 22, pictures.jpeg, width=260, height=400, case="upright"),
        _person("Vic Wood", 23, pictures.jpeg, width=96, height=96, case="96 pixels"),
        _person("Wyn Xavier", 24, pictures.rotated_jpeg, height=300, case="rotated by EXIF, GPS"),
        _person("Xena York", 25, pictures.cmyk_jpeg, case="CMYK"),
        _person("Yves Zander", 26, pictures.deep_png, case="PNG of 16 bits"),
        _person("Zoe Ash", 27, pictures.gif, case="GIF"),
        _person("Alma Birch", 28, pictures.large_jpeg, width=648, height=648, case="100 KB"),
        _person("Bert Cedar", 29, pictures.jpeg, width=32, height=32, case="32 pixels"),
        _person("Cora Drum", 30, pictures.png, case="PNG"),
        _person("Dirk Elm", 31, lambda _: RUBBISH, case="not an image"),
        _person("Edda Fir", 32, lambda image: pictures.jpeg(image)[:2000], case="cut short"),
    ]


def _attributes() -> list[SamplePerson]:
    """People whose pictures stand elsewhere, or nowhere."""
    small, large = _drawn("gil.hazel", 40, 64, 64), _drawn("gil.hazel", 40, 320, 320)
    several = (pictures.jpeg(small), pictures.jpeg(large))
    return [
        _person("Fay Gorse", 39, None, case="no picture"),
        _person("Gil Hazel", 40, None, photos={"jpegPhoto": several}, case="two in jpegPhoto"),
        _person("Hal Ivy", 41, None, case="no picture"),
        _person("Ina Juniper", 42, pictures.jpeg, attribute="jpegPhoto", case="jpegPhoto only"),
    ]


def _accounts() -> list[SamplePerson]:
    """People whose names, mail or accounts are unusual."""
    return [
        _person("Jon Larch", 50, pictures.jpeg, highq=None, case="unknown in HighQ"),
        _person("Kim Maple", 51, pictures.jpeg, mail="reception", case="shares a mail address"),
        _person("Lou Nettle", 52, pictures.jpeg, mail="reception", case="shares a mail address"),
        _person("Meg Olive", 53, pictures.jpeg, enabled=False, case="disabled"),
        _person(
            'Müßig-Ängström, Jörg "Jojo"',
            54,
            pictures.jpeg,
            account="joerg.muessig",
            case="umlauts, comma and quotes in the name",
        ),
        _person(
            "Nils Poplar",
            55,
            pictures.jpeg,
            highq=HighQUser(f"nils.poplar@{MAIL_DOMAIN}", active=False),
            case="inactive in HighQ",
        ),
        _person(
            "Ola Pine",
            56,
            pictures.jpeg,
            mail=None,
            highq=HighQUser(f"ola.pine@{DOMAIN}"),
            case="no mail address, known in HighQ by UPN",
        ),
    ]


def _person(
    name: str,
    seed: int,
    encode: Encoder | None,
    *,
    width: int = 240,
    height: int = 240,
    attribute: str = "thumbnailPhoto",
    photos: Mapping[str, tuple[bytes, ...]] | None = None,
    account: str | None = None,
    mail: str | None = "",
    highq: HighQUser | str | None = "",
    enabled: bool = True,
    case: str = "",
) -> SamplePerson:
    """Make a person; "" for `mail` and `highq` means as everybody has it."""
    account = account or name.lower().replace(" ", ".")
    address = None if mail is None else f"{mail or account}@{MAIL_DOMAIN}"
    if encode:
        photos = {attribute: (encode(_drawn(account, seed, width, height)),)}
    if isinstance(highq, str):
        highq = HighQUser(address) if address else None
    return SamplePerson(
        name=name,
        account=account,
        mail=address,
        upn=f"{account}@{DOMAIN}",
        photos=photos or {},
        highq=highq,
        enabled=enabled,
        case=case,
    )


def _drawn(account: str, seed: int, width: int, height: int) -> Image.Image:
    initials = "".join(word[0].upper() for word in account.split("."))
    return pictures.portrait(initials, seed, width, height)
