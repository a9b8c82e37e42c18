"""The reference model: section 1 of the design as a dictionary a person. Quotes are from there.

No shards, no threads, no HTTP. Read it as the specification; the state machine holds the real run against it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from profile_image_sync.api.spec import FirstSync, Mode
from tests.model.memory import Done, Memory, Row
from tests.model.world import ADPerson, HighQAccount, Settings, World, spelled

FROM_PEOPLE = 4  # "from 20 people on" in the design; the machine's firms are small
COMPARE_FROM = 3  # "a share of fewer people says nothing" (5 in the product)


@dataclass
class Run:
    """One full sweep, decided by the rules."""

    memory: Memory
    world: World
    settings: Settings
    acknowledged: set[str]  # "brake", "attributes 2", "match 2": what the given ids mean
    trouble: str = ""  # StateMissing, StateMismatch, StateDamaged

    def __post_init__(self) -> None:
        self.people = self.world.in_scope(self.settings)
        self.active = {n: a for n, a in self.world.accounts.items() if a.active}
        self.images = {g: p.image(self.settings.attributes) for g, p in self.people.items()}
        m, s = self.memory, self.settings
        attributes = tuple(a.lower() for a in s.attributes)  # "also only their spelling"
        self.version = m.version + bool(m.attributes and m.attributes != attributes)
        self.match_version = m.match_version + bool(m.match and m.match != s.match)
        self.leads = {g: self.lead(p) for g, p in self.people.items()}
        self.done = {g: self.decide(g) for g in self.people}
        self.sweep = self.counts()
        self.found = self.breaches()

    def allows(self, change: str) -> bool:
        """Tell "several ids may be acknowledged together"; each is good once."""
        return change in self.acknowledged and change not in self.memory.spent

    def lead(self, person: ADPerson) -> int | str:
        """Follow the rules in order: "Compared exactly but for ASCII case and surrounding blanks"."""
        found = "NoAccount"
        for attribute in self.settings.match:
            value = spelled(person.mail if attribute == "mail" else person.upn)
            same = [
                n for n, a in self.world.accounts.items() if value and spelled(a.email) == value
            ]
            active = [n for n in same if n in self.active]
            if active:
                return active[0] if len(active) == 1 else "SeveralAccounts"
            found = "AccountInactive" if same else found
        return found

    def gives_up(self, guid: int) -> bool:
        """Tell: "After an edit of `match` …, acknowledging that change's id releases all of them"."""
        row, lead = self.memory.rows.get(guid), self.leads[guid]
        released = self.allows(f"match {self.match_version}") and isinstance(lead, int)
        return bool(row and row.account in self.active and released and lead != row.account)

    def account(self, guid: int) -> int | str:
        """Rules 1 and 11: "The right face on the right person, or no face"."""
        row, lead = self.memory.rows.get(guid), self.leads[guid]
        others = [g for g in self.people if g != guid]
        holders = {
            g: self.memory.rows[g].account
            for g in others
            if g in self.memory.rows and not self.gives_up(g)
        }
        if row and row.account in self.active and not self.gives_up(guid):
            # "they keep their recorded HighQ account as long as it is active and nobody else leads to it"
            if isinstance(lead, int) and lead != row.account:
                return "LeadsToOtherAccount"  # "never a second account by inference"
            if any(self.leads[g] == row.account for g in others):
                return "SeveralPeople"
            if lead != row.account and row.account in holders.values():
                return "AccountHeldByOther"
            return row.account
        if isinstance(lead, int):
            if any(self.leads[g] == lead for g in others):
                return "SeveralPeople"  # "no other person in scope for that user"
            if lead in holders.values():
                return "AccountHeldByOther"  # "an id held by another person is Ambiguous"
        return lead

    def decide(self, guid: int) -> Done:
        """Return what is done for one person."""
        image, row, s = self.images[guid], self.memory.rows.get(guid), self.settings
        if image is None:  # rule 8: "An image that disappears in AD deletes nothing"
            return Done("Removed" if row else "NoImage")
        attribute, picture = image[0].lower(), image[1]
        refused, hold = self.memory.refused.get(guid), ((s.smallest,), (s.smallest, s.endpoint))
        refuses = bool(refused and refused[0] == picture and refused[1] in hold)
        order = [a.lower() for a in s.attributes]
        new = not row or row.picture != picture  # rule 3: "only when that hash differs"
        if row and new and row.attribute in order[: order.index(attribute)]:
            return Done("Removed")  # rule 10: "never served from the next attribute"
        if row and row.resend and refuses:
            return Done("Refused")
        again = bool(row and row.resend) or self.gives_up(
            guid
        )  # by `state resend` or `state release`
        older = bool(row and row.version < self.version)
        moved = older and new and row is not None and row.attribute != attribute
        moved = moved and not self.allows(f"attributes {self.version}")
        one_off = (
            s.mode is Mode.ONE_OFF and row is not None
        )  # rule 6: "never again for that person"
        if refuses and new and not moved and not one_off:
            return Done("Refused")  # rule 4: "not sent again until either changes"
        account = self.account(guid)
        wants = again or (new and not moved and not one_off)
        kept = row is not None and row.account in self.active and not self.gives_up(guid)
        if row and kept and account != "LeadsToOtherAccount" and not wants:
            account = row.account  # whoever else leads there: nothing is sent
        if isinstance(account, str):
            return Done("Unmatched" if account in ("NoAccount", "AccountInactive") else "Ambiguous")
        if again:  # "A released person's next match is uploaded whatever `firstSync` says"
            return Done("Upload replacing", account)
        if row and row.account == account:
            if not new:
                return Done("Unchanged" if row.unconfirmed or not older else "Record", account)
            return Done(
                "Record" if moved else "Unchanged" if one_off else "Upload replacing", account
            )
        return self.first_match(account, picture, row)

    def first_match(self, account: int, picture: int, row: Row | None) -> Done:
        """Rule 5; "Every first match obeys it, rule 11's too"."""
        former = [
            r for g, r in self.memory.rows.items() if g not in self.people and r.account == account
        ]
        if row is None and any(r.picture == picture for r in former):
            return Done("Record", account)  # rule 13: "with the same hash the row passes on"
        policy = self.memory.first_sync[0] if self.memory.first_sync else self.settings.first_sync
        there = self.world.accounts[account]
        fill = policy is FirstSync.FILL_EMPTY and (
            there.shows is not None or not self.world.tells_pictures
        )
        if fill or (policy is FirstSync.ADOPT and not self.joined_later(account, there)):
            return Done("Adopt", account)
        return Done("Upload replacing" if row or former else "Upload", account)

    def joined_later(self, number: int, account: HighQAccount) -> bool:
        """Tell: "only accounts made later (`createddate` after it, a day's margin; without: an id)"."""
        if self.memory.first_sync is None:
            return False
        _, completed, highest = self.memory.first_sync
        if self.world.tells_dates and abs(account.created - completed) > timedelta(days=1):
            return account.created > completed
        return number > highest

    def counts(self) -> Counter[str]:
        """Count what rule 10 compares: people, images (per attribute), matches."""
        counts = Counter(people=len(self.people))
        for guid, person in self.people.items():
            counts.update(
                f"image {a.lower()}" for a in self.settings.attributes if a.lower() in person.images
            )
            row, image = self.memory.rows.get(guid), self.images[guid]
            kept = row is not None and row.account in self.active and not self.gives_up(guid)
            counts["with image"] += image is not None
            counts["matched"] += image is not None and (kept or isinstance(self.account(guid), int))
        return counts

    def breaches(self) -> dict[str, int]:
        """Rules 10 and 13, at 50 % each: "the largest of the last eight full sweeps"."""
        now, found, sweeps = self.sweep, dict[str, int](), self.memory.sweeps
        names = ["people", *(f"image {a.lower()}" for a in self.settings.attributes)]
        measures = {
            name: (max((s[name] for s in sweeps), default=0), COMPARE_FROM) for name in names
        }
        matched = max((s["matched"] for s in sweeps), default=0)
        first = (
            self.memory.first_sync is None
        )  # "fewer with a HighQ user in the first sync, or … before"
        measures["matched"] = (now["with image"] if first else matched, FROM_PEOPLE)
        for name, (before, least) in measures.items():
            if before >= least and now[name] * 2 < before:
                found[name] = before - now[name]
        changed = sum(done.action == "Upload replacing" for done in self.done.values())
        if not first and now["with image"] >= FROM_PEOPLE and changed * 2 > now["with image"]:
            found["changed"] = changed  # "Brakes count every picture that would replace one"
        return found

    def brake_holds(self) -> bool:
        """Tell: "its numbers are at most 5 % above those when the id was given"."""
        pending = self.memory.brake
        return pending is not None and all(
            n * 100 <= pending.get(c, -1) * 105 for c, n in self.found.items()
        )

    def stop(self) -> str:
        """Return why the run stops before its first upload; "": it does not."""
        if self.trouble:
            return self.trouble
        if self.memory.highq not in ("", self.settings.address):
            return "StateMismatch"
        if not self.people:
            return "DirectoryMisconfigured"  # rule 10: "Zero people"
        if self.memory.first_sync is None and not any(self.images.values()):
            return "DirectoryMisconfigured"
        let_through = self.brake_holds() and self.allows("brake")
        if self.found and not let_through and not self.settings.dry_run:
            return "BrakeTripped"
        adopts = any(done.action == "Adopt" for done in self.done.values())
        policy = self.memory.first_sync[0] if self.memory.first_sync else self.settings.first_sync
        unknown = not self.world.tells_pictures  # "a list that does not say so stops the run"
        return "PicturesUnknown" if policy is FirstSync.FILL_EMPTY and adopts and unknown else ""
