"""Whole runs of `profile-image-sync worker`: a real directory, the HighQ simulator, a real API server."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from profile_image_sync.api import run_spec, termination_message
from profile_image_sync.api.allow import Allow
from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import Outcome, Trigger
from profile_image_sync.kube.lease import LeaseConfig
from testkit.audit_log import read_audit_log
from testkit.control_plane import ControlPlane
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.simulator.process import Simulator
from testkit.sync_command import COMMAND, LocalTenant, merged, ordinary, picture
from testkit.waiting import wait_for
from tests.support.planted import AT_DEBUG_LEVEL, LOUD, Planted, proc_of
from tests.support.tinyproxy import PASSWORD, USERNAME, tinyproxy
from tests.support.worker_environment import STATE, WorkerEnvironment

JOB = "5b1cbf1a-6f53-4b5e-9a3e-0b3e3f8f0001"
NAMES = ("Ada Brook", "Ben Castle", "Cleo Dale", "Dan East")
KINDS = "configmaps,secrets,leases,events,jobs,cronjobs,pods,serviceaccounts,roles,rolebindings"
NO_REPORT = Report.model_validate({"run": {"id": "none"}, "exitCode": -1})


@dataclass
class Pod:
    """A worker's pod without a kubelet: mounts in a folder, the run spec in the environment."""

    tenant: LocalTenant
    worker: WorkerEnvironment
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, job: str = JOB, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end; `changes` are top-level fields of the spec, merged for this run only."""
        command, environment = self.command(), self.variables(job, **changes)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    @contextmanager
    def running(self, job: str = JOB) -> Iterator[subprocess.Popen[str]]:
        """Start a run; it is killed in the end, if need be."""
        with subprocess.Popen(
            self.command(), env=self.variables(job), stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def command(self) -> list[str]:
        """Mount what the kubelet mounts: only the keys of objects that are there."""
        mounts = self.worker.folder / "mounts"
        for document in self.tenant.documents({}):
            kind, name = document["kind"], document["metadata"]["name"]
            for key, value in document.get("data", {}).items():
                folder = mounts / {"Secret": "secrets", "ConfigMap": "configmaps"}[kind] / name
                folder.mkdir(parents=True, exist_ok=True)
                content = base64.b64decode(value) if kind == "Secret" else value.encode()
                (folder / key).write_bytes(content)
        self.termination.write_text("")
        options = ["--mounts", str(mounts), "--termination-message", str(self.termination)]
        return [*COMMAND, "worker", *options]

    @property
    def termination(self) -> Path:
        """The file that the kubelet makes for the termination message."""
        return self.worker.folder / f"termination-{self.worker.resource}"

    def told(self) -> Report:
        """Return what the pod left of its last run."""
        report = termination_message.decode(self.termination.read_text())
        assert report
        return report

    def variables(self, job: str, **changes: Any) -> dict[str, str]:
        """Return the environment of the pod."""
        base = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        spec = merged(self.tenant.spec, changes)
        return base | self.worker.variables(spec, job) | self.environment

    def report(self) -> Report:
        """Return the last report, or one that nobody wrote."""
        data = self.worker.get("configmap", "pisync-acme-report").get("data", {})
        return Report.model_validate_json(data["report.json"]) if data else NO_REPORT

    def numbers(self) -> dict[str, int]:
        """Return the counts of the last report that are not zero."""
        run = self.report().run.model_dump(by_alias=True)
        return {k: v for k, v in run.items() if type(v) is int and v and k != "generation"}

    def header(self) -> StateHeader:
        """Return the state's header."""
        data = self.worker.get("configmap", "pisync-acme-state")["data"]
        return StateHeader.model_validate_json(data["header"])

    def holder(self, lease: str = "pisync-acme") -> str | None:
        """Return who holds a Lease."""
        holder: str | None = self.worker.get("lease", lease)["spec"].get("holderIdentity")
        return holder


@pytest.fixture
def pod(
    worker: WorkerEnvironment,
    domain_controller: DomainController,
    administrator: Administrator,
    simulator: Simulator,
    organizational_unit: str,
) -> Iterator[Pod]:
    """Give a tenant of four people, and the pod of its runs, which call nothing but what a sync calls."""
    tenant = LocalTenant.create(
        worker.folder, domain_controller, administrator, simulator, organizational_unit
    )
    tenant.add_people([ordinary(name, seed) for seed, name in enumerate(NAMES)])
    yield Pod(tenant, worker)
    assert tenant.highq.foreign_calls() == []


