"""Runs that read only what changed, beside the rules of a full sweep, through any order of events.

Such a run may know less, so it may upload less; never anything else. Its totals speak of everyone.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from profile_image_sync.api.report import PeopleKind
from profile_image_sync.api.status import Trigger
from profile_image_sync.worker import reading
from profile_image_sync.worker.explanations import standing
from profile_image_sync.worker.reporter import RunOutput
from tests.model.fakes import FakeHighQ
from tests.model.machine import SyncStateMachine
from tests.model.reference import Run
from tests.model.stores import Killed
from tests.model.tenant import Tenant
from tests.model.test_rules import firm, shown, sync
from tests.model.walking import as_code, shrink, walk
from tests.model.world import THUMB, ADPerson, refusal

SEQUENCES = int(os.environ.get("N") or 700)
BLIND = {  # what no window shows, and what makes nobody read everyone at once: the next full sweep finds it
    "change_mail", "swap_mails", "re_create",  # of others: who was Ambiguous with them is not read again
    "leave_or_return", "move",  # who has left
    "add_account", "change_account", "archive_or_reactivate", "delete_account", "change_list",  # in HighQ
}  # fmt: skip


class ChangesMachine(SyncStateMachine):
    """The same events; a run reads only what changed, unless it must read everyone."""

    def __init__(self) -> None:
        super().__init__()
        self.exact = False  # nothing has happened since a full sweep that a window does not show
        self.incremental = 0  # runs that read only what changed

    def sync(self, times: int) -> None:
        """Run; of a state in trouble, as the model does."""
        if self.tenant.trouble:
            super().sync(times)
            return
        for _ in range(times):
            self.run_changes()

    def kill_at_a_write(self, write: int, lands: bool) -> None:
        """Kill such a run at any write, before or after it took place: nothing is lost."""
        if self.tenant.trouble:
            return
        store, expected = self.tenant.store, self.tenant.plan()
        store.writes_left, store.lands = write, lands
        highq = FakeHighQ(self.world, self.tenant.settings)
        with suppress(Killed):
            self.tenant.execute(highq, trigger=Trigger.SCHEDULE)
        store.writes_left = math.inf
        self.exact = False  # after its last write all is recorded, but the lists were not written
        assert Counter(highq.uploads) <= wanted_uploads(self.tenant, expected)
        self.tenant.memory = self.tenant.stored()

    def run_changes(self) -> None:
        """Run once, and hold it against what a full sweep would do now."""
        tenant, expected = self.tenant, self.tenant.plan()
        highq = FakeHighQ(self.world, tenant.settings)
        output = tenant.execute(highq, trigger=Trigger.SCHEDULE)
        uploads, wanted = Counter(highq.uploads), wanted_uploads(tenant, expected)
        assert uploads <= wanted
        swept = output.report.full_sweep != ""
        if not output.report.reason:
            check_totals(tenant, output)
            if swept or self.exact:
                check_lists(tenant, output)
            if swept or self.exact:
                assert uploads == wanted, output.report.full_sweep
            self.exact |= swept
            self.incremental += not swept
        tenant.memory = tenant.stored()


def wanted_uploads(tenant: Tenant, expected: Run) -> Counter[tuple[int, int]]:
    """Return what a full sweep would send now, were there no brake."""
    uploads = Counter[tuple[int, int]]()
    for guid, (action, account) in expected.done.items():
        image = expected.images[guid]
        if action.startswith("Upload") and image:
            uploads[account, image[1]] += len(refusal(image[1], tenant.settings)) != 1
    return +uploads


def check_totals(tenant: Tenant, output: RunOutput) -> None:
    """Check that the numbers and the header's totals say of everyone what their rows say."""
    numbers, ledger = output.report.run, tenant.ledger()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    people = 0
    records = [record for _, record in ledger.items()]
    for record in records:
        if record.waiting or (record.accepted and not record.accepted.gone):
            people += 1
            kind, reason = standing(record)
            if kind:
                kinds[kind][reason] += 1
    totals = ledger.header.totals
    assert totals
    assert (totals.people, totals.reasons) == (people, kinds)
    counted = {kind: sum(reasons.values()) for kind, reasons in kinds.items()}
    assert numbers.people == people
    assert numbers.no_image == counted.get(PeopleKind.NO_IMAGE, 0)
    assert numbers.refused == counted.get(PeopleKind.REFUSED, 0)
    assert numbers.unmatched == counted.get(PeopleKind.UNMATCHED, 0)
    assert numbers.ambiguous == counted.get(PeopleKind.AMBIGUOUS, 0)
    assert numbers.failed == counted.get(PeopleKind.FAILED, 0)
    stored = ledger.header.stored
    assert stored
    assert (stored.people, stored.bytes) == (ledger.people, ledger.size)
    served = numbers.uploaded + numbers.adopted + numbers.unchanged
    assert people == served + numbers.no_image + numbers.refused + numbers.unmatched + (
        numbers.ambiguous + numbers.failed
    )


