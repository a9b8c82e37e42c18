"""Sample HighQ users; the same ones each time."""

from __future__ import annotations

from .schema import UserSettings

_FIRST = ("Ada", "Bruno", "Chloé", "Dmitri", "Élise", "Farid", "Grace", "Håkon", "Ines", "Jürgen")
_LAST = ("Ashby", "Brown", "Castillo", "Dvořák", "Evans", "Fischer", "García", "Hughes", "Ito")
_JOBS = ("Partner", "Associate", "Paralegal", "Counsel", "Librarian")


def person(number: int, **fields: str | bool | bytes) -> UserSettings:
    """Make the user of that number: mail p<number>@acme.example, external id ext-<number>.

    `fields` are those of UserSettings that shall be otherwise.
    """
    ordinary: dict[str, object] = {
        "id": number,
        "firstname": _FIRST[number % len(_FIRST)],
        "lastname": _LAST[number % len(_LAST)],
        "email": f"p{number}@acme.example",
        "externalid": f"ext-{number}",
        "organisation": "Acme LLP",
        "jobtitle": _JOBS[number % len(_JOBS)],
        "department": "Litigation",
    }
    return UserSettings.model_validate(ordinary | fields)


def people(count: int) -> list[UserSettings]:
    """Make users 1 to `count`, none with a picture."""
    return [person(number) for number in range(1, count + 1)]
