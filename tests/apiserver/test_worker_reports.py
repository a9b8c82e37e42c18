"""What a run leaves for the operator and for those who may see names."""

from __future__ import annotations

import base64
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from profile_image_sync.api.report import ListedPerson, PeopleKind, PeopleLists, Report
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.pod.reports import ReportWriter
from profile_image_sync.worker.reporter import RunOutput
from tests.support.worker_environment import WorkerEnvironment

REPORT, PEOPLE = "pisync-acme-report", "pisync-acme-people"


def result(label: str = "ada@firm.example") -> RunOutput:
    """Invent the result of a run about one person."""
    run = Run(id=str(uuid4()), outcome=Outcome.PARTIAL_FAILURE, people=1, failed=1)
    listed = ListedPerson(guid="g", label=label, reason="UploadFailed")
    lists = PeopleLists(run=run.id, people={PeopleKind.FAILED: (listed,)})
    return RunOutput(Report(run=run, exit_code=0), lists)


def writer(worker: WorkerEnvironment) -> ReportWriter:
    """Return what a run of this resource writes its report with."""
    client = worker.client()
    return ReportWriter(client, namespace=worker.namespace, resource="acme")


def stored(worker: WorkerEnvironment) -> tuple[str, str]:
    """Return both, as the API server has them."""
    report = worker.get("configmap", REPORT)["data"]["report.json"]
    people = worker.get("secret", PEOPLE)["data"]["people.json"]
    return report, base64.b64decode(people).decode()


def test_a_report_reads_back_and_names_nobody(worker: WorkerEnvironment) -> None:
    """Counts in a ConfigMap, names in a Secret."""
    left = result()
    writer(worker).write(left)
    report, people = stored(worker)
    assert Report.model_validate_json(report) == left.report
    assert PeopleLists.model_validate_json(people) == left.people
    assert "ada" not in report


def test_the_next_report_replaces_it(worker: WorkerEnvironment) -> None:
    """Also after others have touched the objects' labels."""
    reports = writer(worker)
    reports.write(result("old@firm.example"))
    for kind, name in (("configmap", REPORT), ("secret", PEOPLE)):
        worker.kubectl("label", kind, name, "backup=nightly")
    left = result()
    reports.write(left)
    report, people = stored(worker)
    assert Report.model_validate_json(report).run.id == left.report.run.id
    assert "old@" not in people
    assert worker.get("secret", PEOPLE)["metadata"]["labels"]["backup"] == "nightly"


@pytest.mark.parametrize(("kind", "name"), [("configmap", REPORT), ("secret", PEOPLE)])
def test_what_is_not_there_is_told_in_the_log(
    worker: WorkerEnvironment, kind: str, name: str
) -> None:
    """The operator makes both; the other one is left all the same, and the run goes on to its end."""
    worker.kubectl("delete", kind, name)
    with capture_logs() as logs:
        writer(worker).write(result())
    assert [line["log_level"] for line in logs] == ["error"]
    assert name in logs[0]["object"]
    other = {"configmap": ("secret", PEOPLE), "secret": ("configmap", REPORT)}[kind]
    assert worker.get(*other)["data"]


def test_a_report_that_may_not_be_written_is_told_in_the_log(worker: WorkerEnvironment) -> None:
    """The exit code tells the operator; the log tells why there is no report."""
    worker.kubectl("delete", "rolebinding", "pisync-acme")
    with capture_logs() as logs:
        writer(worker).write(result())
    assert [line["log_level"] for line in logs] == ["error", "error"]
    assert all("not allowed to get it" in line["problem"] for line in logs)
