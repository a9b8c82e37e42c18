"""`make demo`: tells the story on a terminal, asserts every line of it, and says where to look afterwards."""

from __future__ import annotations

import sys
import time

from rich.console import Console

from demo.cluster import CommandFailed
from demo.stage import HIGHQ_PORT, Stage, stage
from demo.story import ADA, BEN, Numbers, Story
from tests.simulator.settings import PictureFacts

CLUSTER = "pis-demo"

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Tell the story; return the exit code."""
    started = time.monotonic()
    headline(
        "Setting the stage: a real cluster, a real Active Directory (Samba), a simulated HighQ"
    )
    try:
        with stage(CLUSTER, say) as ready:
            tell(ready)
            farewell(ready, time.monotonic() - started)
    except (AssertionError, CommandFailed) as problem:
        console.print(f"[bold red]the demo failed:[/] {problem}", markup=True)
        return 1
    return 0


def tell(ready: Stage) -> None:
    """Go through the story; each step asserts what it shows."""
    story = Story.begin(ready)
    headline("About forty people arrive; four of them have chosen a picture in HighQ already")
    say(f"{story.people_arrive()} people are in the directory, in OU {story.acme.unit}")
    ben = story.facts(BEN)
    headline("examples/01-one-tenant is applied as it is: dryRun, it plans and touches nothing")
    show_run(story.dry_run())
    columns(story)
    headline("dryRun is taken out: the first sync gives everyone the firm's picture")
    show_run(story.first_run())
    columns(story)
    before_and_after(ben, story.facts(BEN))
    ben = story.facts(BEN)
    headline("Another run, asked for by annotation: nothing changed, so HighQ hears of no picture")
    show_run(story.quiet_run())
    headline("One picture changes in Active Directory: exactly one upload")
    before = story.facts(ADA)
    show_run(story.one_change())
    before_and_after(before, story.facts(ADA))
    headline("Ben chooses a picture of his own in HighQ: the next run leaves it alone")
    show_run(story.own_choice())
    before_and_after(ben, story.facts(BEN))
    headline("A second tenant, OneOff: each person once. No schedule, one Job")
    show_run(story.one_off())
    headline(
        "Somebody joins there, and another's picture changes: the joiner is served, the change is not"
    )
    show_run(story.joiner())
    columns(story)


def headline(text: str) -> None:
    """Begin a step."""
    console.print(f"\n[bold]== {text}[/]")


def say(text: str) -> None:
    """Tell one thing."""
    console.print(f"   {text}", markup=False)


def show_run(run: Numbers) -> None:
    """Tell a run's numbers, those that are not zero."""
    kinds = (
        "people",
        "uploaded",
        "unchanged",
        "noImage",
        "refused",
        "unmatched",
        "ambiguous",
        "failed",
    )
    say(f"{run['outcome']}: " + ", ".join(f"{run[kind]} {kind}" for kind in kinds if run[kind]))


def columns(story: Story) -> None:
    """Show what an administrator sees."""
    say("$ kubectl get profileimagesyncs -A")
    for line in story.stage.cluster.kubectl("get", "profileimagesyncs", "-A").splitlines():
        say(line)


def before_and_after(before: PictureFacts, after: PictureFacts) -> None:
    """Show what became of one person's picture."""
    for when, facts in (("before", before), ("now", after)):
        say(f"{when}: set by {facts.set_by}, {facts.size} bytes, MD5 {facts.md5}")


def farewell(ready: Stage, seconds: float) -> None:
    """Say where to look, and how to tear down."""
    address = ready.cluster.address(HIGHQ_PORT)
    headline(f"Every line above was asserted. {seconds:.0f} s in all")
    say(f"The people directory:  https://{address}/acme/people   (a test authority's certificate)")
    say(f"Look around:           export KUBECONFIG={ready.cluster.kubeconfig}")
    say(f"                       export PATH={ready.cluster.programs}:$PATH")
    say("                       kubectl -n tenant-acme describe profileimagesync acme")
    say("                       kubectl -n tenant-acme logs -l profileimagesync.io/sync=acme")
    say("Tear down:             make demo-down")


if __name__ == "__main__":
    sys.exit(main())
