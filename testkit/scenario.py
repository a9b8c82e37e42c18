"""The story, step by step; each step does something, asserts what came of it, and returns what to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testkit.cluster_tenant import Tenant
from testkit.environment import Stage
from testkit.people import staff
from testkit.simulator.schema import PictureFacts
from testkit.sync_command import ordinary, picture

OWN_PICTURES = ("ada.brook", "ben.castle", "cleo.dale", "dan.east")  # in HighQ before the first run
ADA, BEN = "ada.brook", "ben.castle"
SERVED, PEOPLE = 30, 41  # of tests/support/staff: who can be served, and who is in scope

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Face:
    """A picture in HighQ: who set it and when, and its bytes."""

    facts: PictureFacts
    content: bytes


@dataclass
class Story:
    """Two tenants: acme (Continuous) and globex (OneOff)."""

    stage: Stage
    acme: Tenant
    globex: Tenant

    @classmethod
    def begin(cls, stage: Stage) -> Story:
        """Clear what an earlier telling left, and make two tenants with nobody in them."""
        stage.clear()
        return cls(
            stage,
            Tenant.create(stage, "acme", "tenant-acme"),
            Tenant.create(stage, "globex", "tenant-globex"),
        )

    def people_arrive(self) -> int:
        """Enter about forty people; some have set a picture in HighQ already. Return how many."""
        self.acme.hire(staff())
        for seed, account in enumerate(OWN_PICTURES):
            own = picture(account[:2].upper(), 300 + seed, 300)
            self.acme.highq.set_picture_as_user(self.acme.ids[account], own)
        return len(self.acme.guids)

    def dry_run(self) -> Numbers:
        """Apply the example as it stands, with dryRun: it tells, and touches nothing."""
        self.acme.apply()
        run = self.acme.next_run({})
        assert (run["outcome"], run["uploaded"]) == ("DryRun", SERVED), self.acme.status()
        assert self.acme.avatar_calls() == []
        return run

    def first_run(self) -> Numbers:
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
        assert self.face(ADA).facts.set_by == "sync"
        return run

    def quiet_run(self) -> Numbers:
        """Run again: nothing changed, so there is no call about any picture."""
        self.acme.highq.reset_audit()
        run = self.acme.run_now()
        assert (run["uploaded"], run["unchanged"]) == (0, SERVED), run
        assert self.acme.avatar_calls() == []
        return run

    def one_change(self) -> Numbers:
        """Change one picture in the directory: exactly one upload."""
        self.acme.highq.reset_audit()
        new = picture("AB", 500, 200)
        self.stage.administrator.set_photo(self.acme.guids[ADA], "thumbnailPhoto", new)
        run = self.acme.run_now()
        assert run["uploaded"] == 1, run
        assert self.acme.avatar_calls() == [self.acme.ids[ADA]]
        return run

    def own_choice(self) -> Numbers:
        """Let a person change their own picture in HighQ: the next run leaves it alone."""
        self.acme.highq.reset_audit()
        own = picture("ME", 700, 320)
        self.acme.highq.set_picture_as_user(self.acme.ids[BEN], own)
        run = self.acme.run_now()
        assert run["uploaded"] == 0, run
        assert self.acme.highq.picture(self.acme.ids[BEN]) == own
        assert self.acme.avatar_calls() == []
        return run

    def one_off(self) -> Numbers:
        """Serve a second tenant once: no schedule, one Job, everyone gets theirs."""
        self.globex.hire(
            [ordinary("Gil Globe", 1), ordinary("Gus Globe", 2), ordinary("Gwen Globe", 3)]
        )
        self.globex.apply(mode="OneOff", schedule=None, dryRun=False)
        run = self.globex.next_run({})
        assert (run["outcome"], run["uploaded"]) == ("Succeeded", 3), self.globex.status()
        assert self.globex.status()["firstSyncCompleted"]
        assert not self.stage.cluster.select("cronjobs", self.globex.namespace)
        return run

    def joiner(self) -> Numbers:
        """Let somebody join and another picture change: the joiner is served, the change is not."""
        self.globex.highq.reset_audit()
        self.globex.hire([ordinary("Gaby Newcomer", 9)], first_id=9)
        changed = self.globex.guids["gil.globe"]
        self.stage.administrator.set_photo(changed, "thumbnailPhoto", picture("GX", 900))
        run = self.globex.run_now()
        assert (run["uploaded"], run["unchanged"]) == (1, 3), run
        assert self.globex.avatar_calls() == [9]
        return run

    def face(self, account: str) -> Face:
        """Look at a person's picture in acme's HighQ."""
        number = self.acme.ids[account]
        facts, content = self.acme.highq.picture_facts(number), self.acme.highq.picture(number)
        assert facts is not None
        assert content is not None
        return Face(facts, content)
