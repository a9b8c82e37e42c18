"""The operator's CronJobs in the hands of Kubernetes' own controller: what starts after a long suspension."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from testkit.waiting import wait_for
from tests.support.operator import Body, OperatorEnvironment, ended, first_job

SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
ZONE = "Asia/Kolkata"  # half an hour off whole hours


def suspended(tenant: OperatorEnvironment, name: str, schedule: str) -> Body:
    """Have a resource that has been suspended for two days; return its spec without that."""
    spec: Body = {"schedule": schedule, "timeZone": ZONE, "runOnCreate": False}
    tenant.apply(spec | {"suspend": True}, name)
    wait_for("all is told", lambda: tenant.condition("Synced", name)[1] == "Suspended")
    before = {"lastScheduleTime": (datetime.now(UTC) - timedelta(days=2)).isoformat("T", "seconds")}
    patch = ("--subresource=status", "--type=merge", "--patch", json.dumps({"status": before}))
    tenant.kubectl("patch", "cronjob", f"pisync-{name}", *patch)
    return spec | {"suspend": False}


def test_after_a_suspension_no_burst_makes_up_for_what_was_missed(
    served: OperatorEnvironment,
) -> None:
    """A slot of half an hour ago is left out; one of just now starts one run, in the resource's time zone."""
    now = datetime.now(ZoneInfo(ZONE)).replace(second=0, microsecond=0)
    long_ago, just_now = now - timedelta(minutes=30), now - timedelta(minutes=2)
    hourly = suspended(served, "hourly", f"{long_ago.minute} * * * *")
    daily = suspended(served, "acme", f"{just_now.minute} {just_now.hour} * * *")
    served.apply(hourly, "hourly")
    wait_for("a next run", lambda: served.status("hourly").get("nextRunTime"))
    served.apply(daily)
    job = first_job(served)
    served.end_pod(wait_for("a pod", lambda: served.pod(job)), ended(job))
    wait_for("the run is told", lambda: served.condition("Synced") == ("True", "Succeeded"))

    (made,) = served.items("jobs")
    assert made["metadata"]["name"] == job == served.status()["lastRun"]["job"]
    assert datetime.fromisoformat(made["metadata"]["annotations"][SLOT]) == just_now
    following = [
        datetime.fromisoformat(served.status(name)["nextRunTime"]) for name in ("hourly", "acme")
    ]
    assert following == [long_ago + timedelta(hours=1), just_now + timedelta(days=1)]