def lines(text: str) -> list[dict[str, Any]]:
    """Read a log: every line of it is JSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_first_everyone_then_nobody_then_who_changed(pod: Pod) -> None:
    """The run of the command line, in a pod: state is found again, and nothing is sent twice."""
    first = pod.run()
    assert first.returncode == 0, first.stderr
    assert sorted(pod.tenant.uploads()) == sorted(pod.tenant.ids.values())
    report = pod.report()
    assert pod.numbers() == {"people": 4, "uploaded": 4}
    assert (report.exit_code, report.first_sync_completed) == (0, True)
    assert (report.run.id, report.run.job) == (JOB, f"pisync-acme-{JOB}")
    assert pod.told().run == report.run
    assert {(line["run"], line["job"]) for line in lines(first.stderr)} == {(JOB, report.run.job)}
    assert report.state
    assert (report.state.id, report.state.people) == (str(STATE), 4)
    assert pod.holder() is None
    pod.tenant.highq.reset_audit()

    second = pod.run("another-job")
    assert second.returncode == 0, second.stderr
    assert pod.tenant.avatar_calls() == []
    assert pod.numbers() == {"people": 4, "unchanged": 4}

    ada = pod.tenant.guids["ada.brook"]
    pod.tenant.administrator.set_photo(ada, "thumbnailPhoto", (picture("AB", 99),))
    assert pod.run().returncode == 0
    assert pod.tenant.uploads() == [pod.tenant.ids["ada.brook"]]


def test_names_are_for_few_eyes_and_secrets_for_none(pod: Pod, tmp_path: Path) -> None:
    """People's addresses stand in a Secret; passwords, tokens and pictures nowhere but where they belong.

    Whatever HighQ says, and with all libraries at debug level, which no setting of ours makes them.
    """
    pod.tenant.add_people([ordinary("Eve Field", 9, highq=None)], first_id=50)
    highq, ids = pod.tenant.highq, pod.tenant.ids
    for account, status in (("ada.brook", 500), ("ben.castle", 401), ("cleo.dale", 400)):
        highq.fail_next("upload", "echo", status=status, user_id=ids[account])
    command = [*AT_DEBUG_LEVEL, *pod.command()[len(COMMAND) :]]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=pod.variables(JOB),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_for("HighQ to be asked", lambda: highq.audit(operation="list"))
        left = proc_of(process.pid)
        output, errors = process.communicate(timeout=300)
    assert pod.numbers()["uploaded"] == 2, errors
    assert LOUD in errors
    left |= {"its log": output + errors, "its message": pod.termination.read_bytes()}
    for body in json.loads(pod.worker.kubectl("get", KINDS, "--output=json"))["items"]:
        left[f"{body['kind']} {body['metadata']['name']}"] = json.dumps(body).encode()
    people = pod.worker.get("secret", "pisync-acme-people")["data"]["people.json"]
    assert "eve.field@firm.example" in base64.b64decode(people).decode()
    tokens = json.loads(base64.b64decode(_tokens_of(left.pop("Secret pisync-token-highq-oauth"))))
    hidden = [value for values in pod.tenant.secrets.values() for value in values.values()]
    hidden = [value for value in hidden if len(value) > 4]
    hidden += [tokens["access_token"], tokens["refresh_token"]]
    sent = highq.picture(ids["ada.brook"])
    assert sent
    secrets = {f"secret {number}": value.encode() for number, value in enumerate(hidden)}
    planted = Planted(secrets | {"a picture": sent[400:430]})
    assert len(left) >= 10
    assert planted.found_in(left) == set()
    assert "eve.field" not in errors.decode() + pod.report().model_dump_json()
    assert all(line["level"] for line in lines(errors.decode()))


def _tokens_of(secret: bytes) -> str:
    return str(json.loads(secret)["data"]["tokens"])


def test_handled_requests_are_remembered_with_the_state(pod: Pod) -> None:
    """A re-created resource must not run again for a request that was served."""
    pod.environment = pod.worker.variables(pod.tenant.spec, JOB, requests=("r1", "r2"))
    assert pod.run().returncode == 0
    assert pod.header().handled_requests == ("r1", "r2")
    assert pod.report().run.request == "r2"


def test_a_dry_run_writes_a_report_and_no_state(pod: Pod) -> None:
    """Neither hash nor header; HighQ is only read."""
    before = pod.worker.get("configmap", "pisync-acme-state")
    assert pod.run(dryRun=True).returncode == 0
    assert pod.tenant.avatar_calls() == []
    assert pod.worker.get("configmap", "pisync-acme-state") == before
    assert "DryRun" in pod.report().model_dump_json()


def test_a_second_run_beside_the_first_steps_back(pod: Pod) -> None:
    """No report: it would hide the other run's. No failure either: its pod's message says Busy."""
    config = LeaseConfig(lambda: datetime.now(UTC), time.monotonic, renew_seconds=0.5)
    lease = pod.worker.lease("pisync-acme", "other-job", config)
    with lease.held(threading.Event()):
        ran = pod.run()
        assert pod.holder() == "other-job"
    assert ran.returncode == 0, ran.stderr
    assert "other-job" in ran.stderr
    told = pod.told()
    assert (told.run.outcome, told.reason, told.exit_code) == (Outcome.BUSY, "Busy", 0)
    assert "other-job" in told.message
    assert pod.report() == NO_REPORT
    assert pod.tenant.highq.audit() == []


def wrong_password(pod: Pod) -> None:
    """Somebody changed the account."""
    pod.tenant.secrets["ad-bind"]["password"] = "Wrong.horse.1"


def missing_key(pod: Pod) -> None:
    """Leave a key out of the Secret: the kubelet mounts what there is."""
    del pod.tenant.secrets["ad-bind"]["password"]


def nobody_serves(pod: Pod) -> None:
    """No domain controller is up."""
    pod.tenant.spec["activeDirectory"]["servers"] = ["ldaps://127.0.0.1:9"]


def strange_host(pod: Pod) -> None:
    """Allow the hosts of HighQ only, as the chart does."""
    pod.environment = pod.worker.variables(
        pod.tenant.spec, JOB, allow=Allow(highq_hosts=("*.highq.com",))
    )


def no_lease(pod: Pod) -> None:
    """Somebody removed the Lease."""
    pod.worker.kubectl("delete", "lease", "pisync-acme")


def no_state(pod: Pod) -> None:
    """Somebody removed the header."""
    pod.worker.kubectl("delete", "configmap", "pisync-acme-state")


def other_state(pod: Pod) -> None:
    """Somebody restored another state."""
    header = pod.header().model_dump(mode="json", by_alias=True)
    header["id"] = "11111111-1111-1111-1111-111111111111"
    patch = json.dumps({"data": {"header": json.dumps(header)}})
    pod.worker.kubectl("patch", "configmap", "pisync-acme-state", "--type=merge", "-p", patch)


def no_token_secret(pod: Pod) -> None:
    """Somebody removed the tokens."""
    pod.worker.kubectl("delete", "secret", "pisync-token-highq-oauth")


@pytest.mark.parametrize(
    ("spoil", "exit_code", "reason", "words"),
    [
        (wrong_password, 20, "BindRefused", "Secret"),
        (missing_key, 20, "MissingReference", "ad-bind, key password: is not there"),
        (strange_host, 20, "HostNotAllowed", "spec.highq.url: the host 127.0.0.1"),
        (no_state, 20, "StateMissing", "pisync-acme-state* in namespace"),
        (other_state, 20, "StateMismatch", "11111111-"),
        (nobody_serves, 30, "DirectoryUnavailable", "ldaps://127.0.0.1:9"),
        (no_lease, 30, "StateUnavailable", "Lease pisync-acme in namespace"),
        (no_token_secret, 30, "StateUnavailable", "Secret pisync-token-highq-oauth in namespace"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_is_wrong_stands_in_the_report_and_in_the_exit_code(
    pod: Pod, spoil: Callable[[Pod], None], exit_code: int, reason: str, words: str
) -> None:
    """The report tells what and the remedy; the code tells Kubernetes whether another pod may help."""
    spoil(pod)
    ran = pod.run()
    report = pod.report()
    assert (ran.returncode, report.exit_code, report.reason) == (exit_code, exit_code, reason)
    assert words in report.message
    assert lines(ran.stderr)[-1]["reason"] == reason
    told = pod.told()
    assert (told.exit_code, told.reason) == (exit_code, reason)
    assert report.message.startswith(told.message)
    assert pod.tenant.avatar_calls() == []
    assert spoil is no_lease or pod.holder() is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({run_spec.RUN_SPEC_VARIABLE: ""}, "PROFILE_IMAGE_SYNC_ORDER is not set"),
        ({run_spec.JOB_UID_VARIABLE: ""}, "PROFILE_IMAGE_SYNC_JOB is not set"),
        (
            {run_spec.RUN_SPEC_VARIABLE: '{"name": "acme"}'},
            "cannot be read (namespace: Field required)",
        ),
    ],
)
def test_without_a_run_spec_there_is_one_line(
    pod: Pod, changes: Mapping[str, str], words: str
) -> None:
    """Nobody knows where to report to: exit code 20 and the log."""
    pod.environment = dict(changes)
    ran = pod.run()
    assert ran.returncode == 20
    assert len(ran.stderr.splitlines()) == 1
    assert words in ran.stderr


def test_an_api_server_that_is_away_is_worth_another_try(pod: Pod, tmp_path: Path) -> None:
    """Exit code 30, no traceback; nobody's directory or HighQ was asked."""
    config = json.loads(pod.worker.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "elsewhere").write_text(json.dumps(config))
    pod.environment = {"KUBECONFIG": str(tmp_path / "elsewhere")}
    ran = pod.run()
    assert ran.returncode == 30
    assert lines(ran.stderr)[-1]["reason"] == "ApiUnavailable"
    assert "cannot be reached (" in lines(ran.stderr)[-1]["detail"]
    assert pod.tenant.highq.audit() == []


