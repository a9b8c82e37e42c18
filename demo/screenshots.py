"""`python -m demo.screenshots`: the pictures of the README, by Debian's chromium, amid the story."""

from __future__ import annotations

import subprocess

from testkit.environment import HIGHQ_PORT, Stage, stage
from testkit.kind_cluster import ROOT
from testkit.scenario import Story

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"  # apt-get install chromium


def main() -> None:
    """Take the people directory before and after the first run."""
    with stage("pis-demo", print) as ready:
        story = Story.begin(ready)
        story.people_arrive()
        take(ready, "people-before.png")
        story.dry_run()
        story.first_run()
        take(ready, "people-after.png")


def take(ready: Stage, name: str) -> None:
    """Write a picture of acme's people directory as it is now."""
    options = ("--headless=new", "--no-sandbox", "--ignore-certificate-errors", "--hide-scrollbars")
    page = f"https://{ready.cluster.address(HIGHQ_PORT)}/acme/people"
    picture = f"--screenshot={IMAGES / name}"
    subprocess.run([CHROMIUM, *options, "--window-size=1180,900", picture, page], check=True)


if __name__ == "__main__":
    main()
