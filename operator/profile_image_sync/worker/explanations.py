"""What a person reads about somebody in the lists: one reason word and a sentence with the remedy. Pure.

Apart, so that a list says the same in every run: also of a picture that was refused long ago, and of people
who would be uploaded when a brake or a dry run stops.
"""

from __future__ import annotations

from profile_image_sync.api.report import PeopleKind
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.matching import EXPLANATIONS, MatchOutcome
from profile_image_sync.worker.plan import PersonPlan, Verdict

_REPLACE = "put another picture into the directory"
REFUSALS = {  # by reason: what is wrong, and what to do
    "UnsupportedFormat": "its format is not supported: put a JPEG, PNG, GIF, BMP or WebP into the directory",
    "NotAnImage": "the value is no picture: put a JPEG, PNG, GIF, BMP or WebP into the directory",
    "Base64Text": "the value is base64 text: put the bytes themselves into the directory",
    "Corrupt": "the picture is cut off or damaged: put it into the directory anew",
    "DiedDecoding": f"the pod died while the picture was decoded: {_REPLACE}, a smaller one",
    "TooSmall": "the picture is smaller than spec.image.minSourceSize: put a larger one into the directory",
    "TooManyPixels": f"the picture has too many pixels: {_REPLACE}, a smaller one",
    "ImageTooLarge": f"it is larger than HighQ takes: {_REPLACE}, a smaller one",
    "ImageTypeNotSupported": f"HighQ does not support its type: {_REPLACE}",
    "FileNotSupported": f"HighQ does not support the file: {_REPLACE}",
    "ImageTooSmall": f"HighQ finds it too small: {_REPLACE}, a larger one",
    "NotSquare": f"HighQ does not find it square: {_REPLACE}",
    "ImageEmpty": f"HighQ finds it empty: {_REPLACE}",
}
_OTHER_REFUSAL = f"refused for good: {_REPLACE}"

_SENTENCES = {
    Verdict.UPLOAD_FIRST: "no picture of theirs has been accepted yet",
    Verdict.UPLOAD_CHANGED: "the picture in the directory has changed",
    Verdict.UPLOAD_NEW_ACCOUNT: "their HighQ user was created anew",
    Verdict.UPLOAD_NEW_PERSON: "their HighQ user was last served for somebody who is gone",
    Verdict.UPLOAD_AGAIN: "released, or asked for by `profile-image-sync state resend`",
    Verdict.ADOPT: "recorded, not uploaded (firstSync): uploaded when it next changes in the directory, or "
    "by `profile-image-sync state resend`",
    Verdict.UNCONFIRMED: "HighQ's answer to the upload was lost, so it may show the picture or not: look, "
    "and send it again with `profile-image-sync state resend` if need be",
    Verdict.NO_IMAGE: "the directory shows no picture of theirs: put one there, or let the account read it",
    Verdict.REMOVED: "the directory no longer shows the picture that was served; HighQ keeps it. Put one "
    "into the same attribute, or let the account read it",
}
_KINDS = {
    Verdict.ADOPT: PeopleKind.ADOPTED,
    Verdict.UNCONFIRMED: PeopleKind.UNCONFIRMED,
    Verdict.NO_IMAGE: PeopleKind.NO_IMAGE,
    Verdict.REMOVED: PeopleKind.NO_IMAGE,
    Verdict.REFUSED: PeopleKind.REFUSED,
    Verdict.UNMATCHED: PeopleKind.UNMATCHED,
    Verdict.AMBIGUOUS: PeopleKind.AMBIGUOUS,
}
_REMOVED = "RemovedInSource"


def sentence(verdict: Verdict) -> str:
    """Return why a picture went up, or goes up."""
    return _SENTENCES[verdict]


def explain(plan: PersonPlan) -> tuple[PeopleKind | None, str, str]:
    """Return the list that a plan belongs to (None: unchanged, in none), the reason word, the sentence."""
    verdict = plan.verdict
    if verdict.uploads:
        return PeopleKind.TO_UPLOAD, verdict.value, _SENTENCES[verdict]
    kind = _KINDS.get(verdict)
    match verdict:
        case Verdict.REFUSED:
            return kind, plan.reason, REFUSALS.get(plan.reason, _OTHER_REFUSAL)
        case Verdict.UNMATCHED | Verdict.AMBIGUOUS:
            return kind, plan.reason, EXPLANATIONS[MatchOutcome(plan.reason)]
        case Verdict.REMOVED:
            return kind, _REMOVED, _SENTENCES[verdict]
        case _:
            return kind, verdict.value, _SENTENCES.get(verdict, "")


def standing(record: PersonRecord) -> tuple[PeopleKind | None, str]:
    """Return the list (None: in none) and the reason word under which the last run counted a person."""
    word = record.waiting
    match word:
        case "":
            accepted = record.accepted
            unconfirmed = accepted and accepted.unconfirmed and not accepted.gone
            kind = PeopleKind.UNCONFIRMED if unconfirmed else None
            return kind, Verdict.UNCONFIRMED.value if unconfirmed else ""
        case Verdict.NO_IMAGE:
            return PeopleKind.NO_IMAGE, word
        case Verdict.REMOVED:
            return PeopleKind.NO_IMAGE, _REMOVED
        case Verdict.REFUSED:
            return PeopleKind.REFUSED, record.refused.reason if record.refused else ""
        case _ if word in frozenset(MatchOutcome):
            ambiguous = MatchOutcome(word).ambiguous
            return PeopleKind.AMBIGUOUS if ambiguous else PeopleKind.UNMATCHED, word
        case _:
            return PeopleKind.FAILED, word