def test_a_run_that_lost_its_rights_says_so_in_its_pod(pod: Pod) -> None:
    """Somebody removed the RoleBinding: there is no report, but the termination message needs no right."""
    pod.worker.kubectl("delete", "rolebinding", "pisync-acme")
    ran = pod.run()
    told = pod.told()
    assert (ran.returncode, told.exit_code, told.reason) == (30, 30, "ApiForbidden")
    assert "Lease pisync-acme in namespace" in told.message
    assert pod.report() == NO_REPORT
    assert pod.tenant.highq.audit() == []


def test_a_run_without_a_change_asks_the_api_server_little(pod: Pod) -> None:
    """A thousand tenants every quarter of an hour: each request counts, HighQ's too; somebody waits."""
    pod.tenant.add_people([ordinary("Eve Field", 9, highq=None)], first_id=50)
    assert pod.run().returncode == 0
    pod.tenant.highq.reset_audit()
    since = datetime.now(UTC)
    assert pod.run().returncode == 0
    assert pod.report().full_sweep == ""
    assert pod.numbers() == {"people": 5, "unchanged": 4, "unmatched": 1}
    assert len(pod.tenant.highq.audit()) == 1
    user = f"system:serviceaccount:{pod.worker.namespace}:pisync-acme"
    log = pod.worker.control_plane.audit_log
    asked = read_audit_log(log, user, since, datetime.now(UTC))
    assert len(asked) <= 10, [f"{each.verb} {each.resource} {each.name}" for each in asked]


