"""What is to be done for each person: the rules of the sync. Pure; touches neither network nor state.

Rule numbers are those of the design's first section, which customers rely on (docs/rules.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import Mode
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.matching import Match, MatchOutcome
from profile_image_sync.worker.people import Person, Source


class Verdict(StrEnum):
    """What a run does for one person, or why it does nothing."""

    UPLOAD_FIRST = "UploadFirst"  # no accepted hash yet, or none for this account
    UPLOAD_CHANGED = "UploadChanged"  # AD's image differs from the accepted one
    UPLOAD_NEW_ACCOUNT = "UploadNewAccount"  # accepted for another account: theirs was created anew
    ADOPT = "Adopt"  # first sync of `firstSync: Adopt`: record only
    RERECORD = "Rerecord"  # `imageAttributes` changed: record the hash of the new attribute
    UNCHANGED = "Unchanged"
    REFUSED = "Refused"  # this very image was refused for good
    NO_IMAGE = "NoImage"
    REMOVED = "Removed"  # had an image; nothing is deleted for it
    UNMATCHED = "Unmatched"  # no active account in HighQ
    AMBIGUOUS = "Ambiguous"  # an account, but not surely and only theirs

    @property
    def uploads(self) -> bool:
        """Tell whether a picture goes up."""
        return self in _UPLOADS

    @property
    def needs_account(self) -> bool:
        """Tell whether the person's account in HighQ must be known to carry the verdict out."""
        return self.uploads or self is Verdict.ADOPT


_UPLOADS = frozenset({Verdict.UPLOAD_FIRST, Verdict.UPLOAD_CHANGED, Verdict.UPLOAD_NEW_ACCOUNT})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the spec and the state say about everyone of this run."""

    mode: Mode
    adopting: bool  # `firstSync: Adopt`, and the first sync is not complete
    image_attributes: tuple[str, ...]
    rerecord: (
        bool  # `imageAttributes` changed since the last run: other attributes' hashes are recorded
    )
    attributes_version: int  # of the present `imageAttributes`
    image_settings: bytes  # fingerprint of spec.image: what our own refusals depend on
    upload_settings: bytes  # of spec.image and the endpoint: what HighQ's refusals depend on

    @property
    def settings(self) -> tuple[bytes, bytes]:
        """The fingerprints under which a refusal still holds."""
        return self.image_settings, self.upload_settings

    def accepted(self, source: Source, account_id: int, *, unconfirmed: bool = False) -> Accepted:
        """Return what is recorded of an image that HighQ has, or may have, taken; or that is adopted."""
        version = self.attributes_version
        return Accepted(source.md5, source.attribute, account_id, version, unconfirmed=unconfirmed)


def settings_fingerprint(image: ImageSettings, endpoint: Endpoint | None = None) -> bytes:
    """Return 4 bytes that change with the settings that lead to a refusal."""
    settings = f"{image.model_dump_json()} {endpoint or ''}"
    return sha256(settings.encode()).digest()[:4]


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """One person's verdict, with what is needed to carry it out."""

    person: Person
    verdict: Verdict
    account_id: int = 0  # of uploads and adoptions; 0 where unknown
    reason: str = ""  # of Refused, Unmatched and Ambiguous


def classify(source: Source | None, record: PersonRecord, policy: Policy) -> Verdict:
    """Judge one person by AD's image and the record alone, before HighQ is asked anything."""
    accepted, refused = record.accepted, record.refused
    if source is None:
        return Verdict.REMOVED if accepted else Verdict.NO_IMAGE
    if accepted:
        if accepted.md5 == source.md5:
            return Verdict.UNCHANGED  # rules 3, 4 (accepted A, refused B, back to A) and 6
        if _preferred(accepted.attribute, source.attribute, policy.image_attributes):
            return Verdict.REMOVED  # rule 10: never served from the next attribute in the list
        if policy.rerecord and accepted.attribute != source.attribute:
            return Verdict.RERECORD
        if policy.mode is Mode.ONE_OFF:
            return Verdict.UNCHANGED  # rule 6: never again for that person
    if refused and refused.md5 == source.md5 and refused.settings in policy.settings:
        return Verdict.REFUSED
    if accepted:
        return Verdict.UPLOAD_CHANGED
    return Verdict.ADOPT if policy.adopting else Verdict.UPLOAD_FIRST  # rule 5


def _preferred(recorded: str, found: str, attributes: Sequence[str]) -> bool:
    """Tell whether the recorded attribute comes before the one found now, and so has vanished."""
    return recorded in attributes and attributes.index(recorded) < attributes.index(found)


def plan_person(person: Person, record: PersonRecord, policy: Policy) -> PersonPlan:
    """Return the decision as far as AD and the record tell."""
    verdict = classify(person.source, record, policy)
    reason = record.refused.reason if verdict is Verdict.REFUSED and record.refused else ""
    return PersonPlan(person, verdict, record.accepted.account_id if record.accepted else 0, reason)


def resolve_account(
    plans: Sequence[PersonPlan],
    record_of: Callable[[UUID], PersonRecord],
    matches: Mapping[UUID, Match],
) -> list[PersonPlan]:
    """Return the final decisions, now that the accounts of HighQ are known (rule 11)."""
    return [_resolve(p, record_of(p.person.guid), matches[p.person.guid]) for p in plans]


def _resolve(plan: PersonPlan, record: PersonRecord, match: Match) -> PersonPlan:
    person, verdict = plan.person, plan.verdict
    if _recreated(verdict, record, match):
        return PersonPlan(person, Verdict.UPLOAD_NEW_ACCOUNT, match.account_id or 0)
    if not verdict.needs_account:
        return plan
    if match.account_id is not None:
        return PersonPlan(person, verdict, match.account_id)
    if verdict is Verdict.ADOPT and match.outcome is not MatchOutcome.NO_ACCOUNT:
        # some account may be theirs, with a picture of their own: adopting touches nothing
        return PersonPlan(person, verdict)
    word = Verdict.AMBIGUOUS if match.outcome.ambiguous else Verdict.UNMATCHED
    return PersonPlan(person, word, reason=match.outcome.value)


def _recreated(verdict: Verdict, record: PersonRecord, match: Match) -> bool:
    """Tell whether the accepted picture went to another account than the one that is theirs now."""
    return (
        verdict in (Verdict.UNCHANGED, Verdict.UPLOAD_CHANGED)
        and record.accepted is not None
        and record.accepted.account_id != 0
        and match.account_id is not None
        and match.account_id != record.accepted.account_id
    )
