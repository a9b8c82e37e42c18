"""What is to be done for each person: the rules of the sync. Pure; touches neither network nor state.

Rule numbers are those of the design's first section, which customers rely on (docs/rules.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import FirstSync, Mode, ProfileImageSyncSpec
from profile_image_sync.api.state_header import CompletedFirstSync
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.matching import Match, MatchOutcome
from profile_image_sync.worker.people import Account, Individual, Source, Subject

CREATION_MARGIN = timedelta(days=1)  # clocks and time zones of HighQ's dates are not known


class Verdict(StrEnum):
    """What a run does for one person, or why it does nothing."""

    UPLOAD_FIRST = "UploadFirst"  # no accepted hash yet
    UPLOAD_CHANGED = "UploadChanged"  # AD's image differs from the accepted one
    UPLOAD_NEW_ACCOUNT = "UploadNewAccount"  # accepted for another account: theirs was created anew
    UPLOAD_NEW_PERSON = "UploadNewPerson"  # the account was served for someone who is gone
    UPLOAD_AGAIN = "UploadAgain"  # released, or asked for by `state resend`
    ADOPT = "Adopt"  # protected by `firstSync`: record only
    RERECORD = "Rerecord"  # recorded anew without an upload: attribute, account or person moved
    UNCHANGED = "Unchanged"
    UNCONFIRMED = "Unconfirmed"  # the answer to its upload was lost: not sent again by itself
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
    def replaces(self) -> bool:
        """Tell whether a picture goes up in place of one that the sync knows of (rule 13)."""
        return self.uploads and self is not Verdict.UPLOAD_FIRST


_UPLOADS = frozenset(verdict for verdict in Verdict if verdict.name.startswith("UPLOAD_"))
_ACCOUNT_DOES_NOT_MATTER = frozenset({Verdict.NO_IMAGE, Verdict.REMOVED, Verdict.REFUSED})
_NOT_ATTEMPTED = {
    *MatchOutcome,
    Verdict.NO_IMAGE,
    Verdict.REMOVED,
    Verdict.REFUSED,
}  # words of `waiting` that are no failed upload


@dataclass(frozen=True, slots=True)
class Policy:
    """What the spec and the state say about everyone of this run."""

    mode: Mode
    first_sync: FirstSync  # in force: the spec's until the first sync is complete, then as it was
    completed: CompletedFirstSync | None  # what was so then; None: the first sync goes on
    image_attributes: tuple[str, ...]
    attributes_version: int  # of the present `imageAttributes`
    upload_moved: bool  # the change of `imageAttributes` was acknowledged
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

    def protects(self, account: Account) -> bool:
        """Tell whether a first match leaves the account's picture alone (rule 5)."""
        match self.first_sync:
            case FirstSync.OVERRIDE:
                return False
            case FirstSync.FILL_EMPTY:
                return account.has_picture is not False
            case FirstSync.ADOPT:
                return self.completed is None or not _created_after(account, self.completed)


def policy_for(spec: ProfileImageSyncSpec, acknowledged: Acknowledgements) -> Policy:
    """Return what holds for everyone of a run whose header these acknowledgements speak of."""
    header = acknowledged.header
    done = header.first_sync
    return Policy(
        mode=spec.mode,
        first_sync=done.policy if done else spec.first_sync,
        completed=done,
        image_attributes=tuple(spec.active_directory.image_attributes),
        attributes_version=header.image_attributes_version,
        upload_moved=acknowledged.allows(acknowledged.attributes_change),
        image_settings=settings_fingerprint(spec.image),
        upload_settings=settings_fingerprint(spec.image, spec.highq.endpoint),
    )


def settings_fingerprint(image: ImageSettings, endpoint: Endpoint | None = None) -> bytes:
    """Return 4 bytes that change with the settings that lead to a refusal."""
    settings = f"{image.model_dump_json()} {endpoint or ''}"
    return sha256(settings.encode()).digest()[:4]


