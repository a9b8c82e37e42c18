"""A process is killed at every line from the moment that HighQ's new pair is read until it is stored.

With SIGKILL, which runs no `finally`: what the next run finds is what a dead pod leaves.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import profile_image_sync
from profile_image_sync.errors import AuthorisationExpired
from profile_image_sync.local.folder_token_store import FolderTokenStore
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from tests.support.highq_session import HighQSession

PACKAGE = str(Path(profile_image_sync.__file__).parent)
ANSWER, STORED = "_refresh", "_store_pair"  # what returns the pair, and what has stored it


class Killer:
    """A tracer that kills its process before the line of that number."""

    def __init__(self, at: int) -> None:
        """Count from 1; lines of our own package only."""
        self._left = at
        self._is_answered = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Any:
        """See sys.settrace."""
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        function = frame.f_code.co_name
        if event == "return" and function == ANSWER:
            self._is_answered = True
        elif event == "return" and function == STORED:
            sys.settrace(None)
            self._is_answered = False
        elif event == "line" and self._is_answered:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def is_killed_renewing(session: HighQSession, at: int) -> bool:
    """Renew the authorisation in a child process; tell whether it met its end."""
    child = os.fork()
    if child == 0:
        sys.settrace(Killer(at))
        with session.open() as highq:
            highq.renew_authorisation()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status != 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_kill_at_any_line_of_the_rotation_is_survived_or_told(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Up to one instant the pair is lost, and that says how to go on; from then on all is well."""
    survived: list[bool] = []
    while True:
        instance = simulator.create_instance(users=people(1))
        folder = tmp_path / str(len(survived))
        session = HighQSession.at(simulator, instance, folder)
        if not is_killed_renewing(session, at=len(survived) + 1):
            break
        assert session.refreshes() == 1
        session.store = FolderTokenStore(folder)
        try:
            with session.open() as highq:
                highq.account_total()
        except AuthorisationExpired as error:
            assert "profile-image-sync authorize" in str(error)  # noqa: PT017  either is right
            survived.append(False)
        else:
            survived.append(True)
        assert session.refreshes() == (1 if survived[-1] else 2)
    assert survived == sorted(survived)
    assert survived.count(False) >= 20
    assert survived.count(True) >= 3
