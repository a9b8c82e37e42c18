"""What the demo tells of runs, as `status.lastRun` really is: no other test runs that part."""

from __future__ import annotations

import pytest

from demo.__main__ import console, show_run
from profile_image_sync.api.status import Outcome, ProfileImageSyncStatus, Run
from profile_image_sync.controller.status import to_json


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (
            Run(id="a", outcome=Outcome.DRY_RUN, generation=1, people=41, to_upload=30, refused=3),
            "DryRun: 41 people, 30 toUpload, 3 refused",
        ),
        (
            Run(id="a", outcome=Outcome.SUCCEEDED, generation=1, people=4, uploaded=1, unchanged=3),
            "Succeeded: 4 people, 1 uploaded, 3 unchanged",
        ),
    ],
    ids=["a dry run", "a run"],
)
def test_a_run_is_told_by_the_numbers_that_its_status_has(run: Run, told: str) -> None:
    """A dry run has no `uploaded`, and other runs no `toUpload`; zeros are left out."""
    with console.capture() as shown:
        show_run(to_json(ProfileImageSyncStatus(last_run=run))["lastRun"])
    assert shown.get().strip() == told
