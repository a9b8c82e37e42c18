"""`make try`: the main job without root, containers or a cluster, in under a minute.

Real processes: an LDAP server (TLS) with sample people, the simulator of HighQ, and the command itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from testkit.people import sample_people
from testkit.sync_command import picture
from testkit.trial import Trial, running_trial

FOLDER = Path(__file__).parents[1] / ".try"


def main() -> None:
    """Plan, sync, sync again, change one picture, sync; then leave the pages open to look at."""
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    heading("An LDAP server with 41 people, and a HighQ that knows most of them")
    with running_trial(FOLDER, sample_people()) as trial:
        for number, account in enumerate(("ben.castle", "cleo.dale", "gwen.hill")):
            chosen = picture("?", 60 + number, 320)  # their own, in HighQ
            trial.highq.set_picture_as_user(trial.ids[account], chosen)
        heading("Is everything there that a run needs?")
        run(trial, "check")
        page = FOLDER / "plan.html"
        heading("What would a run do?")
        run(trial, "plan", "--html", str(page))
        heading("The first sync: everyone gets the picture of the directory")
        run(trial, "sync")
        expect(trial, 30)
        heading("The same again: nothing has changed, so nothing is uploaded")
        run(trial, "sync")
        expect(trial, 30)
        heading("Ada's picture changes in the directory: one upload")
        trial.change("ada.brook", photos={"thumbnailPhoto": (picture("AB", 99),)})
        run(trial, "sync")
        expect(trial, 31)
        heading(f"Done in {time.monotonic() - began:.0f} s. Look at the result")
        say(f"The page of the plan:       {page.as_uri()}")
        say(f"HighQ's people directory:   {trial.highq.url}/people")
        say(
            "                            (a test authority signed its certificate: the browser will ask)"
        )
        say(f"Manifest and state:         {FOLDER}")
        if sys.stdin.isatty():
            say(
                "In another terminal, profile-image-sync takes -f .try/tenant.yaml --state .try/state"
            )
            input("Press Enter to stop both servers. ")


def run(trial: Trial, *arguments: str) -> None:
    """Show a command and its output; end when it fails."""
    line = [*trial.command(*arguments)]
    shown = ["profile-image-sync", *line[3:]]
    say("$ " + " ".join(shown).replace(f"{FOLDER}/", ".try/"))
    subprocess.run(line, check=True)


def expect(trial: Trial, uploads: int) -> None:
    """Compare with what HighQ has really got."""
    found = len(trial.highq.uploads())
    if found != uploads:
        raise SystemExit(f"HighQ has got {found} pictures, {uploads} were expected")
    say(f"HighQ has got {found} pictures so far.")


def heading(text: str) -> None:
    """Begin a step."""
    say(f"\n== {text}")


def say(text: str) -> None:
    """Print a line at once, before the output of the next process."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
