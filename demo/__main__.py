"""`make demo`: shows the scenario on a terminal; each step asserts what it shows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from demo.pictures import side_by_side
from testkit.environment import HIGHQ_PORT, Environment, running_environment
from testkit.kind_cluster import CommandFailed
from testkit.scenario import ADA, BEN, OWN_PICTURES, LastRun, Scenario, ShownPicture

CLUSTER = "pis-demo"
NUMBERS = (
    *("people", "toUpload", "uploaded", "unchanged", "noImage"),
    *("refused", "unmatched", "ambiguous", "failed"),
)

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the scenario; return the exit code."""
    started = time.monotonic()
    headline("The environment: a real cluster, a real Active Directory (Samba), a simulated HighQ")
    say("All of it is made here; the first time takes minutes, later only what has changed.")
    try:
        with running_environment(CLUSTER, say) as environment:
            environment.clear()
            show(Scenario.begin(environment))
            next_steps(environment, time.monotonic() - started)
    except (AssertionError, CommandFailed) as problem:
        console.print(f"the demo failed: {problem}", style="bold red", markup=False)
        return 1
    return 0


def show(scenario: Scenario) -> None:
    """Show the scenario; each step asserts what it shows."""
    people_and_plan(scenario)
    first_sync(scenario)
    later_runs(scenario)
    second_tenant(scenario)


def people_and_plan(scenario: Scenario) -> None:
    """Fill both sides, and look before leaping."""
    with step(
        "About forty people arrive",
        f"Some have a picture in the directory, some have not; {len(OWN_PICTURES)} have chosen one in HighQ.",
    ):
        say(
            f"{scenario.people_arrive()} people in {scenario.acme.organizational_unit}, accounts in HighQ"
        )
    with step(
        "examples/01-one-tenant is applied, pointed at this directory and this HighQ",
        "The namespace enforces Pod Security `restricted`. With dryRun it plans, and touches nothing.",
    ):
        command(f"kubectl apply -n {scenario.acme.namespace} -f tenant.yaml -f secrets.yaml")
        show_run(scenario.dry_run())
        say("HighQ was asked who is who, and heard of no picture")
        columns(scenario)


def first_sync(scenario: Scenario) -> None:
    """Carry every picture over."""
    with step(
        "dryRun is taken out: the first sync",
        "Everyone gets the firm's picture, also who had one in HighQ (firstSync: Override).",
    ):
        before = scenario.picture_of(BEN)
        command(f"kubectl apply -n {scenario.acme.namespace} -f tenant.yaml      # without dryRun")
        show_run(scenario.first_run())
        columns(scenario)
        show_pictures(BEN, before, scenario.picture_of(BEN))


def later_runs(scenario: Scenario) -> None:
    """Show what later runs carry over, and what they leave alone."""
    with step(
        "Another run, with nothing changed",
        "The hash of the directory's bytes is compared with the recorded one, so HighQ gets no picture.",
    ):
        command(
            "kubectl annotate -n tenant-acme profileimagesync acme --overwrite "
            "profileimagesync.io/run-request=$(date +%s)"
        )
        show_run(scenario.quiet_run())
    with step(
        "One picture changes in Active Directory",
        "One changed hash is one upload, whoever else is in the directory.",
    ):
        before = scenario.picture_of(ADA)
        show_run(scenario.one_change())
        show_pictures(ADA, before, scenario.picture_of(ADA))
    with step(
        "Ben chooses another picture in HighQ",
        "The directory's has not changed since, so his own choice stays.",
    ):
        before = scenario.picture_of(BEN)
        show_run(scenario.own_choice())
        show_pictures(BEN, before, scenario.picture_of(BEN))


def second_tenant(scenario: Scenario) -> None:
    """Serve a tenant once a person."""
    with step(
        "A second tenant, OneOff",
        "Each person once, and never again: no schedule and no CronJob, a single Job.",
    ):
        show_run(scenario.one_off())
    with step(
        "Somebody joins there, and another's picture changes",
        "Once is meant per person: the joiner is served, the change is not carried over.",
    ):
        show_run(scenario.joiner())
        columns(scenario)


@contextmanager
def step(title: str, why: str) -> Iterator[None]:
    """Tell one step: what is done, why, and how long it took."""
    headline(title)
    say(why)
    started = time.monotonic()
    yield
    console.print(f"   ({time.monotonic() - started:.0f} s)", style="dim")


def headline(text: str) -> None:
    """Begin a step."""
    console.print(f"\n== {text}", style="bold", markup=False)


def say(text: str) -> None:
    """Tell one thing."""
    console.print(f"   {text}", markup=False)


def command(text: str) -> None:
    """Tell what a person would type."""
    console.print(f"   $ {text}", style="cyan", markup=False)


def show_run(run: LastRun) -> None:
    """Tell a run's numbers, those that are there and not zero."""
    counts = ", ".join(f"{run[kind]} {kind}" for kind in NUMBERS if run.get(kind))
    console.print(f"   {run['outcome']}: {counts}", style="green", markup=False)


def columns(scenario: Scenario) -> None:
    """Show what an administrator sees."""
    command("kubectl get profileimagesyncs -A")
    for line in scenario.environment.cluster.kubectl("get", "profileimagesyncs", "-A").splitlines():
        say(line)


def show_pictures(who: str, before: ShownPicture, after: ShownPicture) -> None:
    """Show what became of one person's picture in HighQ."""
    for when, face in (("before", before), ("now   ", after)):
        facts = face.facts
        say(f"{who}, {when}: set by {facts.set_by}, {facts.size} bytes, MD5 {facts.md5}")
    if console.is_terminal:
        for line in side_by_side([before.content, after.content]):
            console.print(Text("   ") + line)


def next_steps(environment: Environment, seconds: float) -> None:
    """Say where to look, and how to tear down."""
    address, cluster = environment.cluster.address(HIGHQ_PORT), environment.cluster
    headline(f"Every number above was asserted. {seconds:.0f} s in all")
    say(f"The people directory:  https://{address}/acme/people")
    say("                       (a test authority signed its certificate: the browser will ask)")
    say(f"Look around:           export KUBECONFIG={cluster.kubeconfig}")
    say(f"                       export PATH={cluster.programs}:$PATH")
    say("                       kubectl get profileimagesyncs,cronjobs,jobs,pods -A")
    say("                       kubectl -n tenant-acme describe profileimagesync acme")
    say("                       kubectl -n tenant-acme logs -l profileimagesync.io/sync=acme")
    say("Tear down:             make demo-down")


if __name__ == "__main__":
    sys.exit(main())