def _created_after(account: Account, first_sync: CompletedFirstSync) -> bool:
    """Tell whether HighQ's account came after the first sync; its id decides near that day."""
    if account.created and abs(account.created - first_sync.time) > CREATION_MARGIN:
        return account.created > first_sync.time
    return account.id > first_sync.highest_account_id


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """One person's verdict, with what is needed to carry it out."""

    person: Individual
    verdict: Verdict
    account_id: int = 0  # of uploads and of what is recorded; 0 where unknown
    reason: str = ""  # of Refused, Unmatched and Ambiguous
    replaces_picture: bool | None = None  # of uploads: HighQ shows one there; None: it does not say


def classify(source: Source | None, record: PersonRecord, policy: Policy) -> Verdict:
    """Judge one person by AD's image and the record alone, before HighQ is asked anything."""
    accepted = record.accepted
    if source is None:
        return Verdict.REMOVED if accepted else Verdict.NO_IMAGE
    refuses = _is_refused(source, record, policy)
    same = bool(accepted and accepted.md5 == source.md5)
    if accepted and not same and _vanished(accepted, source, policy):
        return Verdict.REMOVED  # rule 10: never served from the next attribute in the list
    if accepted and accepted.resend:
        return Verdict.REFUSED if refuses else Verdict.UPLOAD_AGAIN
    if accepted and same:  # rules 3, 4 (accepted A, refused B, back to A), 6
        if accepted.unconfirmed:
            return Verdict.UNCONFIRMED
        older = accepted.attributes_version < policy.attributes_version
        return Verdict.RERECORD if older else Verdict.UNCHANGED
    if is_moved(record, source, policy):
        return Verdict.RERECORD  # rule 5: an older version of the list is recorded anew
    if accepted and policy.mode is Mode.ONE_OFF:
        return Verdict.UNCHANGED  # rule 6: never again for that person on that account
    if refuses:
        return Verdict.REFUSED
    return Verdict.UPLOAD_CHANGED if accepted else Verdict.UPLOAD_FIRST


def _is_refused(source: Source | None, record: PersonRecord, policy: Policy) -> bool:
    """Rule 4: this very image was refused, under the settings of today."""
    refused = record.refused
    return bool(
        source and refused and refused.md5 == source.md5 and refused.settings in policy.settings
    )


def _vanished(accepted: Accepted, source: Source, policy: Policy) -> bool:
    """Tell whether the recorded attribute comes before the one found now, and so has no value."""
    order = [name.lower() for name in policy.image_attributes]
    recorded, found = accepted.attribute.lower(), source.attribute.lower()
    return recorded in order and order.index(recorded) < order.index(found)


def is_moved(record: PersonRecord, source: Source, policy: Policy) -> bool:
    """Tell whether another image comes from another attribute because `imageAttributes` was edited."""
    accepted = record.accepted
    return (
        accepted is not None
        and accepted.md5 != source.md5
        and accepted.attributes_version < policy.attributes_version
        and accepted.attribute.lower() != source.attribute.lower()
        and not policy.upload_moved
    )


def needs_account(person: Individual, record: PersonRecord, policy: Policy) -> bool:
    """Tell whether what is done for a person depends on HighQ's users."""
    verdict = classify(person.source, record, policy)
    known = _ACCOUNT_DOES_NOT_MATTER | {Verdict.UNCHANGED, Verdict.UNCONFIRMED}
    return verdict not in known or waits_for_account(record) or has_failed(record)


def plan_person(
    person: Individual, record: PersonRecord, match: Match, policy: Policy
) -> PersonPlan:
    """Return what is done for a person in scope."""
    verdict, account = classify(person.source, record, policy), match.account
    if verdict not in _ACCOUNT_DOES_NOT_MATTER:
        if account is None:
            return _without_account(person, verdict, record, match)
        if match.released:
            verdict = Verdict.UPLOAD_AGAIN
        elif person.source:
            verdict = _on_account(verdict, record, match, person.source, policy)
        if verdict.uploads and _is_refused(person.source, record, policy):
            verdict = Verdict.REFUSED  # although another account has had it
    if verdict in _ACCOUNT_DOES_NOT_MATTER or account is None:
        account_id = record.accepted.account_id if record.accepted else 0
        reason = record.refused.reason if verdict is Verdict.REFUSED and record.refused else ""
        return PersonPlan(person, verdict, account_id, reason)
    return PersonPlan(person, verdict, account.id, replaces_picture=account.has_picture)


