"""The main scenario, a method a step: each acts, asserts the result and returns what to show.

The demo and the end-to-end tests share it, so that what is shown is what is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testkit.cluster_tenant import ClusterTenant
from testkit.environment import Environment
from testkit.people import sample_people
from testkit.simulator.schema import PictureFacts
from testkit.sync_command import ordinary, picture

OWN_PICTURES = ("ada.brook", "ben.castle", "cleo.dale", "dan.east")  # in HighQ before the first run
ADA, BEN = "ada.brook", "ben.castle"
SERVED, PEOPLE = 30, 41  # of testkit/people: who can be served, and who is in scope

LastRun = Mapping[str, Any]  # status.lastRun


@dataclass(frozen=True)
class ShownPicture:
    """A picture in HighQ: who set it and when, and its bytes."""

    facts: PictureFacts
    content: bytes


@dataclass
class Scenario:
    """Two tenants: acme (Continuous) and globex (OneOff)."""

    environment: Environment
    acme: ClusterTenant
    globex: ClusterTenant

    @classmethod
    def begin(cls, environment: Environment) -> Scenario:
        """Create two tenants without people."""
        return cls(
            environment,
            ClusterTenant.create(environment, "acme", "tenant-acme"),
            ClusterTenant.create(environment, "globex", "tenant-globex"),
        )

    def people_arrive(self) -> int:
        """Add about forty people, some with a picture in HighQ. Return how many."""
        self.acme.add_people(sample_people())
        for seed, account in enumerate(OWN_PICTURES):
            own = picture(account[:2].upper(), 300 + seed, 300)
            self.acme.highq.set_picture_as_user(self.acme.ids[account], own)
        return len(self.acme.guids)

    def dry_run(self) -> LastRun:
        """Apply the example as it stands, with dryRun: it plans and changes nothing."""
        self.acme.apply()
        run = self.acme.next_run({})
        assert (run["outcome"], run["toUpload"]) == ("DryRun", SERVED), self.acme.status()
        assert self.acme.avatar_calls() == []
        return run

    def first_run(self) -> LastRun:
        """Take dryRun out: everyone who can be served is, also those with a picture in HighQ."""
        before = self.acme.last_run()
        self.acme.apply(dryRun=False)
        run = self.acme.next_run(before)
        assert run["outcome"] == "Succeeded", self.acme.status()
        counts = [
            run[k] for k in ("people", "uploaded", "noImage", "refused", "unmatched", "ambiguous")
        ]
        assert counts == [PEOPLE, SERVED, 4, 3, 2, 2], run
        assert len(self.acme.avatar_calls()) == SERVED
        assert self.picture_of(ADA).facts.set_by == "sync"
        return run

    def quiet_run(self) -> LastRun:
        """Run again: nothing changed, so there is no call about any picture."""
        self.acme.highq.reset_audit()
        run = self.acme.run_now()
        assert (run["uploaded"], run["unchanged"]) == (0, SERVED), run
        assert self.acme.avatar_calls() == []
        return run

    def one_change(self) -> LastRun:
        """Change one picture in the directory: exactly one upload."""
        self.acme.highq.reset_audit()
        new = picture("AB", 500, 200)
        self.environment.administrator.set_photo(self.acme.guids[ADA], "thumbnailPhoto", new)
        run = self.acme.run_now()
        assert run["uploaded"] == 1, run
        assert self.acme.avatar_calls() == [self.acme.ids[ADA]]
        return run

    def own_choice(self) -> LastRun:
        """Let a person change their own picture in HighQ: the next run leaves it alone."""
        self.acme.highq.reset_audit()
        own = picture("ME", 700, 320)
        self.acme.highq.set_picture_as_user(self.acme.ids[BEN], own)
        run = self.acme.run_now()
        assert run["uploaded"] == 0, run
        assert self.acme.highq.picture(self.acme.ids[BEN]) == own
        assert self.acme.avatar_calls() == []
        return run

    def one_off(self) -> LastRun:
        """Serve a second tenant once: no schedule, one Job, everyone gets theirs."""
        self.globex.add_people(
            [ordinary("Gil Globe", 1), ordinary("Gus Globe", 2), ordinary("Gwen Globe", 3)]
        )
        self.globex.apply(mode="OneOff", schedule=None, dryRun=False)
        run = self.globex.next_run({})
        assert (run["outcome"], run["uploaded"]) == ("Succeeded", 3), self.globex.status()
        assert self.globex.status()["firstSyncCompleted"]
        assert not self.environment.cluster.select("cronjobs", self.globex.namespace)
        return run

    def joiner(self) -> LastRun:
        """Let somebody join and another picture change: the joiner is served, the change is not."""
        self.globex.highq.reset_audit()
        self.globex.add_people([ordinary("Gaby Newcomer", 9)], first_id=9)
        changed = self.globex.guids["gil.globe"]
        self.environment.administrator.set_photo(changed, "thumbnailPhoto", picture("GX", 900))
        run = self.globex.run_now()
        assert (run["uploaded"], run["unchanged"]) == (1, 3), run
        assert self.globex.avatar_calls() == [9]
        return run

    def picture_of(self, account: str) -> ShownPicture:
        """Return a person's picture in acme's HighQ."""
        number = self.acme.ids[account]
        facts, content = self.acme.highq.picture_facts(number), self.acme.highq.picture(number)
        assert facts is not None
        assert content is not None
        return ShownPicture(facts, content)
