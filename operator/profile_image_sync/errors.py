"""Every way a run can end early, in one tree.

SyncError                      a run, or a command, ends with one line for a person and an exit code
├── PermanentError             exit 20: retrying cannot help
│   ├── InvalidSpec            a field of the manifest is unknown, badly typed or contradicts another
│   ├── HostNotAllowed         the spec names a host that the installation does not allow
│   ├── MissingReference       a Secret, a ConfigMap or a key in it that the spec names is not there
│   ├── BindRefused            the directory refused the account
│   ├── DirectoryUntrusted     the directory's certificate does not prove the name we asked for
│   ├── DirectoryMisconfigured the directory answers, but not to the spec: base, filter, rights
│   ├── HighQUntrusted         HighQ's certificate does not prove the name we asked for
│   ├── ProxyRefused           the proxy to HighQ wants other credentials, or does not allow the host
│   ├── AuthorisationRefused   HighQ refused the client, or the user who authorised it
│   │   └── AuthorisationExpired   HighQ refused the refresh token: an administrator must authorise anew
│   ├── PicturesUnknown        HighQ's list of users does not say who has a picture
│   ├── StateMissing           a run that should have state found none, or not all of it
│   ├── StateMismatch          the state belongs to another resource, HighQ or domain
│   ├── StateDamaged           the state cannot be read back
│   └── BrakeTripped           the numbers look wrong: nothing was uploaded
├── TransientError             exit 30: the next attempt may succeed
│   ├── DirectoryUnavailable   no directory server could be reached, or one broke off
│   ├── HighQUnavailable       HighQ could not be reached, or kept failing
│   ├── UploadsRejected        HighQ blames our requests, whatever the picture
│   ├── StateUnavailable       the state could not be read or written just now
│   └── Interrupted            asked to stop; what was accepted is recorded
├── DeadlineReached            exit 0: the run ended by itself before its Job's deadline
└── Busy                       exit 10: another run holds the state

PersonError                    one person is not served; the others go on
├── ImageRefused               refused for good by our rules, until the image or its settings change
├── UploadRefused              refused for good by HighQ, until the image changes
├── UploadFailed               failed this time by HighQ's own trouble: tried again in the next run
│   ├── UploadDenied           HighQ denies this one person; says nothing of the others
│   └── UploadRejected         HighQ blames our request, whatever the picture
├── MatchChanged               leads to another HighQ user than when the run was planned
└── UploadUnconfirmed          sent, but HighQ's answer was lost or cannot be read

Messages say what happened, to what, and what to do. They never hold a secret, image bytes or the body
of an answer. `reason` is a stable CamelCase word for conditions and reports.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_FINISHED = 0
EXIT_BUSY = 10
EXIT_PERMANENT = 20
EXIT_TRANSIENT = 30


class SyncError(Exception):
    """A run or a command ends early; `str(error)` is the line a person reads."""

    exit_code: ClassVar[int] = EXIT_TRANSIENT

    @property
    def reason(self) -> str:
        """The stable CamelCase word for conditions and reports: the class's name."""
        return type(self).__name__


class PermanentError(SyncError):
    """Retrying cannot help: the message says what a person must do."""

    exit_code = EXIT_PERMANENT


class InvalidSpec(PermanentError):
    """A field of the manifest is unknown, badly typed or contradicts another; one line a field."""


class HostNotAllowed(PermanentError):
    """The spec names a host that the installation does not allow; one line a field."""


class MissingReference(PermanentError):
    """A Secret, a ConfigMap or a key in it that the spec names is not there, or is empty."""


class BindRefused(PermanentError):
    """The directory refused the account (LDAP result 49); never retried, or accounts lock."""


class DirectoryUntrusted(PermanentError):
    """The directory's certificate does not prove the name we asked for."""


class DirectoryMisconfigured(PermanentError):
    """The directory answers, but not to what the spec asks: base, filter, rights."""


class HighQUntrusted(PermanentError):
    """HighQ's certificate does not prove the name we asked for."""


class ProxyRefused(PermanentError):
    """The proxy to HighQ wants other credentials (407), or does not allow the host (403)."""


class AuthorisationRefused(PermanentError):
    """HighQ refused the client, or the user who authorised it."""


class AuthorisationExpired(AuthorisationRefused):
    """HighQ refused the refresh token: expired, revoked or used elsewhere."""


class PicturesUnknown(PermanentError):
    """HighQ's list of users does not say who has a picture, which firstSync FillEmpty must know."""


class StateMissing(PermanentError):
    """A run that should have state found none, or not all of it."""


class StateMismatch(PermanentError):
    """The state belongs to another resource, HighQ or domain."""


class StateDamaged(PermanentError):
    """The state cannot be read back: a shard is older than its header says, or not ours."""


class BrakeTripped(PermanentError):
    """The numbers look wrong; nothing was uploaded."""


class TransientError(SyncError):
    """The next attempt may succeed without anyone's help."""


class DirectoryUnavailable(TransientError):
    """No directory server could be reached, or one broke off."""


class HighQUnavailable(TransientError):
    """HighQ could not be reached, or kept failing."""


class UploadsRejected(TransientError):
    """HighQ blames our requests themselves, one after the other, whatever the picture."""


class StateUnavailable(TransientError):
    """The state could not be read or written just now."""


class Interrupted(TransientError):
    """Asked to stop (SIGTERM); what was accepted is recorded."""


class DeadlineReached(SyncError):
    """The run ended by itself shortly before its Job's deadline; the next one does the rest."""

    exit_code = EXIT_FINISHED


class Busy(SyncError):
    """Another run holds the state."""

    exit_code = EXIT_BUSY


class PersonError(Exception):
    """One person is not served; the others go on."""

    def __init__(self, reason: str, message: str) -> None:
        """Take the CamelCase word that reports count by, and a sentence with the remedy."""
        super().__init__(message)
        self.reason = reason


class ImageRefused(PersonError):
    """Refused for good, by our own image rules: until the image or the image settings change."""


class UploadRefused(PersonError):
    """Refused for good, by HighQ: until the image changes."""


class UploadFailed(PersonError):
    """Failed this time, by HighQ's own trouble; tried again in the next run."""


class UploadDenied(UploadFailed):
    """HighQ denies this one person; that says nothing of HighQ, nor of the others."""


class UploadRejected(UploadFailed):
    """HighQ blames our request (refs 396, 397, 402, 403): every other one would fare alike."""


class MatchChanged(PersonError):
    """Their match attributes changed during the run: the next one looks whose account they lead to."""


class UploadUnconfirmed(PersonError):
    """Sent, but HighQ's answer was lost or cannot be read, in spite of retries: it may be stored."""
