"""Every way a run can end early, in one tree.

SyncError                      a run, or a command, ends with one line for a person and an exit code
├── NeedsHuman                 exit 20: retrying cannot help
│   ├── InvalidSpec            a field of the manifest is unknown, badly typed or contradicts another
│   ├── HostNotAllowed         the spec names a host that the installation does not allow
│   ├── MissingReference       a Secret, a ConfigMap or a key in it that the spec names is not there
│   ├── BindRefused            the directory refused the account
│   ├── DirectoryUntrusted     the directory's certificate does not prove the name we asked for
│   ├── DirectoryMisread       the directory answers, but not to what the spec asks (base, filter, rights)
│   ├── HighQUntrusted         HighQ's certificate does not prove the name we asked for
│   ├── AuthorisationRefused   HighQ refused the client, the refresh token or the user behind it
│   ├── StateMissing           a run that should have state found none, or not all of it
│   ├── StateMismatch          the state belongs to another resource, HighQ or domain
│   ├── StateDamaged           the state cannot be read back
│   └── BrakeTripped           the numbers look wrong: nothing was uploaded
├── TryAgain                   exit 30: the next attempt may succeed
│   ├── DirectoryUnavailable   no directory server could be reached, or one broke off
│   ├── HighQUnavailable       HighQ could not be reached, or kept failing
│   ├── StateUnavailable       the state could not be read or written just now
│   └── Interrupted            asked to stop; what was accepted is recorded
└── Busy                       exit 10: another run holds the state

PersonError                    one person is not served; the others go on
├── ImageRefused               refused for good by our rules, until the image or its settings change
├── UploadRefused              refused for good by HighQ, until the image changes
└── UploadFailed               failed this time: tried again in the next run

Messages say what happened, to what, and what to do. They never hold a secret, image bytes or the body
of an answer. `reason` is a stable CamelCase word for conditions and reports.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_FINISHED = 0
EXIT_BUSY = 10
EXIT_NEEDS_HUMAN = 20
EXIT_TRY_AGAIN = 30


class SyncError(Exception):
    """A run or a command ends early; `str(error)` is the line a person reads."""

    exit_code: ClassVar[int] = EXIT_TRY_AGAIN

    @property
    def reason(self) -> str:
        """The stable CamelCase word for conditions and reports: the class's name."""
        return type(self).__name__


class NeedsHuman(SyncError):
    """Retrying cannot help: the message says what a person must do."""

    exit_code = EXIT_NEEDS_HUMAN


class InvalidSpec(NeedsHuman):
    """A field of the manifest is unknown, badly typed or contradicts another; one line a field."""


class HostNotAllowed(NeedsHuman):
    """The spec names a host that the installation does not allow; one line a field."""


class MissingReference(NeedsHuman):
    """A Secret, a ConfigMap or a key in it that the spec names is not there, or is empty."""


class BindRefused(NeedsHuman):
    """The directory refused the account (LDAP result 49); never retried, or accounts lock."""


class DirectoryUntrusted(NeedsHuman):
    """The directory's certificate does not prove the name we asked for."""


class DirectoryMisread(NeedsHuman):
    """The directory answers, but not to what the spec asks: base, filter, rights."""


class HighQUntrusted(NeedsHuman):
    """HighQ's certificate does not prove the name we asked for."""


class AuthorisationRefused(NeedsHuman):
    """HighQ refused the client, the refresh token or the user behind it."""


class StateMissing(NeedsHuman):
    """A run that should have state found none, or not all of it."""


class StateMismatch(NeedsHuman):
    """The state belongs to another resource, HighQ or domain."""


class StateDamaged(NeedsHuman):
    """The state cannot be read back: a shard is older than its header says, or not ours."""


class BrakeTripped(NeedsHuman):
    """The numbers look wrong; nothing was uploaded."""


class TryAgain(SyncError):
    """The next attempt may succeed without anyone's help."""


class DirectoryUnavailable(TryAgain):
    """No directory server could be reached, or one broke off."""


class HighQUnavailable(TryAgain):
    """HighQ could not be reached, or kept failing."""


class StateUnavailable(TryAgain):
    """The state could not be read or written just now."""


class Interrupted(TryAgain):
    """Asked to stop (SIGTERM); what was accepted is recorded."""


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
    """Failed this time; tried again in the next run."""