def _without_account(
    person: Individual, verdict: Verdict, record: PersonRecord, match: Match
) -> PersonPlan:
    """Rule 11: no face; who has nothing to be served, and whose account is theirs, is unchanged."""
    quiet = match.kept and match.outcome is not MatchOutcome.LEADS_ELSEWHERE
    if quiet and not verdict.uploads:
        return PersonPlan(person, verdict, record.accepted.account_id if record.accepted else 0)
    word = Verdict.AMBIGUOUS if match.outcome.ambiguous else Verdict.UNMATCHED
    return PersonPlan(person, word, reason=match.outcome.value)


def _on_account(
    verdict: Verdict, record: PersonRecord, match: Match, source: Source, policy: Policy
) -> Verdict:
    """Return the verdict, now that the account is known."""
    accepted, account = record.accepted, match.account
    recorded = accepted and account and accepted.account_id == account.id
    if account is None or verdict is Verdict.UPLOAD_AGAIN or recorded:
        return verdict
    if accepted and not accepted.account_id:  # adopted by the first delivery, without an account
        return Verdict.RERECORD if accepted.md5 == source.md5 else verdict
    if any(former.md5 == source.md5 for former in match.former):
        return Verdict.RERECORD  # rule 13: with the same hash the row passes on
    if policy.protects(account):
        return Verdict.ADOPT
    if accepted:
        return Verdict.UPLOAD_NEW_ACCOUNT
    return Verdict.UPLOAD_NEW_PERSON if match.former else verdict


def replan(
    plan: PersonPlan, source: Source | None, record: PersonRecord, policy: Policy
) -> PersonPlan:
    """Return the plan of an upload whose picture is another one now, or gone."""
    accepted, verdict = record.accepted, classify(source, record, policy)
    same_account = accepted and accepted.account_id == plan.account_id
    if source and verdict is not Verdict.REFUSED and not same_account:
        verdict = plan.verdict  # whatever the picture: this account has not had theirs
    reason = record.refused.reason if verdict is Verdict.REFUSED and record.refused else ""
    person = Subject(plan.person.guid, source, plan.person.label)
    return replace(plan, person=person, verdict=verdict, reason=reason)


def was_attempted(record: PersonRecord) -> bool:
    """Tell whether an upload was attempted, whatever came of it; to wait for an account is no attempt."""
    return bool(record.accepted or record.refused or has_failed(record))


def has_failed(record: PersonRecord) -> bool:
    """Tell whether the last upload that was attempted failed, so that it is tried again."""
    return record.waiting != "" and record.waiting not in _NOT_ATTEMPTED


def waits_for_account(record: PersonRecord) -> bool:
    """Tell whether the person could be served once HighQ or the directory says who they are there."""
    return record.waiting in frozenset(MatchOutcome)


def record_after(plan: PersonPlan, record: PersonRecord, policy: Policy) -> PersonRecord:
    """Return what is remembered of a person for whom nothing was uploaded."""
    source = plan.person.source
    match plan.verdict:
        case Verdict.ADOPT | Verdict.RERECORD if source:
            accepted = policy.accepted(source, plan.account_id)
            return replace(record, accepted=accepted, waiting="")
        case Verdict.UNMATCHED | Verdict.AMBIGUOUS:
            return replace(record, waiting=plan.reason)
        case Verdict.NO_IMAGE | Verdict.REMOVED | Verdict.REFUSED:
            return replace(record, waiting=plan.verdict.value)
        case _:
            return replace(record, waiting="")