@pytest.fixture
def firm(pod: Pod) -> Pod:
    """Give a pod with a hundred people more, who take a while."""
    photo = picture("XX", 5, 64)
    people = [
        ordinary(f"Person {n:03d}", n, photos={"thumbnailPhoto": (photo + bytes([n]),)})
        for n in range(100)
    ]
    pod.tenant.add_people(people, first_id=100)
    pod.tenant.highq.knobs(latency=0.25)
    return pod


def test_a_run_under_way_says_how_far_it_is(firm: Pod) -> None:
    """From the plan on, before the first upload is through: the resource is not dead, it works."""
    firm.tenant.highq.knobs(latency=1)
    with firm.running() as process:
        wait_for("an interim report", lambda: firm.report() != NO_REPORT)
        run = firm.report().run
        process.kill()
    assert (run.completion_time, run.outcome) == (None, None)
    assert run.people == len(firm.tenant.ids)
    assert run.uploaded + run.to_upload == len(firm.tenant.ids)
    firm.tenant.highq.knobs(latency=0)
    assert firm.run().returncode == 0
    ended = firm.report().run
    assert ended.start_time == run.start_time  # of the Job's first pod: it is one run
    assert ended.completion_time


def test_a_run_that_is_asked_to_stop_repeats_nothing(firm: Pod) -> None:
    """SIGTERM: what HighQ took is recorded, a report is left, the Lease given back, exit code 30."""
    with firm.running() as process:
        wait_for("uploads", lambda: len(firm.tenant.highq.uploads()) >= 20)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 30
    assert firm.report().reason == "Interrupted"
    assert firm.numbers()["uploaded"] == len(firm.tenant.uploads())
    assert firm.holder() is None
    firm.tenant.highq.knobs(latency=0)
    assert firm.run().returncode == 0
    assert sorted(firm.tenant.uploads()) == sorted(firm.tenant.ids.values())