def check_lists(tenant: Tenant, output: RunOutput) -> None:
    """Check that whoever waits is listed, whether this run looked at them or not."""
    listed = {
        (person.guid, kind) for kind, people in output.people.people.items() for person in people
    }
    for guid, record in tenant.ledger().items():
        kind, _ = standing(record)
        assert kind is None or (str(guid), kind) in listed


def play(steps: list[tuple[str, dict[str, Any]]]) -> ChangesMachine:
    """Let the events happen; in the end everyone is read, as the rules say."""
    machine = ChangesMachine()
    for name, arguments in steps:
        machine.exact &= name not in BLIND
        getattr(machine, name)(**arguments)
    machine.tenant.sync()
    return machine


def test_a_run_that_reads_only_what_changed_does_nothing_that_a_full_sweep_would_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules 1, 5, 8, 10, 11: it uploads the same, or waits; its totals speak of all; no kill loses any."""

    def fails(steps: list[tuple[str, dict[str, Any]]]) -> bool:
        try:
            play(steps)
        except Exception:  # noqa: BLE001  # whatever it is
            return True
        return False

    incremental = 0
    for seed in range(SEQUENCES):
        steps = walk(seed)
        many = seed % 2 + 1  # people who wait: then only those with new accounts are looked at
        monkeypatch.setattr(reading, "MOST_CANDIDATES", many if seed % 4 < 2 else 2_000)
        try:
            incremental += play(steps).incremental
        except Exception:  # noqa: BLE001  # whatever it is
            steps = shrink(steps, fails)
            try:
                play(steps)
            except Exception as error:
                raise AssertionError(f"seed {seed}:\n{as_code(steps)}") from error
    assert incremental > seed  # or it was not about them


def test_who_failed_on_a_new_account_is_tried_again_by_a_run_that_reads_only_what_changed() -> None:
    """Rule 4: "A failed upload is tried again in the next run", although the picture is the recorded one."""
    tenant = firm()
    sync(tenant)
    del tenant.world.accounts[101]
    account = tenant.world.add_account("p1@x")
    tenant.world.change_account(account, denied=True)
    assert sync(tenant).report.run.failed == 1
    tenant.world.change_account(account, denied=False)
    highq = FakeHighQ(tenant.world, tenant.settings)
    output = tenant.execute(highq, trigger=Trigger.SCHEDULE)
    assert (output.report.full_sweep, shown(tenant)[account]) == ("", "AD 0")


def test_of_many_who_wait_only_those_with_new_accounts_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever else might be served, as an old account is active again, is when all are looked at once a day.

    Who waits because two old accounts bear their address is not served on a new one that bears another value.
    """
    monkeypatch.setattr(reading, "MOST_CANDIDATES", 1)
    tenant = firm()
    tenant.settings = replace(tenant.settings, match=("mail", "userPrincipalName"))
    old = tenant.world.add_account("old@x", active=False)
    for mail in ("new@x", "old@x", "two@x"):
        tenant.world.add_person(ADPerson(mail, f"upn-{mail}", {THUMB.lower(): 0}))
    for _ in range(2):
        tenant.world.add_account("two@x")
    sync(tenant)
    tenant.world.change_account(old, active=True)
    new, upn = tenant.world.add_account("new@x"), tenant.world.add_account("upn-two@x")
    highq = FakeHighQ(tenant.world, tenant.settings)
    output = tenant.execute(highq, trigger=Trigger.SCHEDULE)
    assert (output.report.full_sweep, highq.uploads) == ("", [(new, 0)])
    assert shown(tenant)[upn] is None
    tenant.world.later(days=2)
    tenant.execute(highq, trigger=Trigger.SCHEDULE)
    assert highq.uploads == [(new, 0), (old, 0)]
