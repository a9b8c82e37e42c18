"""`check`: one line for each thing that a run needs, in the order in which it would fail.

Changes nothing. HighQ's refresh token is used up only if the caller says so, because it works once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from profile_image_sync import __version__
from profile_image_sync.api.allow import Allow
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import MissingReference, SyncError
from profile_image_sync.local.check_directory import check_directory
from profile_image_sync.local.check_highq import HighQCheck
from profile_image_sync.local.files import write_file
from profile_image_sync.local.probe import CheckResult, CheckStatus
from profile_image_sync.worker.highq.survey import Survey
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.references import References, require_references
from profile_image_sync.worker.state_store import StateStore
from profile_image_sync.worker.token_store import TokenStore


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a run would take place: on a machine, or in a pod."""

    references: References
    tokens: TokenStore
    state: Callable[[], AbstractContextManager[StateStore | None]]  # None: there is none yet
    using_token: Callable[[], AbstractContextManager[None]]  # no run renews it meanwhile
    state_id: UUID | None = None  # None: whatever state is there
    allow: Allow | None = None  # None: every host is allowed


def check(
    spec: ProfileImageSyncSpec, surroundings: Surroundings, survey: Survey, *, use_token: bool
) -> Iterator[CheckResult]:
    """Yield the results as they are found."""
    references = surroundings.references
    results = list(_references(spec, references))
    yield from results
    if results[0].status is CheckStatus.FAILED:
        return
    if surroundings.allow:
        yield _hosts(spec, surroundings.allow)
    people: list[Person] = []
    yield from check_directory(spec, references, people)
    yield _state(surroundings)
    highq = HighQCheck(spec, references, surroundings.tokens, survey)
    yield from highq.without_token()
    yield highq.token()
    if not use_token:
        text = "users are not listed, rights and matches not tried: add --use-token (it uses up the token)"
        yield CheckResult("rights", CheckStatus.SKIPPED, text)
        return
    try:
        with surroundings.using_token():
            yield from highq.with_token(people)
    except SyncError as error:
        yield CheckResult("token", CheckStatus.FAILED, f"{error.reason}: {error}")


def write_report(path: Path, survey: Survey, spec: ProfileImageSyncSpec) -> None:
    """Write what the survey saw, readable by its owner only. Raises OSError."""
    report = {
        "profileImageSync": __version__,
        "endpoint": spec.highq.endpoint.value,
        "answers": [asdict(answer) for answer in survey.answers],
        "differences": survey.differences,
    }
    write_file(path, f"{json.dumps(report, indent=2)}\n".encode())


def _references(spec: ProfileImageSyncSpec, references: References) -> Iterator[CheckResult]:
    try:
        require_references(spec, references)
    except MissingReference as error:
        for line in str(error).splitlines():
            yield CheckResult("references", CheckStatus.FAILED, line)
    else:
        yield CheckResult("references", CheckStatus.OK, "every Secret and ConfigMap has its keys")


def _hosts(spec: ProfileImageSyncSpec, allow: Allow) -> CheckResult:
    try:
        allow.check(spec)
    except SyncError as error:
        return CheckResult("hosts", CheckStatus.FAILED, str(error))
    return CheckResult("hosts", CheckStatus.OK, "the installation allows every host of the spec")


def _state(surroundings: Surroundings) -> CheckResult:
    new = "there is none yet: the next run is a first sync"
    try:
        with surroundings.state() as store:
            if store is None:
                return CheckResult("state", CheckStatus.OK, new)
            ledger = Ledger.open(store, expected_id=surroundings.state_id)
            text = f"{ledger.header.id} in {store.where} is complete, with {ledger.people} people"
    except SyncError as error:
        return CheckResult("state", CheckStatus.FAILED, f"{error.reason}: {error}")
    return CheckResult("state", CheckStatus.OK, text)
