"""`plan` and the `sync` that follows agree person by person: thousands of people, every action among them."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.worker.ledger import Ledger
from testkit import pictures
from testkit.people import MAIL_DOMAIN, HighQUser, SamplePerson
from testkit.trial import Trial, highq_user
from tests.unit.cli.command import command

PEOPLE = int(os.environ.get("N", "1000"))  # `make plan-of-thousands` takes 5,000
GROUP = 15  # people of each special kind: the lists of a run hold a hundred of a kind
LATER_ID = 1_000_000  # of HighQ users who came after the first sync
PORTRAIT = pictures.jpeg(pictures.portrait("P", 1, 64, 64))
TOO_SMALL = pictures.jpeg(pictures.portrait("S", 2, 20, 20))

EVERY_ACTION = {
    ("upload", "UploadFirst"),
    ("upload", "UploadChanged"),
    ("upload", "UploadNewAccount"),
    ("upload", "UploadNewPerson"),
    ("upload", "UploadAgain"),
    ("adopted", "Adopt"),
    ("unchanged", ""),
    ("noImage", "NoImage"),
    ("noImage", "RemovedInSource"),
    ("refused", "TooSmall"),
    ("refused", "Corrupt"),
    ("refused", "Base64Text"),
    ("refused", "NotAnImage"),
    ("refused", "NotSquare"),
    ("unmatched", "NoAccount"),
    ("unmatched", "AccountInactive"),
    ("ambiguous", "SeveralAccounts"),
    ("ambiguous", "SeveralPeople"),
    ("ambiguous", "AccountHeldByOther"),
    ("ambiguous", "LeadsToOtherAccount"),
    ("unconfirmed", "Unconfirmed"),
}


def test_a_plan_and_the_run_that_follows_agree_on_every_action(trial: Trial) -> None:
    """Of five thousand people, to whom a year has happened since the first sync."""
    firm = Firm(trial)
    firm.found()
    run(trial, "sync")
    assert trial.highq.uploads() == []  # firstSync: Adopt
    firm.live_for_a_year()
    found = agreed(trial)
    assert set(found) == EVERY_ACTION
    assert found.total() > PEOPLE


def agreed(trial: Trial) -> Counter[tuple[str, str]]:
    """Plan, then run; return how many people there are of each action and reason.

    Everyone in the run's lists has the action and the reason of the plan; the lists are complete but for
    kinds of a hundred people and more. Those are compared by what HighQ has got, and by the numbers.
    """
    plan = {
        UUID(each["guid"]): (each["action"], each["reason"])
        for each in json.loads(run(trial, "plan", "-o", "json"))["people"]
    }
    assert len(plan) == sum(person.enabled for person in trial.people.values())
    before = len(trial.highq.uploads())
    run(trial, "sync")
    lists = json.loads((trial.state / "people.json").read_text())["people"]
    done = {
        UUID(each["guid"]): (kind.replace("uploaded", "upload"), each["reason"])
        for kind, people in lists.items()
        for each in people
    }
    assert {guid: plan[guid] for guid in done} == done
    cut = {kind.replace("uploaded", "upload") for kind, people in lists.items() if len(people) > 99}
    assert {plan[guid][0] for guid in plan.keys() - done.keys()} <= {"unchanged", *cut}
    report = json.loads((trial.state / "report.json").read_text())
    assert Counter(reason for _, reason in plan.values() if reason) == report["reasons"]
    accounts = {UUID(int=n): account for n, account in enumerate(trial.people, start=1)}
    served = Counter(call.user_id for call in trial.highq.uploads()[before:])
    planned = [trial.ids[accounts[guid]] for guid in plan if plan[guid][0] == "upload"]
    assert served == Counter(planned)
    return Counter(plan.values())


def run(trial: Trial, *arguments: str) -> str:
    """Run a command on the trial's manifest and state; return its output."""
    done = command(*arguments, "-f", trial.manifest, "--state", trial.state)
    assert done.exit_code == 0, done.errors
    return done.output


