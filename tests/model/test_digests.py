"""Values are compared by digests: the real run where digests fall together, which they never do in life."""

from __future__ import annotations

import pytest

from profile_image_sync.api.status import Trigger
from profile_image_sync.worker import accounts
from profile_image_sync.worker.matching import Matcher
from tests.model.fakes import FakeHighQ
from tests.model.tenant import Tenant
from tests.model.world import THUMB, ADPerson

PICTURES = (0, 1, 2, 5)  # that HighQ takes: each is one person's


def uploads_astray(world: int, bits: int) -> tuple[int, int]:
    """Do a full sweep and a run of changes; return how many pictures went up, and how many to others."""
    tenant = Tenant()
    people = {f"p{number}-{world}@x": number for number in PICTURES}
    for mail, number in people.items():
        tenant.world.add_person(ADPerson(mail, None, {THUMB.lower(): number}))
    for mail in [*list(people)[::2], *(f"client{number}-{world}@x" for number in range(3))]:
        tenant.world.add_account(mail)
    highq = FakeHighQ(tenant.world, tenant.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "DIGEST_MASK", 2**bits - 1)
        tenant.execute(highq)
        tenant.world.add_account(list(people)[1])
        tenant.execute(highq, trigger=Trigger.SCHEDULE)
    mails = {number: mail for mail, number in people.items()}
    astray = [
        account
        for account, number in highq.uploads
        if tenant.world.accounts[account].email != mails[number]
    ]
    return len(highq.uploads), len(astray)


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_digests_that_fall_together_lead_no_picture_to_another_account(bits: int) -> None:
    """Rule 11: "The right face on the right person, or no face": the values themselves decide."""
    found = [uploads_astray(world, bits) for world in range(40)]
    assert sum(astray for _, astray in found) == 0
    if bits == 5:
        assert sum(uploads for uploads, _ in found) > 0


def test_without_the_second_look_digests_of_few_bits_would_lead_astray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the test above could not fail."""
    monkeypatch.setattr(Matcher, "still_leads", lambda *_: True)
    assert sum(uploads_astray(world, 3)[1] for world in range(40)) > 0
