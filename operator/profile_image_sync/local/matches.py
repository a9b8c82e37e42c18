"""Which HighQ user is whose, by which rule, and what follows: for `check`, `plan` and `explain`.

Apart from `plan`, which observes a whole run: this asks the code of a run about one person, also about a
record that is not theirs yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.worker import transitions
from profile_image_sync.worker.accounts import AccountIndex
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import Match, Matcher
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.people_rows import PeopleRows
from profile_image_sync.worker.plan import PersonPlan, plan_person, policy_for


class Matches:
    """The matches of everyone in scope; the ledger's store must stay open, and nobody may write to it."""

    def __init__(
        self,
        spec: ProfileImageSyncSpec,
        people: Sequence[Person],
        accounts: Sequence[Account],
        ledger: Ledger | None,
    ) -> None:
        """`accounts` are those of a complete listing; without a ledger nobody was served before."""
        header = ledger.header if ledger else new_header(uuid4())
        highest = max((account.id for account in accounts), default=0)
        header = transitions.begun(header, spec, highest, datetime.now(UTC))
        acknowledged = Acknowledgements.parse(header, spec.safety.acknowledge)
        self.policy = policy_for(spec, acknowledged)
        self._rules = spec.highq.match
        self.record_of = ledger.get if ledger else lambda _: PersonRecord()
        index = AccountIndex([rule.highq for rule in self._rules])
        for account in accounts:
            index.append(account)
        self._people = PeopleRows(
            spec.active_directory.image_attributes, len(self._rules), self.record_of
        )
        for person in people:
            self._people.add(person)
        self._matcher = Matcher(
            [self._people],
            index,
            holdings=ledger.holdings if ledger else tuple[bytes],
            record_of=self.record_of,
            release=acknowledged.allows(acknowledged.match_change),
        )

    def of(self, person: Person) -> Match:
        """Return the match of one of the people."""
        packed = self._people.get(person.guid)
        assert packed is not None  # noqa: S101  # one of the people
        return self._matcher.match(packed, self.record_of(person.guid).accepted)

    def plan(self, person: Person) -> PersonPlan:
        """Return what a run does for one of the people, before it reads their picture again."""
        return plan_person(person, self.record_of(person.guid), self.of(person), self.policy)

    def rule(self, match: Match) -> str:
        """Return what led to the account, e.g. "mail=email"; "" without an account."""
        if match.account is None:
            return ""
        if match.rule is None:
            return "the record of an earlier run"
        rule = self._rules[match.rule]
        return f"{rule.active_directory}={rule.highq}"
