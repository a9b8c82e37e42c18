"""Decides when failed uploads end a run. Pure.

Apart, because one person never stops the others (rule 14): only what says something about HighQ, or about
our requests, counts. Otherwise ten people whom HighQ denies would keep those behind them from being served.
"""

from __future__ import annotations

from profile_image_sync.errors import (
    HighQUnavailable,
    PersonError,
    SyncError,
    UploadDenied,
    UploadFailed,
    UploadRejected,
    UploadsRejected,
    UploadUnconfirmed,
)

MAX_STREAK = 10


class FailureStreaks:
    """Counts failures of three kinds; an accepted upload sets them all back."""

    def __init__(self) -> None:
        """Begin without failures."""
        self.on_success()

    def on_success(self) -> None:
        """HighQ accepted a picture."""
        self._trouble = self._rejected = self._unconfirmed = 0

    def on_failure(self, error: PersonError) -> None:
        """Count a failure; raise the SyncError that ends the run when it is one too many."""
        match error:
            case UploadDenied():
                return
            case UploadRejected():
                self._rejected += 1
            case UploadUnconfirmed():
                self._unconfirmed += 1
            case UploadFailed():
                self._trouble += 1
        if MAX_STREAK in (self._trouble, self._rejected, self._unconfirmed):
            raise _end(error)


def _end(last: PersonError) -> SyncError:
    """Return what ends the run: `last` is one too many of its kind."""
    match last:
        case UploadRejected():
            return UploadsRejected(
                f"HighQ rejected {MAX_STREAK} of our requests, whatever the picture, and accepted none in "
                f"between; the last error: {last}. Look at proxies and gateways on the way, or try another "
                "spec.highq.endpoint"
            )
        case UploadUnconfirmed():
            return HighQUnavailable(
                f"the answers to {MAX_STREAK} uploads were lost or unreadable, and none was accepted in "
                f"between; the last error: {last}. Look at proxies and gateways on the way"
            )
    return HighQUnavailable(
        f"{MAX_STREAK} uploads failed by HighQ's own trouble, and none was accepted in between; the "
        f"last error: {last}"
    )
