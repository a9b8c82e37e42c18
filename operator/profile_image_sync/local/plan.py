"""What the next run would do, person by person: a dry run that is observed on the way.

The same code decides as in a real run, so that a plan cannot differ from the run that follows. Only what
people need to judge it is added: sizes, previews, names, accounts, and pictures that several people share.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleKind, PeopleLists
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import SyncError
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.local.manifest import Manifest
from profile_image_sync.local.matches import Matches
from profile_image_sync.local.observation import Observation
from profile_image_sync.local.run import Notice, run_once
from profile_image_sync.worker.connections import open_directory, open_highq
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.images import PictureFacts, inspect, preview_avatar, preview_source
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import Match
from profile_image_sync.worker.people import Account, Person, PersonDetails
from profile_image_sync.worker.references import References
from profile_image_sync.worker.reporter import RunOutput

UNCHANGED = "unchanged"
UPLOAD = "upload"
EVERYONE = 10_000_000  # more people than a directory has
_UPLOADS = ("uploaded", "toUpload")
# Whose picture is read once more, although nothing is uploaded: it can be mended by looking at it.
_LOOKED_AT = (
    PeopleKind.REFUSED,
    PeopleKind.UNMATCHED,
    PeopleKind.AMBIGUOUS,
    PeopleKind.UNCONFIRMED,
)


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture of the directory."""

    attribute: str
    size: int  # bytes
    facts: PictureFacts | None  # None: not a picture that can be read
    preview: bytes | None = field(repr=False)  # JPEG
    avatar_preview: bytes | None = field(repr=False)  # what would be sent, as JPEG