class Firm:
    """Five thousand people, and what happens to some of them: each group is of people not met before."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._ordinary = iter([f"p{number:05d}" for number in range(PEOPLE)])
        self._later_id = LATER_ID

    def found(self) -> None:
        """Have everyone in place whose trouble is older than the sync."""
        trial = self._trial
        people = {f"p{number:05d}": somebody(f"p{number:05d}") for number in range(PEOPLE)}
        self.corrected = self._some()
        self.inactive, self.reactivated = self._some(), self._some()
        special: dict[str, dict[str, Any]] = {
            **{who: {"photos": {}} for who in self._some()},
            **{who: {"highq": None} for who in self._some()},
            **{who: {"mail": f"wrong.{who}@{MAIL_DOMAIN}", "upn": "-"} for who in self.corrected},
            **{
                who: {"highq": HighQUser(mail_of(who), active=False)}
                for who in (*self.inactive, *self.reactivated)
            },
            **{who: {"mail": mail_of("reception"), "upn": "-"} for who in self._some()},
        }
        for who, fields in special.items():
            people[who] = dataclasses.replace(people[who], **fields)
        twice = self._some()
        trial.write_manifest(firstSync="Adopt")
        trial.add_people(people.values())
        self._new_accounts(twice)
        self._new_accounts(["reception"])

    def live_for_a_year(self) -> None:
        """Let happen what happens to people, pictures and accounts; some of it before another run."""
        trial, some = self._trial, self._some
        again, unsquare, unsure, leavers = some(3), some(), some(), some()
        self._join("early", some_number=GROUP)
        self._change_pictures({who: picture(who, 1) for who in unsquare})
        for who in unsquare:
            trial.highq.fail_next("avatar", "status", user_id=trial.ids[who], status=400, ref=404)
        trial.change_all({who: {"enabled": False} for who in leavers})
        run(trial, "sync")

        for operation, who in zip(("resend", "release", "forget"), again, strict=True):
            guid = str(self._guid(who))
            assert command("state", operation, guid, "--state", trial.state).exit_code == 0
        self._lose_answers(unsure)
        trial.change_all({who: {"enabled": True} for who in leavers})  # they come back
        self._change_pictures(dict(self._new_pictures()))
        trial.change_all({who: {"photos": {}} for who in some()})  # removed
        self._change_matches()
        self._join("late", some_number=GROUP)

    def _new_pictures(self) -> Iterator[tuple[str, bytes]]:
        """Yield pictures that will do, and one group of each kind that will not."""
        yield from ((who, picture(who, 2)) for who in self._some(150))
        yield from ((who, TOO_SMALL + who.encode()) for who in self._some())
        yield from ((who, PORTRAIT[:400] + who.encode()) for who in self._some())
        yield from ((who, base64.b64encode(picture(who, 3))) for who in self._some())
        yield from ((who, f"C:\\{who}.jpg".encode()) for who in self._some())

    def _change_matches(self) -> None:
        """Change whose account is whose."""
        trial, some = self._trial, self._some
        changes: dict[str, dict[str, Any]] = {who: {"mail": mail_of(who)} for who in self.corrected}
        for who in self.reactivated:
            trial.highq.change_user(trial.ids[who], status="Active")
        recreated = some()
        for who in recreated:
            trial.highq.remove_user(trial.ids[who])
        self._new_accounts(recreated)
        married, strangers = some(), some()  # a stranger gets the address of somebody who is served
        for who, stranger in zip(married, strangers, strict=True):
            changes[who] = {"mail": None, "upn": "-"}
            changes[stranger] = {"mail": None, "upn": "-"}
            trial.highq.remove_user(trial.ids[stranger])
        trial.change_all(changes)
        trial.add_people(somebody(f"new-{who}", mail=mail_of(who), highq=None) for who in married)
        elsewhere = some()  # their address leads to a second account of theirs
        for who in elsewhere:
            trial.highq.change_user(trial.ids[who], email=f"old.{mail_of(who)}")
        former = {who: trial.ids[who] for who in elsewhere}
        self._new_accounts(elsewhere)
        trial.ids.update(former)
        early = [who for who in trial.people if who.startswith("early")]
        trial.change_all({who: {"enabled": False} for who in early})
        successors = [somebody(f"next-{who}", mail=mail_of(who), highq=None) for who in early]
        trial.add_people(successors)
        trial.ids.update({f"next-{who}": trial.ids[who] for who in early})

    def _join(self, name: str, *, some_number: int) -> None:
        """Let people join whose accounts are younger than the first sync."""
        joiners = [somebody(f"{name}{number}", highq=None) for number in range(some_number)]
        self._trial.add_people(joiners)
        self._new_accounts([each.account for each in joiners])

    def _new_accounts(self, accounts: Sequence[str]) -> None:
        """Make an account, a younger one than all others, for each mail address of these."""
        users = []
        for who in accounts:
            self._later_id += 1
            self._trial.ids[who] = self._later_id
            users.append(highq_user(somebody(who), self._later_id))
        self._trial.highq.add_users(users)

    def _change_pictures(self, changed: Mapping[str, bytes]) -> None:
        self._trial.change_all(
            {who: {"photos": {"thumbnailPhoto": (raw,)}} for who, raw in changed.items()}
        )

    def _lose_answers(self, accounts: Iterable[str]) -> None:
        """Leave the records of uploads whose answers were lost: a real loss costs a run its retries."""
        with FolderStore.open(self._trial.state) as store:
            ledger = Ledger.open(store, expected_id=None)
            for who in accounts:
                record = ledger.get(self._guid(who))
                assert record.accepted
                unsure = dataclasses.replace(record.accepted, unconfirmed=True)
                ledger.put(self._guid(who), dataclasses.replace(record, accepted=unsure))
            ledger.commit(ledger.header)

    def _guid(self, account: str) -> UUID:
        return UUID(int=list(self._trial.people).index(account) + 1)

    def _some(self, count: int = GROUP) -> list[str]:
        return [next(self._ordinary) for _ in range(count)]


def somebody(account: str, **changes: Any) -> SamplePerson:
    """Invent a person with a picture of their own and an account."""
    person = SamplePerson(
        name=f"Person {account}",
        account=account,
        mail=mail_of(account),
        upn=f"{account}@ad.test",
        photos={"thumbnailPhoto": (picture(account, 0),)},
        highq=HighQUser(mail_of(account)),
    )
    return dataclasses.replace(person, **changes)


def mail_of(account: str) -> str:
    """Return the mail address of an account."""
    return f"{account}@{MAIL_DOMAIN}"


def picture(account: str, version: int) -> bytes:
    """Return a picture that nobody else has: what stands behind a JPEG's end is not shown."""
    return PORTRAIT + f"{account} {version}".encode()
