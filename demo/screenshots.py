"""`python -m demo.screenshots`: the pictures of the README, by Debian's chromium, from the scenario."""

from __future__ import annotations

import subprocess

from testkit.environment import HIGHQ_PORT, Environment, running_environment
from testkit.kind_cluster import ROOT
from testkit.scenario import Scenario

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"  # apt-get install chromium


def main() -> None:
    """Take the people directory before and after the first run."""
    with running_environment("pis-demo", print) as environment:
        environment.clear()
        scenario = Scenario.begin(environment)
        scenario.people_arrive()
        take(environment, "people-before.png")
        scenario.dry_run()
        scenario.first_run()
        take(environment, "people-after.png")


def take(environment: Environment, name: str) -> None:
    """Write a picture of acme's people directory as it is now."""
    options = ("--headless=new", "--no-sandbox", "--ignore-certificate-errors", "--hide-scrollbars")
    page = f"https://{environment.cluster.address(HIGHQ_PORT)}/acme/people"
    picture = f"--screenshot={IMAGES / name}"
    subprocess.run([CHROMIUM, *options, "--window-size=1180,900", picture, page], check=True)


if __name__ == "__main__":
    main()
