"""What other operators' users reported, where pods are needed to see it."""

from __future__ import annotations

from testkit.cluster_tenant import REQUEST, RUN_SECONDS, ClusterTenant
from testkit.sync_command import ordinary
from testkit.waiting import wait_for

BY_HAND = "by-hand"


def test_a_job_made_by_hand_and_a_request_beside_a_run_upload_nothing_twice(
    tenant: ClusterTenant,
) -> None:
    """`kubectl create job --from=cronjob/…` steps back with exit 0, and the request is served afterwards."""
    cluster, where = tenant.environment.cluster, f"--namespace={tenant.namespace}"
    tenant.add_people([ordinary(f"Pat {tenant.name[-3:]}{n}", n) for n in range(20)])
    tenant.highq.knobs(rate_limit=6, rate_window=20)  # the first run goes on for a minute
    tenant.apply(dryRun=False)
    wait_for("an upload", tenant.highq.uploads, RUN_SECONDS)

    source = f"--from=cronjob/pisync-{tenant.name}"
    cluster.kubectl("create", "job", BY_HAND, source, where)
    cluster.kubectl("annotate", "profileimagesync", tenant.name, where, f"{REQUEST}=beside")
    ends = wait_for("the Job by hand has ended", lambda: _ends(tenant, BY_HAND), RUN_SECONDS)

    assert "Failed" not in ends
    assert '"Busy"' in _termination_message(tenant, BY_HAND)
    assert tenant.last_run() == {}  # the first run goes on, and nothing else is told as one
    (request,) = tenant.status()["runRequests"]
    assert (request["value"], request["phase"]) == ("beside", "Pending")

    tenant.highq.knobs(rate_limit=None)
    first = tenant.next_run({})
    assert (first["outcome"], first["uploaded"]) == ("Succeeded", 20)
    served = tenant.next_run(first)
    assert (served["request"], served["uploaded"], served["unchanged"]) == ("beside", 0, 20)
    uploaded = [call.user_id for call in tenant.highq.uploads() if call.user_id is not None]
    assert sorted(uploaded) == sorted(tenant.ids.values())


def _ends(tenant: ClusterTenant, job: str) -> set[str] | None:
    """Return the conditions of a Job that has ended."""
    found = tenant.environment.cluster.get("job", job, tenant.namespace)
    held = {each["type"] for each in found["status"].get("conditions", ())} if found else set()
    return held if held & {"Complete", "Failed"} else None


def _termination_message(tenant: ClusterTenant, job: str) -> str:
    label = f"batch.kubernetes.io/job-name={job}"
    (pod,) = tenant.environment.cluster.select("pods", tenant.namespace, label)
    (container,) = pod["status"]["containerStatuses"]
    message: str = container["state"]["terminated"].get("message", "")
    return message