def test_a_killed_run_is_taken_up_by_the_next_pod_of_its_job(firm: Pod) -> None:
    """The Lease is still the Job's: no waiting, and at most some seconds' uploads are repeated."""
    firm.tenant.highq.knobs(latency=5)  # the run goes on for long after the first shard is written
    shard = ("get", "configmap", "pisync-acme-state-000", "--ignore-not-found", "--output=name")
    with firm.running() as process:
        wait_for("a recorded upload", lambda: firm.worker.kubectl(*shard))
        process.kill()
    uploaded = set(firm.tenant.uploads())
    assert firm.holder() == JOB
    firm.tenant.highq.knobs(latency=0)
    firm.tenant.highq.reset_audit()
    ran = firm.run()
    assert ran.returncode == 0, ran.stderr
    again = firm.tenant.uploads()
    assert uploaded | set(again) == set(firm.tenant.ids.values())
    assert len(again) < len(firm.tenant.ids)  # what was flushed is not sent again


TAKEN = '-p={"spec":{"holderIdentity":"other-job"}}'


def test_a_run_that_loses_its_lease_stops_and_leaves_the_rest_to_the_other(firm: Pod) -> None:
    """Noticed at the next renewal: exit code 30, most people are not served, and no last report."""
    firm.tenant.highq.knobs(latency=2)
    with firm.running() as process:
        wait_for("uploads", lambda: len(firm.tenant.highq.uploads()) >= 4)
        firm.worker.kubectl("patch", "lease", "pisync-acme", "--type=merge", TAKEN)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 30
    assert lines(errors)[-1]["reason"] == "StateUnavailable"
    assert "no longer this run's" in lines(errors)[-1]["detail"]
    assert len(firm.tenant.uploads()) < 50
    assert firm.holder() == "other-job"
    assert firm.report().run.completion_time is None
    assert firm.told().reason == "StateUnavailable"


def test_two_resources_of_one_authorisation_refresh_once(
    pod: Pod, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Both start with a seed that HighQ takes once: the second takes the first one's pair over."""
    (tmp_path / "beta").mkdir()
    beta = WorkerEnvironment.create(
        control_plane, tmp_path / "beta", pod.worker.namespace, resource="beta"
    )
    pods = [pod, Pod(pod.tenant, beta)]
    with ExitStack() as stack:
        stack.callback(beta.close)
        runs = [
            stack.enter_context(each.running(f"job-{number}")) for number, each in enumerate(pods)
        ]
        ended = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended
    assert len(pod.tenant.highq.audit(operation="token")) == 1
    assert len(pod.tenant.uploads()) == 2 * len(NAMES)


def test_a_keep_alive_renews_the_authorisation_and_touches_nothing_else(pod: Pod) -> None:
    """No directory, no user list, no state: only a token pair, and a report that says when it expires."""
    pod.run()
    pod.tenant.highq.reset_audit()
    before = pod.header()
    pod.environment = pod.worker.variables(
        merged(pod.tenant.spec, {"activeDirectory": {"servers": ["ldaps://nobody.invalid"]}}),
        JOB,
        trigger=Trigger.KEEP_ALIVE,
    )
    run = pod.run()
    assert run.returncode == 0, run.stderr
    assert [entry.operation for entry in pod.tenant.highq.audit()] == ["token"]
    assert pod.header() == before
    report = pod.report()
    assert (report.run.trigger, report.run.outcome) == (Trigger.KEEP_ALIVE, Outcome.SUCCEEDED)
    assert report.highq_token_expiry
    assert report.highq_token_expiry > datetime.now(UTC) + timedelta(days=360)


def test_a_run_goes_through_the_proxy_of_the_spec(pod: Pod, tmp_path: Path) -> None:
    """With the credentials from its Secret, mounted as the others are."""
    secret = pod.worker.folder / "mounts" / "secrets" / "proxy"
    secret.mkdir(parents=True)
    (secret / "username").write_text(USERNAME)
    (secret / "password").write_text(PASSWORD)
    with tinyproxy(tmp_path, password=True) as proxy:
        reference = {"url": proxy.url, "credentialsSecretRef": {"name": "proxy"}}
        run = pod.run(highq=pod.tenant.spec["highq"] | {"proxy": reference})
        assert run.returncode == 0, run.stderr
        assert len(pod.tenant.uploads()) == len(NAMES)
        assert proxy.requests()