@dataclass(frozen=True, slots=True)
class PlannedPerson:
    """What the next run would do for one person, and why."""

    person: Person
    action: str  # a kind of the report's lists, or "unchanged"
    reason: str
    detail: str
    record: PersonRecord  # what earlier runs left
    match: Match
    rule: str  # what led to the account; "": there is none
    details: PersonDetails | None
    picture: SourcePicture | None
    shared_by: int  # number of people with the very same picture; 0: no picture
    highq_preview: bytes | None = field(repr=False, default=None)  # what HighQ shows now, as JPEG

    @property
    def account(self) -> Account | None:
        """The HighQ user that is theirs."""
        return self.match.account

    @property
    def highq_shows(self) -> str:
        """What HighQ shows now, in words."""
        has_picture = self.account.has_picture if self.account else None
        if has_picture is False:
            return "HighQ shows no picture yet"
        if self.highq_preview is None:
            return "Not fetched from HighQ"
        return "In HighQ now" if has_picture else "In HighQ now, perhaps a placeholder"


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a plan: the report of the dry run, and everyone in scope if it went to its end."""

    output: RunOutput
    people: tuple[PlannedPerson, ...]
    accounts: tuple[Account, ...]  # HighQ's users


@dataclass(frozen=True, slots=True)
class PlanSource:
    """What a plan is made of."""

    manifest: Manifest
    folder: Path  # of the state
    secret_folders: Mapping[str, Path]

    @property
    def spec(self) -> ProfileImageSyncSpec:
        """The spec of a dry run."""
        return self.manifest.resource.spec.model_copy(update={"dry_run": True})

    @property
    def references(self) -> References:
        """What the spec names."""
        return self.manifest.references(self.secret_folders)


def plan_run(
    source: PlanSource,
    *,
    notice: Notice,
    progress: Callable[[int, int], None],
    previews: bool,
) -> Plan:
    """Do a dry run and return it with everyone. Raises what run_once raises."""
    spec = source.spec
    pictures = _Pictures(spec.image, previews=previews)
    seen = Observation(pictures.saw)
    resource = source.manifest.resource.model_copy(update={"spec": spec})
    output = run_once(
        replace(source.manifest, resource=resource),
        folder=source.folder,
        secret_folders=source.secret_folders,
        notice=notice,
        progress=progress,
        open_directory=seen.open_directory,
        open_highq=seen.open_highq,
        max_listed=EVERYONE,
        full=True,
    )
    if output.report.exit_code:
        return Plan(output, (), ())
    with open_directory(spec, source.references) as directory:
        details = directory.details()
        pictures.look_at(directory, _worth_a_look(seen, output))
    with FolderStore.open(source.folder) as store:
        ledger = Ledger.open(store, expected_id=None)
        matches = Matches(spec, list(seen.people.values()), seen.accounts, ledger)
        people = tuple(_planned(seen, output.people, matches, pictures, details))
    if previews:
        people = _with_highq_pictures(people, source, notice)
    return Plan(output, people, tuple(seen.accounts))


class _Pictures:
    """The pictures that were read, as sizes and previews: the pictures themselves go."""

    def __init__(self, settings: ImageSettings, *, previews: bool) -> None:
        self._settings = settings
        self._previews = previews
        self._seen: dict[UUID, SourcePicture] = {}

    def get(self, guid: UUID) -> SourcePicture | None:
        return self._seen.get(guid)

    def saw(self, guid: UUID, attribute: str, raw: bytes) -> None:
        self._seen[guid] = SourcePicture(
            attribute=attribute,
            size=len(raw),
            facts=inspect(raw),
            preview=preview_source(raw) if self._previews else None,
            avatar_preview=preview_avatar(raw, self._settings) if self._previews else None,
        )

    def look_at(self, directory: Directory, people: Iterator[Person]) -> None:
        """Read pictures that the run had no need of; one that several people share is read once."""
        known: dict[bytes, SourcePicture] = {}  # by MD5
        for person in people:
            source, guid = person.source, person.guid
            if source is None or guid in self._seen:
                continue
            if source.md5 in known:
                self._seen[guid] = known[source.md5]
            elif raw := directory.picture(guid, source.attribute)[1]:
                self.saw(guid, source.attribute, raw)
                known[source.md5] = self._seen[guid]


def _shared(seen: Observation) -> Counter[bytes]:
    """Return the number of people by MD5 of their picture."""
    return Counter(each.source.md5 for each in seen.people.values() if each.source)


def _worth_a_look(seen: Observation, output: RunOutput) -> Iterator[Person]:
    for kind in _LOOKED_AT:
        yield from (seen.people[UUID(each.guid)] for each in output.people.people.get(kind, ()))
    shared = _shared(seen)
    yield from (
        each for each in seen.people.values() if each.source and shared[each.source.md5] > 1
    )


def _planned(
    seen: Observation,
    listed: PeopleLists,
    matches: Matches,
    pictures: _Pictures,
    details: Mapping[UUID, PersonDetails],
) -> Iterator[PlannedPerson]:
    """Yield everyone in scope: who gets a picture, then what can be mended, then the others."""
    shared = _shared(seen)

    def planned(person: Person, action: str, reason: str, detail: str) -> PlannedPerson:
        match = matches.of(person)
        return PlannedPerson(
            person=person,
            action=action,
            reason=reason,
            detail=detail,
            record=matches.record_of(person.guid),
            match=match,
            rule=matches.rule(match),
            details=details.get(person.guid),
            picture=pictures.get(person.guid),
            shared_by=shared[person.source.md5] if person.source else 0,
        )

    left = dict(seen.people)
    uploads_first = sorted(listed.people.items(), key=lambda each: each[0].value not in _UPLOADS)
    for kind, people in uploads_first:
        action = UPLOAD if kind.value in _UPLOADS else kind.value
        for each in sorted(people, key=lambda one: one.label):
            yield planned(left.pop(UUID(each.guid)), action, each.reason, each.detail)
    for person in sorted(left.values(), key=lambda one: one.label):
        yield planned(person, UNCHANGED, "", "")


def _with_highq_pictures(
    people: tuple[PlannedPerson, ...], source: PlanSource, notice: Notice
) -> tuple[PlannedPerson, ...]:
    """Add what HighQ shows now to the first of those who would get another picture."""
    accounts = [each.account for each in people if each.action == UPLOAD and each.account]
    try:
        with open_highq(
            source.spec,
            source.references,
            FolderTokenStore(source.folder),
            threading.Event(),
            on_first_refresh=lambda: None,
        ) as highq:
            shown = highq.shown_avatars(accounts)
    except SyncError as error:
        notice(f"What HighQ shows now is left out: {error}")
        return people
    previews = {account_id: preview_source(raw) for account_id, raw in shown.items()}
    wanted = {account.id for account in accounts}
    return tuple(
        replace(each, highq_preview=previews.get(each.account.id))
        if each.account and each.account.id in wanted
        else each
        for each in people
    )
