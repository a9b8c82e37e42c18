"""`python -m demo.screenshots`: the pictures of the README, by Debian's chromium, from the scenario.

`python -m demo.screenshots plan` takes the page that `make try` has left; it needs no cluster.
"""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import sync_playwright

from demo.try_out import FOLDER
from testkit.environment import HIGHQ_PORT, Environment, running_environment
from testkit.kind_cluster import ROOT
from testkit.scenario import Scenario

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"  # apt-get install chromium


def main() -> None:
    """Take the people directory before and after the first run, or the page of a plan."""
    if sys.argv[1:] == ["plan"]:
        take_plan()
        return
    with running_environment("pis-demo", print) as environment:
        environment.clear()
        scenario = Scenario.begin(environment)
        scenario.people_arrive()
        take(people_page(environment), "people-before.png")
        scenario.dry_run()
        scenario.first_run()
        take(people_page(environment), "people-after.png")


def take_plan() -> None:
    """Take the page of a plan in both themes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 900})
        page.goto((FOLDER / "plan.html").as_uri())
        page.emulate_media(color_scheme="light")
        page.screenshot(path=IMAGES / "plan.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=IMAGES / "plan-dark.png")
        browser.close()


def people_page(environment: Environment) -> str:
    """Return the address of acme's people directory."""
    return f"https://{environment.cluster.address(HIGHQ_PORT)}/acme/people"


def take(page: str, name: str) -> None:
    """Write a picture of a page as it is now."""
    options = ("--headless=new", "--no-sandbox", "--ignore-certificate-errors", "--hide-scrollbars")
    picture = f"--screenshot={IMAGES / name}"
    subprocess.run([CHROMIUM, *options, "--window-size=1180,900", picture, page], check=True)


if __name__ == "__main__":
    main()
