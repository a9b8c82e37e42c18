"""Section 1 of the design in plain Python: a dictionary a person; no shards, no threads, no HTTP.

Read it as the specification: the state machine holds the real run against it. Quotes: docs/rules.md, in full.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from profile_image_sync.api.spec import FirstSync, Mode
from tests.model.memory import NEVER, Memory, Row
from tests.model.world import ADPerson, Settings, World, refusal, spelled

FROM_PEOPLE, COMPARE_FROM = 4, 3  # brakes count from so many people on: 20 and 5 in the product


@dataclass
class Run:
    """One full sweep, decided by the rules."""

    memory: Memory
    world: World
    settings: Settings
    acknowledged: set[str]  # what the given ids mean: `brake`, `attributes 2`, `match 2`
    trouble: str = ""  # of the state

    def __post_init__(self) -> None:
        m, s = self.memory, self.settings
        self.people = self.world.in_scope(s)
        self.active = {n: a for n, a in self.world.accounts.items() if a.active}
        self.images = {g: p.image(s.attributes) for g, p in self.people.items()}
        self.order = tuple(a.lower() for a in s.attributes)  # "whatever the case it is spelled in"
        self.version = m.version + bool(m.attributes and m.attributes != self.order)
        self.match_version = m.match_version + bool(m.match and m.match != s.match)
        self.first, self.policy = m.first_sync is None, (m.first_sync or [s.first_sync])[0]
        self.leads = {g: self.lead(p) for g, p in self.people.items()}
        self.done = {g: self.decide(g) for g in self.people}
        self.sweep, self.found = self.numbers()
        given = m.brake or {}  # rule 13: "at most 5 % above those when the id was given"
        self.told = all(n * 100 <= given.get(c, -1) * 105 for c, n in self.found.items())

    def allows(self, change: str) -> bool:
        """Rule 13: "several ids may be acknowledged together"; each until it is spent."""
        return change in self.acknowledged and change not in self.memory.spent

    def lead(self, person: ADPerson) -> int | str:
        """Rule 11: "one active HighQ user for the person"; the first rule of `match` that finds one."""
        found = "NoAccount"
        for attribute in self.settings.match:
            value = spelled(person.mail if attribute == "mail" else person.upn)
            same = [n for n, a in self.world.accounts.items() if spelled(a.email) == value != ""]
            active = [n for n in same if n in self.active]
            if active:
                return active[0] if len(active) == 1 else "SeveralAccounts"
            found = "AccountInactive" if same else found
        return found

    def kept(self, guid: int) -> int:
        """Rule 1: "they keep their recorded HighQ account as long as it is active"; 0: there is none."""
        account, lead = self.memory.rows.get(guid, NEVER).account, self.leads[guid]
        elsewhere = isinstance(lead, int) and lead != account
        if elsewhere and self.allows(f"match {self.match_version}"):
            return 0  # "acknowledging that change's id releases all of them"
        return account if account in self.active else 0

    def account(self, guid: int) -> int | str:
        """Rules 1 and 11: "The right face on the right person, or no face"."""
        kept, lead, others = self.kept(guid), self.leads[guid], self.people.keys() - {guid}
        if kept and isinstance(lead, int) and lead != kept:
            return "LeadsToOtherAccount"  # "never a second account by inference"
        account = kept or lead
        if isinstance(account, int) and any(self.leads[g] == account for g in others):
            return "SeveralPeople"  # "no other person in scope for that user"
        if lead != kept and account in {self.kept(g) for g in others}:
            return "AccountHeldByOther"  # "an id held by another person is Ambiguous"
        return account

    def decide(self, guid: int) -> tuple[str, int]:
        """Return what is done for one person, and on which account."""
        image, row = self.images[guid], self.memory.rows.get(guid, NEVER)
        if image is None:  # rule 8: "An image that disappears in AD deletes nothing in HighQ"
            return ("NoImage" if row is NEVER else "Removed"), 0
        attribute, picture = image[0].lower(), image[1]
        changed = row.picture != picture  # rule 3: "only when that hash differs"
        if changed and row.attribute in self.order[: self.order.index(attribute)]:
            return "Removed", 0  # rule 10: "never served from the next attribute"
        older = row.version < self.version
        moved = older and changed and row.attribute != attribute
        moved = moved and not self.allows(f"attributes {self.version}")
        account, kept = self.account(guid), self.kept(guid)
        again = row.resend or (row.account in self.active and not kept)  # released, or resent
        later = changed and not moved and self.settings.mode is not Mode.ONE_OFF  # rule 6
        wants = row is NEVER or again or later
        if kept and not wants and account != "LeadsToOtherAccount":
            anew = moved or (older and not changed and not row.unconfirmed)
            return "Record" if anew else "Unchanged", kept
        hold, size = self.memory.refused.get(guid), self.settings.smallest
        refuses = hold in [(picture, (size,)), (picture, (size, self.settings.endpoint))]
        if refuses and wants:
            return "Refused", 0  # rule 4: "not sent again until either changes"
        if isinstance(account, str):
            return ("Unmatched" if account in ("NoAccount", "AccountInactive") else "Ambiguous"), 0
        action = "Upload replacing" if again or kept else self.first_match(account, picture, row)
        return ("Refused" if refuses and action.startswith("Upload") else action), account

    def first_match(self, account: int, picture: int, row: Row) -> str:
        """Rule 5: "Every first match obeys it, rule 11's too"."""
        rows, there = self.memory.rows, self.world.accounts[account]
        former = [r for g, r in rows.items() if g not in self.people and r.account == account]
        if row is NEVER and any(r.picture == picture for r in former):
            return "Record"  # rule 13: "with the same hash the row passes on without an upload"
        filled = there.shows is not None or not self.world.tells_pictures
        joined = False  # "only accounts made later": "`createddate` after it, a day's margin"
        if self.memory.first_sync:
            _, then, highest = self.memory.first_sync
            dated = self.world.tells_dates and abs(there.created - then) > timedelta(days=1)
            joined = there.created > then if dated else account > highest
        if {FirstSync.FILL_EMPTY: filled, FirstSync.ADOPT: not joined}.get(self.policy):
            return "Adopt"  # "FillEmpty never replaces a picture, a joiner's neither"
        return "Upload" if row is NEVER and not former else "Upload replacing"

    def numbers(self) -> tuple[Counter[str], dict[str, int]]:
        """Rules 10 and 13, limits of 50 %: what a sweep counts; by cause, what is missing or replaced."""
        now, found, sweeps = Counter(people=len(self.people)), dict[str, int](), self.memory.sweeps
        for guid, person in self.people.items():
            now.update(f"image {a}" for a in self.order if a in person.images)
            if self.images[guid]:
                matched = self.kept(guid) or isinstance(self.account(guid), int)
                now.update({"with image": 1, "matched": bool(matched)})
        for cause in ("people", *(f"image {a}" for a in self.order), "matched"):
            least = FROM_PEOPLE if cause == "matched" else COMPARE_FROM
            before = max((sweep[cause] for sweep in sweeps), default=0)  # "the largest of the last"
            if cause == "matched" and self.first:  # rule 7: "of the people with an image"
                before = now["with image"]
            if before >= least and now[cause] * 2 < before:
                found[cause] = before - now[cause]
        changed = sum(action == "Upload replacing" for action, _ in self.done.values())
        if not self.first and now["with image"] >= FROM_PEOPLE and changed * 2 > now["with image"]:
            found["changed"] = changed  # "Brakes count every picture that would replace one"
        return now, found

    def stop(self) -> str:
        """Return why the run stops before its first upload, if it does."""
        if self.trouble or self.memory.highq not in ("", self.settings.address):
            return self.trouble or "StateMismatch"  # rule 9: "finds none, or another one"
        if not self.people or (self.first and not any(self.images.values())):
            return "DirectoryMisconfigured"  # rule 10: "Zero people"
        if self.found and not self.settings.dry_run and not (self.told and self.allows("brake")):
            return "BrakeTripped"
        unknown = self.policy is FirstSync.FILL_EMPTY and not self.world.tells_pictures
        adopts = any(action == "Adopt" for action, _ in self.done.values())
        return (
            "PicturesUnknown" if unknown and adopts else ""
        )  # "a list that does not say so stops"

    def remember(self) -> None:
        """Change the memory as a run does that goes to its end, or stops before its first upload."""
        m, s, stop = self.memory, self.settings, self.stop()
        if not s.dry_run and stop != "StateMismatch":
            m.highq = s.address  # rule 9: "bound to one HighQ and one domain"
        if stop in ("StateMismatch", "DirectoryMisconfigured"):
            return
        if self.found and not self.told and (s.dry_run or stop == "BrakeTripped"):
            m.brake = self.found  # the id that a dry run tells is good for the real run
        if s.dry_run:
            return
        m.attributes, m.version = self.order, self.version
        m.match, m.match_version = s.match, self.match_version
        if stop:
            return
        served = {r.account for g, r in m.rows.items() if g in self.people} - {0}
        for guid, row in list(m.rows.items()):  # rule 8: "a full sweep marks them *gone*"
            m.rows[guid] = replace(row, gone=guid not in self.people)
            if guid not in self.people and row.account in served:
                del m.rows[guid]  # rule 13: "the row passes on"
        m.waiting = {guid for guid in self.people if self.waits(guid)}
        if self.first:  # rule 7: "complete when a run has attempted everyone in scope"
            m.first_sync = (s.first_sync, self.world.now, max(self.world.accounts, default=0))
        lowered = self.found.keys() - {"changed"}  # rule 10: "becomes the only baseline"
        m.sweeps = [*([] if lowered else m.sweeps), self.sweep][-8:]
        m.spent |= {f"attributes {m.version}", f"match {m.match_version}"} & self.acknowledged
        m.brake = None  # rule 13: "spent when a run that it let through has ended without a stop"

    def waits(self, guid: int) -> bool:
        """Record what came of one person, rule 4; tell whether the next run must look at them again."""
        image, (action, number) = self.images[guid], self.done[guid]
        if image is None or action not in ("Adopt", "Record", "Upload", "Upload replacing"):
            return action in ("Unmatched", "Ambiguous")
        sent = action.startswith("Upload")
        if sent and (led_to := refusal(image[1], self.settings)):
            self.memory.refused[guid] = (image[1], led_to)  # "with the settings that led to it"
            return False
        if sent and self.world.accounts[number].denied:
            return True  # "A failed upload is tried again in the next run"
        lost = sent and self.world.accounts[number].deaf  # "recorded *unconfirmed* for that hash"
        self.memory.rows[guid] = Row(image[1], image[0].lower(), number, self.version, lost)
        return False
