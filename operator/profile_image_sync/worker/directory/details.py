"""What no run needs but its readers do: names, departments and managers; a server's clock. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import UUID

from profile_image_sync.worker.directory.entries import LdapEntry, only_text
from profile_image_sync.worker.people import PersonDetails

DETAILS = ("objectGUID", "distinguishedName", "displayName", "department", "manager", "mail")


def read_details(
    entries: Iterable[LdapEntry], *, mail_of: Callable[[str], LdapEntry | None]
) -> dict[UUID, PersonDetails]:
    """Return the details by objectGUID; `mail_of` reads a manager (by DN) who is not among the people."""
    people = [entry for entry in entries if entry.get("objectguid")]
    mails = {_text(each, "distinguishedname").lower(): _text(each, "mail") for each in people}

    def manager(dn: str) -> str:
        if dn and dn.lower() not in mails:
            mails[dn.lower()] = _text(mail_of(dn) or {}, "mail")
        return mails[dn.lower()] if dn else ""

    return {
        UUID(bytes_le=each["objectguid"][0]): PersonDetails(
            name=_text(each, "displayname"),
            department=_text(each, "department"),
            manager=manager(_text(each, "manager")),
        )
        for each in people
    }


def time_of(text: str | None) -> datetime | None:
    """Read a directory's time (20261127093000.0Z); None when it is none."""
    try:
        return datetime.strptime((text or "")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(entry: LdapEntry, name: str) -> str:
    return only_text(entry.get(name)) or ""
