"""The operator's own rights, after all other end-to-end tests: what the chart grants, and what was asked for.

Runs last (conftest.py), and waits for what other workers still run. After a part of the tests it is skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from testkit.audit_log import AuditedRequest, read_audit_log
from testkit.environment import OPERATOR, Environment
from testkit.waiting import wait_for
from tests.e2e.conftest import began, ended

pytestmark = pytest.mark.timeout(1500)

ACCOUNT = f"system:serviceaccount:{OPERATOR}:{OPERATOR}"
OTHERS_SECONDS = 1200.0
WITHOUT_A_CLUSTER = {"test_image.py", "test_installation.py", "test_release.py"}

Right = tuple[str, str]  # a verb, and a resource with its group

UNUSED: dict[Right, str] = {  # with the reason why it is granted all the same
    ("update", "configmaps"): "runs write state and report, and who grants a right must hold it",
    ("update", "secrets"): "runs write tokens and lists of people, likewise",
    ("get", "jobs.batch"): "looked at when a Job to be made is there already; its name is random",
}


@pytest.fixture(scope="module")
def requests(
    request: pytest.FixtureRequest,
    kind_environment: Environment,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[AuditedRequest]:
    """Give what the operator has asked of the API server in this session, once everyone else has ended."""
    here = Path(__file__).parent
    asked = [each for each in request.session.items if here in each.path.parents]
    missing = {path.name for path in here.glob("test_*.py")} - {each.path.name for each in asked}
    if request.config.getoption("keyword") or missing - WITHOUT_A_CLUSTER:
        pytest.skip("judges a run of all end-to-end tests")
    others = {each.nodeid for each in asked if each.path != Path(__file__)}
    list_of_ended = ended(tmp_path_factory)

    def all_ended() -> bool:
        return others <= set(list_of_ended.read_text().splitlines())

    wait_for("the other end-to-end tests", all_ended, OTHERS_SECONDS, interval=1)
    since = datetime.fromisoformat(began(tmp_path_factory).read_text())
    log = tmp_path_factory.mktemp("audit") / "requests.log"
    log.write_text(kind_environment.cluster.audit_log())
    found = read_audit_log(log, ACCOUNT, since, datetime.now(UTC))
    if not found:
        pytest.skip("a cluster without an audit log: testcluster/cluster down pis-test")
    return [each for each in found if each.resource]


@pytest.fixture(scope="module")
def granted(kind_environment: Environment) -> set[Right]:
    """Give what the chart's rules allow."""
    role = kind_environment.cluster.get("clusterrole", OPERATOR)
    assert role is not None
    return {
        (verb, _full(resource, group))
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


def test_all_that_the_operator_asked_for_was_allowed_by_the_charts_rules(
    requests: list[AuditedRequest], granted: set[Right]
) -> None:
    """By its ClusterRole and by nothing else that everybody may do; until both are uninstalled."""
    others = {
        f"{each.verb} {each.resource}: {each.decision}, {each.reason}"
        for each in requests
        if f'of ClusterRole "{OPERATOR}"' not in each.reason
        and not (each.decision == "forbid" and _ends(each, requests))
    }
    assert others == set()
    assert _used(requests) <= granted


def test_each_of_the_charts_rules_was_needed(
    requests: list[AuditedRequest], granted: set[Right]
) -> None:
    """Verb by verb; what no test brings about is listed here, with its reason."""
    assert granted - _used(requests) <= UNUSED.keys()


def _ends(refused: AuditedRequest, requests: list[AuditedRequest]) -> bool:
    """Tell whether its pod has lost all its rights, as when Helm removes it together with them."""
    later = [each for each in requests if each.received > refused.received]
    return not any(each.pod == refused.pod and each.decision == "allow" for each in later)


def _used(requests: list[AuditedRequest]) -> set[Right]:
    return {(each.verb, _full(each.resource, each.group)) for each in requests}


def _full(resource: str, group: str) -> str:
    """Return it as `kubectl auth can-i` names it: jobs.batch, deployments.apps/scale."""
    name, slash, part = resource.partition("/")
    return name + (f".{group}" if group else "") + slash + part
