"""Starts the command line, and turns every error into one line and an exit code."""

from __future__ import annotations

import sys
import traceback

from profile_image_sync.cli.app import app
from profile_image_sync.cli.completion import prepare_completion
from profile_image_sync.cli.program import as_typed, command_of, program
from profile_image_sync.core_files import forbid_core_files
from profile_image_sync.errors import EXIT_TRANSIENT, SyncError


def main() -> None:
    """Run the command line. Users get one line and an exit code, never a traceback."""
    forbid_core_files()
    prepare_completion()
    try:
        command_of(app)(prog_name=program())
    except SyncError as error:
        sys.stderr.write(f"{error.reason}: {as_typed(str(error))}\n")
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  # its text may hold a secret, so it is left out
        place = traceback.extract_tb(error.__traceback__)[-1]
        sys.stderr.write(
            f"internal error: {type(error).__name__} in {place.filename}:{place.lineno}. This is a bug of "
            "profile-image-sync: please report this line. What was recorded stays recorded.\n"
        )
        sys.exit(EXIT_TRANSIENT)


if __name__ == "__main__":
    main()
