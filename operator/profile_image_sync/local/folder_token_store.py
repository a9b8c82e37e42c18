"""The HighQ token pair in a file beside the state; the counterpart of pod/secret_token_store.py."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from profile_image_sync.errors import StateUnavailable
from profile_image_sync.local.files import check_writable, write_file
from profile_image_sync.worker.token_store import ROOM_BYTES, StoredTokens, from_json, to_json

FILE_NAME = "tokens.json"


class FolderTokenStore:
    """Keeps the pair in `tokens.json` of a folder (made if missing), readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is touched yet."""
        self._folder = folder
        self.file = folder / FILE_NAME

    def exclusive(self) -> AbstractContextManager[None]:
        """See TokenStore. The run holds the lock of the folder already (FolderStore)."""
        return nullcontext()

    def read(self) -> StoredTokens | None:
        """See TokenStore."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""  # from_json says what to do
        except OSError as error:
            raise self._unavailable("read", error) from error
        return from_json(text, str(self.file))

    def check_writable(self) -> None:
        """See TokenStore."""
        try:
            self._make_folder()
            check_writable(self.file, ROOM_BYTES)
        except OSError as error:
            raise self._unavailable("written", error) from error

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:  # noqa: ARG002
        """See TokenStore. Nobody else writes while the folder is locked."""
        try:
            self._make_folder()
            write_file(self.file, to_json(tokens).encode())
        except OSError as error:
            raise self._unavailable("written", error) from error

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _unavailable(self, verb: str, error: OSError) -> StateUnavailable:
        return StateUnavailable(
            f"the HighQ tokens in {self.file} cannot be {verb} ({error.strerror}): "
            "check who owns the folder and whether the disk is full"
        )
