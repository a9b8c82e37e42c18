"""What the next run would do, person by person: a dry run whose directory is observed on the way.

The same code decides as in a real run, so that a plan cannot differ from the run that follows. Only what
people need to judge it is added: sizes, previews, names, and pictures that several people share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.local.manifest import Manifest
from profile_image_sync.local.run import Notice, run_once
from profile_image_sync.worker.connections import open_directory
from profile_image_sync.worker.directory import Directory, Window
from profile_image_sync.worker.images import PictureFacts, inspect, preview_avatar, preview_source
from profile_image_sync.worker.people import Person, PersonDetails
from profile_image_sync.worker.references import References
from profile_image_sync.worker.reporter import RunOutput

UNCHANGED = "unchanged"
EVERYONE = 10_000_000  # more people than a directory has
_UPLOADS = ("uploaded", "toUpload")
# Whose picture is read once more, although nothing is uploaded: it can be mended by looking at it.
_LOOKED_AT = (PeopleKind.REFUSED, PeopleKind.UNMATCHED, PeopleKind.AMBIGUOUS)


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

    guid: UUID
    label: str
    action: str  # a kind of the report's lists, or "unchanged"
    reason: str
    detail: str
    details: PersonDetails | None
    picture: SourcePicture | None
    shared_by: int  # number of people with the very same picture; 0: no picture


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a plan: the report of the dry run, and everyone in scope."""

    output: RunOutput
    people: tuple[PlannedPerson, ...]


def plan_run(
    manifest: Manifest,
    *,
    folder: Path,
    secret_folders: Mapping[str, Path],
    notice: Notice,
    progress: Callable[[int, int], None],
    previews: bool,
) -> Plan:
    """Do a dry run and return it with everyone. Raises what run_once raises."""
    spec = manifest.resource.spec.model_copy(update={"dry_run": True})
    resource = manifest.resource.model_copy(update={"spec": spec})
    observer = _Observer(spec.image, previews=previews)
    output = run_once(
        replace(manifest, resource=resource),
        folder=folder,
        secret_folders=secret_folders,
        notice=notice,
        progress=progress,
        open_directory=observer.open,
        max_listed=EVERYONE,
    )
    if not output.report.exit_code:
        observer.complete(output, manifest.references(secret_folders), spec)
    return Plan(output, tuple(observer.planned(output)))


class _Observer:
    """Sees the people and the pictures that pass from the directory to the run."""

    def __init__(self, settings: ImageSettings, *, previews: bool) -> None:
        self._settings = settings
        self._previews = previews
        self._people: dict[UUID, Person] = {}
        self._pictures: dict[UUID, SourcePicture] = {}
        self._details: dict[UUID, PersonDetails] = {}

    def open(self, spec: ProfileImageSyncSpec, references: References) -> Directory:
        """Open the directory as a run does, and look on."""
        return _ObservedDirectory(open_directory(spec, references), self)

    def saw_person(self, person: Person) -> None:
        """Remember a person in scope."""
        self._people[person.guid] = person

    def saw_picture(self, guid: UUID, attribute: str, raw: bytes) -> None:
        """Remember sizes and previews; the picture itself goes."""
        self._pictures[guid] = SourcePicture(
            attribute=attribute,
            size=len(raw),
            facts=inspect(raw),
            preview=preview_source(raw) if self._previews else None,
            avatar_preview=preview_avatar(raw, self._settings) if self._previews else None,
        )

    def complete(
        self, output: RunOutput, references: References, spec: ProfileImageSyncSpec
    ) -> None:
        """Read what the run had no need of: the work list's names, and pictures that are not sent."""
        with open_directory(spec, references) as directory:
            for kind, people in output.people.people.items():
                for listed in people if kind.value not in _UPLOADS else ():
                    guid = UUID(listed.guid)
                    self._details[guid] = directory.details(guid)
                    if kind in _LOOKED_AT and guid not in self._pictures:
                        self._look_at(directory, guid)

    def _look_at(self, directory: Directory, guid: UUID) -> None:
        source = self._people[guid].source
        raw = directory.picture(guid, source.attribute) if source else None
        if source and raw:
            self.saw_picture(guid, source.attribute, raw)

    def planned(self, output: RunOutput) -> Iterator[PlannedPerson]:
        """Yield everyone in scope, those with something to do or to mend first."""
        shared = Counter(each.source.md5 for each in self._people.values() if each.source)
        left = dict(self._people)
        for kind, people in output.people.people.items():
            for listed in people:
                person = left.pop(UUID(listed.guid))
                action = "upload" if kind.value in _UPLOADS else kind.value
                yield self._planned(person, shared, action, listed.reason, listed.detail)
        for person in left.values():
            yield self._planned(person, shared, UNCHANGED, "", "")

    def _planned(
        self, person: Person, shared: Mapping[bytes, int], action: str, reason: str, detail: str
    ) -> PlannedPerson:
        return PlannedPerson(
            guid=person.guid,
            label=person.label,
            action=action,
            reason=reason,
            detail=detail,
            details=self._details.get(person.guid),
            picture=self._pictures.get(person.guid),
            shared_by=shared[person.source.md5] if person.source else 0,
        )


class _ObservedDirectory(Directory):
    """A directory that tells the observer what it gives to the run."""

    def __init__(self, directory: Directory, observer: _Observer) -> None:
        self._directory = directory
        self._observer = observer
        self.domain = directory.domain

    def people(self, window: Window | None = None) -> Iterator[Person]:
        """See Directory."""
        for person in self._directory.people(window):
            self._observer.saw_person(person)
            yield person

    def picture(self, guid: UUID, attribute: str) -> bytes | None:
        """See Directory."""
        raw = self._directory.picture(guid, attribute)
        if raw:
            self._observer.saw_picture(guid, attribute, raw)
        return raw

    def close(self) -> None:
        """See Directory."""
        self._directory.close()
