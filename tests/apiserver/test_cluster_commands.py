"""`status`, `run`, `acknowledge`, `people`, `logs` and the plugin, through their real process.

Against a real API server and the operator's own statuses. There is no kubelet: a test plays it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync import names
from profile_image_sync.api.report import ListedPerson, PeopleKind, PeopleLists, Report
from profile_image_sync.api.status import Brake, Outcome, Run
from profile_image_sync.cluster.overview import OPERATORS
from profile_image_sync.local.authorize import secret_manifest
from testkit.control_plane import ControlPlane, run_control_plane
from testkit.waiting import wait_for
from tests.support.operator import Body, OperatorEnvironment, install_crd, running_operator
from tests.unit.cli.command import CommandResult, command

ROOT = Path(__file__).parents[2]
BRAKE = Brake(id="3f9a2c71", reason="MassChange", message="80 of 100 pictures changed")
PLUGIN = Path(sys.executable).with_name("kubectl-pisync")


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane of this file's own: a test of it takes the CRD away."""
    with run_control_plane(tmp_path_factory.mktemp("commands") / "data") as running:
        yield running


@pytest.fixture
def served(control_plane: ControlPlane) -> Iterator[OperatorEnvironment]:
    """Give a namespace that an operator serves."""
    install_crd(control_plane)
    tenant = OperatorEnvironment(control_plane)
    with running_operator(control_plane.kubeconfig, namespaces=(tenant.namespace,)):
        yield tenant


def called(tenant: OperatorEnvironment, *arguments: str) -> CommandResult:
    """Run a command in the tenant's namespace, as the administrator."""
    kubeconfig = str(tenant.control_plane.kubeconfig)
    return command(*arguments, "--namespace", tenant.namespace, KUBECONFIG=kubeconfig)


def begun(tenant: OperatorEnvironment, *arguments: str) -> subprocess.Popen[str]:
    """Start a command in the tenant's namespace, and go on."""
    environment = os.environ | {"KUBECONFIG": str(tenant.control_plane.kubeconfig)}
    return subprocess.Popen(
        [sys.executable, "-m", "profile_image_sync", *arguments, "--namespace", tenant.namespace],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def jobs_of(tenant: OperatorEnvironment, name: str) -> list[str]:
    """Return the names of a resource's Jobs, the newest last."""
    found = [each["metadata"] for each in tenant.items("jobs")]
    mine = [each for each in found if each["labels"][names.SYNC_LABEL] == name]
    return [each["name"] for each in sorted(mine, key=lambda each: each["creationTimestamp"])]


def end_job(
    tenant: OperatorEnvironment, job: str, outcome: Outcome, code: int = 0, **facts: Any
) -> None:
    """Play the kubelet: the Job's pod ended with this report."""
    now = datetime.now(UTC)
    times = {"start_time": now, "completion_time": now}
    name = job.rpartition("-")[2]
    run = Run(id=name, job=job, outcome=outcome, generation=1, people=100, unmatched=9, **times)
    pod = wait_for("a pod", lambda: tenant.pod(job), 120)
    tenant.end_pod(pod, Report(run=run, exit_code=code, **facts))


def braked(tenant: OperatorEnvironment, name: str = "acme") -> str:
    """Apply a resource whose first run a brake stops; return the Job."""
    tenant.apply(name=name)
    job = wait_for("the first Job", lambda: jobs_of(tenant, name), 120)[0]
    facts = {"reason": "BrakeTripped", "message": "80 of 100 pictures changed", "brake": BRAKE}
    end_job(tenant, job, Outcome.FAILED, 20, **facts)
    told = ("True", "BrakeTripped")
    wait_for("it waits for a person", lambda: tenant.condition("Stalled", name) == told, 120)
    return job


def resource(tenant: OperatorEnvironment, name: str = "acme") -> Body:
    """Return the resource."""
    found = tenant.get(names.PLURAL, name)
    assert found
    return found


def test_status_tells_what_waits_for_a_person_and_the_command_goes_on(
    served: OperatorEnvironment,
) -> None:
    """A healthy resource and one behind a brake; the printed command starts its next run."""
    served.apply(name="calm")
    first = wait_for("the first Job", lambda: jobs_of(served, "calm"), 120)[0]
    end_job(served, first, Outcome.SUCCEEDED)
    wait_for("it is ready", lambda: served.condition("Ready", "calm")[0] == "True", 120)
    braked(served)

    shown = called(served, "status")
    assert (shown.exit_code, shown.errors) == (0, "")
    lines = shown.output.splitlines()
    assert lines[0].startswith("NAMESPACE ")
    assert lines[1].split()[1:4] == ["acme", "False", "Failed"]
    assert lines[1].split()[-1] == "BrakeTripped"
    assert lines[2].split()[1:4] == ["calm", "True", "Succeeded"]
    assert lines[2].split()[-1] == "9"  # not served, and nothing waits
    acme, calm = json.loads(called(served, "status", "--output", "json").output)
    assert (calm["waitsForYou"], calm["notServed"], calm["outcome"]) == (None, 9, "Succeeded")
    waits = acme["waitsForYou"]
    assert waits["message"].startswith("80 of 100 pictures changed")
    assert f"  {waits['command']}" in lines

    program, *arguments = shlex.split(waits["command"])
    assert program == "profile-image-sync"
    done = command(*arguments, KUBECONFIG=str(served.control_plane.kubeconfig))
    assert (done.exit_code, done.errors) == (0, "")
    wait_for("a run starts", lambda: len(jobs_of(served, "acme")) == 2, 120)
    everywhere = command("status", "-A", KUBECONFIG=str(served.control_plane.kubeconfig))
    assert [served.namespace, "acme"] in [
        line.split()[:2] for line in everywhere.output.splitlines()
    ]


def test_acknowledge_shows_asks_and_refuses_what_is_unknown(served: OperatorEnvironment) -> None:
    """Nothing is changed before a yes, or the right id."""
    braked(served)
    unknown = called(served, "acknowledge", "acme", "3f9a2c72")
    assert unknown.exit_code == 20
    assert unknown.errors == (
        f"UnknownAcknowledgement: 3f9a2c72 is not known to ProfileImageSync acme in namespace "
        f"{served.namespace}: what waits is 3f9a2c71\n"
    )
    piped = called(served, "acknowledge", "acme")
    assert piped.exit_code == 1
    assert "3f9a2c71: MassChange: 80 of 100 pictures changed" in piped.output
    assert "Nothing is changed: profile-image-sync acknowledge acme 3f9a2c71" in piped.errors
    assert names.ACKNOWLEDGE_ANNOTATION not in resource(served)["metadata"].get("annotations", {})

    assert _at_a_terminal(served, "n\n") == 1
    assert names.ACKNOWLEDGE_ANNOTATION not in resource(served)["metadata"].get("annotations", {})
    assert _at_a_terminal(served, "y\n") == 0
    assert resource(served)["metadata"]["annotations"][names.ACKNOWLEDGE_ANNOTATION] == BRAKE.id


def _at_a_terminal(tenant: OperatorEnvironment, answer: str) -> int:
    """Type an answer to `acknowledge acme`; return the exit code."""
    master, slave = os.openpty()
    try:
        os.write(master, answer.encode())
        environment = os.environ | {"KUBECONFIG": str(tenant.control_plane.kubeconfig)}
        arguments = ("acknowledge", "acme", "-n", tenant.namespace)
        return subprocess.run(
            [sys.executable, "-m", "profile_image_sync", *arguments],
            env=environment, stdin=slave, capture_output=True, check=False,
        ).returncode  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("outcome", "worker_code", "facts", "code"),
    [
        (Outcome.SUCCEEDED, 0, {}, 0),
        (Outcome.FAILED, 20, {"reason": "BindRefused", "message": "error 49"}, 20),
        (Outcome.FAILED, 30, {"reason": "HighQUnavailable", "message": "gone"}, 30),
    ],
    ids=["succeeded", "a person must act", "again later"],
)
def test_run_waits_for_its_own_run_and_has_its_exit_code(
    served: OperatorEnvironment, outcome: Outcome, worker_code: int, facts: Any, code: int
) -> None:
    """Of a suspended resource, too."""
    served.apply({"suspend": True, "job": {"backoffLimit": 0}})
    wait_for("it is looked at", lambda: served.condition("Ready")[0] == "True", 120)
    waiting = begun(served, "run", "acme", "--wait", "--timeout", "5m")
    job = wait_for("its Job", lambda: jobs_of(served, "acme"), 120)[0]
    end_job(served, job, outcome, worker_code, **facts)
    output, errors = waiting.communicate(timeout=300)
    assert waiting.returncode == code, errors
    assert f"asked for a run of {served.namespace}/acme: request 2" in output
    assert f"{outcome}: 0 uploaded" in errors
    assert ("go on with: profile-image-sync logs acme" in errors) is (code == 20)
    request = resource(served)["metadata"]["annotations"][names.RUN_REQUEST_ANNOTATION]
    assert request in output


def test_a_run_that_takes_longer_than_the_timeout_goes_on(served: OperatorEnvironment) -> None:
    """The command says so and ends with 30."""
    served.apply({"suspend": True})
    late = called(served, "run", "acme", "--wait", "--timeout", "0s")
    assert late.exit_code == 30
    assert "NotDoneYet: the run has not ended within 0 s: it goes on" in late.errors
    wait_for("its Job", lambda: jobs_of(served, "acme"), 120)
    wrong = called(served, "run", "acme", "--wait", "--timeout", "soon")
    assert (wrong.exit_code, wrong.errors.splitlines()[-1]) == (
        2,
        "Error: Invalid value: --timeout soon: give a duration such as 30m",
    )


def test_people_are_listed_with_reason_and_remedy(served: OperatorEnvironment) -> None:
    """As a table, JSON and CSV; no name controls the terminal or a spreadsheet."""
    served.apply({"suspend": True})
    wait_for("its Secret", lambda: served.get("secret", "pisync-acme-people"), 120)
    none = called(served, "people", "acme")
    assert (none.exit_code, none.output) == (20, "")
    assert none.errors.startswith("NoLists: no run of ProfileImageSync acme")

    eve = ListedPerson(guid="g-1", label="eve\x1b[2J@corp.example", reason="TooSmall", detail="48")
    sum_ = ListedPerson(guid="g-2", label="=SUM(A1)", reason="NoUser", detail="make one")
    lists = PeopleLists(run="r", people={PeopleKind.REFUSED: (eve,), PeopleKind.UNMATCHED: (sum_,)})
    data = b64encode(lists.model_dump_json(by_alias=True).encode()).decode()
    patch = json.dumps({"data": {names.PEOPLE_KEY: data}})
    served.kubectl("patch", "secret", "pisync-acme-people", "--patch", patch)

    table = called(served, "people", "acme")
    assert (table.exit_code, table.errors) == (0, "")
    assert table.output.splitlines()[1].split() == [
        "refused",
        r"eve\x1b[2J@corp.example",
        "TooSmall",
        "48",
        "g-1",
    ]
    document = json.loads(called(served, "people", "acme", "-o", "json").output)
    assert document["people"][0]["person"] == "eve\x1b[2J@corp.example"
    rows = list(csv.DictReader(called(served, "people", "acme", "-o", "csv").output.splitlines()))
    assert rows[1]["person"] == "'=SUM(A1)"
    assert "\x1b" not in called(served, "people", "acme", "-o", "csv").output


def test_logs_of_runs_without_a_pod_say_where_else_to_look(served: OperatorEnvironment) -> None:
    """Pods go with their Jobs."""
    served.apply({"suspend": True})
    gone = called(served, "logs", "acme")
    assert gone.exit_code == 20
    assert gone.errors.startswith("NoPod: there is no pod of a run of acme in namespace")
    other = called(served, "logs", "acme", "--run", "5d0c11ae")
    assert other.errors.startswith("NoPod: there is no pod of run 5d0c11ae of acme")


def test_what_kubectl_is_told_to_do_by_messages_can_be_done(served: OperatorEnvironment) -> None:
    """Looking at a Job, its pod and the resource; acknowledging; removing the rest of a state."""
    job = braked(served)
    for arguments in (
        ("describe", "job", job),
        ("describe", "pod", served.items("pods")[0]["metadata"]["name"]),
        ("describe", "profileimagesync", "acme"),
    ):
        assert job in served.kubectl(*arguments)
    served.kubectl(*shlex.split(OPERATORS)[1:])
    acknowledged = f"{names.ACKNOWLEDGE_ANNOTATION}={BRAKE.id}"
    served.kubectl("annotate", "profileimagesync", "acme", "--overwrite", acknowledged)
    second = wait_for("a run", lambda: jobs_of(served, "acme")[1:], 120)[0]
    end_job(served, second, Outcome.SUCCEEDED)
    wait_for("it is ready", lambda: served.condition("Ready")[0] == "True", 120)

    labels = f"{names.SYNC_LABEL}=acme,{names.COMPONENT_LABEL}=state"
    made = {"kind": "ConfigMap", "apiVersion": "v1", "data": {}}
    shard = {"name": names.shard("acme", 0), "labels": names.labels("acme", "state")}
    served.kubectl("create", "-f", "-", text=json.dumps(made | {"metadata": shard}))
    served.kubectl("delete", "configmap", names.state("acme"))

    def told() -> str:
        conditions = served.status()["conditions"]
        stalled = next(each for each in conditions if each["type"] == "Stalled")
        return str(stalled["message"]) if stalled["reason"] == "StateMissing" else ""

    quoted = f"kubectl delete configmap --selector={labels}"
    wait_for("the way out is told", lambda: quoted in told(), 120)
    served.kubectl(*shlex.split(quoted)[1:])
    wait_for("nothing is left to remove", lambda: quoted not in told(), 120)
    secret = secret_manifest("highq-oauth", {"clientId": "12", "clientSecret": "s"})
    served.kubectl("apply", "-f", "-", text=secret)
    assert served.get("secret", "highq-oauth")


READS = [("status",), ("people", "acme"), ("logs", "acme"), ("state", "list")]
WRITES = [("run", "acme"), ("acknowledge", "acme", "3f9a2c71")]


@pytest.mark.parametrize("arguments", [*READS, *WRITES], ids=" ".join)
def test_a_missing_right_is_one_line(
    served: OperatorEnvironment, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """It names the object, and what is missing."""
    served.apply({"suspend": True})
    kubeconfig = _kubeconfig(served, tmp_path, served.kubectl("create", "token", "default"))
    refused = command(*arguments, "-n", served.namespace, KUBECONFIG=kubeconfig)
    assert (refused.exit_code, refused.output) == (30, "")
    assert refused.errors.startswith("ApiForbidden: ")
    assert "a Role or its binding is missing" in refused.errors
    assert len(refused.errors.splitlines()) == 1


def _kubeconfig(tenant: OperatorEnvironment, folder: Path, token: str) -> str:
    config = json.loads(tenant.control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token.strip()}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


def test_the_documented_rights_are_enough(served: OperatorEnvironment, tmp_path: Path) -> None:
    """Of docs/at-a-terminal.md: no command is refused, but for what is not there."""
    braked(served)
    page = (ROOT / "docs" / "at-a-terminal.md").read_text()
    (role,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    served.kubectl("apply", "-f", "-", text=role)
    served.kubectl("create", "serviceaccount", "caretaker")
    who = (
        "--clusterrole=profile-image-sync-caretaker",
        f"--serviceaccount={served.namespace}:caretaker",
    )
    served.kubectl("create", "rolebinding", "caretaker", *who)
    kubeconfig = _kubeconfig(served, tmp_path, served.kubectl("create", "token", "caretaker"))
    target = ("--in-cluster", f"{served.namespace}/acme")
    for arguments in (
        *((*each, "-n", served.namespace) for each in [*READS, *WRITES]),
        ("state", "verify", *target),
        ("state", "forget", str(UUID(int=1)), *target),
    ):
        done = command(*arguments, KUBECONFIG=kubeconfig)
        assert "ApiForbidden" not in done.errors, done.errors
        assert done.exit_code != 30, done.errors


@pytest.mark.parametrize("arguments", [*READS[1:3], *WRITES], ids=" ".join)
def test_a_resource_that_is_not_there_is_one_line(
    served: OperatorEnvironment, arguments: tuple[str, ...]
) -> None:
    """With the command that lists those that are."""
    verb, _, *rest = arguments
    missing = called(served, verb, "akme", *rest)
    assert (missing.exit_code, missing.output) == (20, "")
    assert len(missing.errors.splitlines()) == 1
    assert "profile-image-sync status" in missing.errors


def test_a_cluster_without_the_crd_is_one_line(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Another cluster than the one that was meant; and so is none at all."""
    crd = f"{names.PLURAL}.{names.GROUP}"
    kubectl = [str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig}"]
    subprocess.run([*kubectl, "delete", "crd", crd, "--ignore-not-found"], check=True)
    for arguments in (("status", "-A"), ("state", "list")):
        other = command(*arguments, KUBECONFIG=str(control_plane.kubeconfig))
        assert other.exit_code == 20
        assert other.errors.startswith(f"NoSuchResource: this cluster has no {crd}: install")
    none = command("status", "--context", "x", KUBECONFIG=str(control_plane.kubeconfig))
    assert none.errors.startswith("ApiUnavailable: no cluster to talk to (")
    assert len(none.errors.splitlines()) == 1
    broken = tmp_path / "kubeconfig"
    broken.write_text("users: [\n")
    unread = command("status", KUBECONFIG=str(broken))
    assert (unread.exit_code, len(unread.errors.splitlines())) == (30, 1)
    assert unread.errors.startswith("ApiUnavailable: no cluster to talk to (")


def test_the_executable_beside_the_command_is_kubectls_plugin(served: OperatorEnvironment) -> None:
    """`kubectl pisync` finds it on the PATH; help, hints and printed commands then say so."""
    served.apply({"suspend": True})
    braked(served, "globex")

    def kubectl(*arguments: str) -> CommandResult:
        plane = served.control_plane
        variables = {
            "PATH": os.pathsep.join([str(PLUGIN.parent), os.environ["PATH"]]),
            "KUBECONFIG": str(plane.kubeconfig),
        }
        done = subprocess.run(
            [str(plane.kubectl), "pisync", *arguments],
            env=os.environ | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr)

    shown = kubectl("status", "-n", served.namespace)
    assert (shown.exit_code, shown.errors) == (0, "")
    assert "\n  kubectl pisync acknowledge globex 3f9a2c71" in shown.output
    usage = kubectl("state", "list", "--help").output
    assert usage.startswith("Usage: kubectl pisync state list")
    assert "    kubectl pisync state list --all-namespaces" in usage
    assert "profile-image-sync" not in usage
    assert "kubectl pisync status" in kubectl("run", "x", "-n", served.namespace).errors
    listed = kubectl("--version")
    assert listed.exit_code == 0


@pytest.mark.parametrize(
    ("words", "expected", "files"),
    [
        (("sta",), ["state", "status"], False),
        (("state", "re"), ["release", "resend"], False),
        (("status", "--all"), ["--all-namespaces"], False),
        (("plan", "--output", ""), ["csv", "json", "table"], False),
        (("check", "--file", ""), [], True),
    ],
    ids=["a command", "of a group", "an option", "a value", "a file"],
)
def test_kubectl_itself_completes_the_plugin(
    control_plane: ControlPlane, words: tuple[str, ...], expected: list[str], files: bool
) -> None:
    """On a press of Tab after `kubectl pisync …`, it asks the executable beside the plugin."""
    path = os.pathsep.join([str(PLUGIN.parent), os.environ["PATH"]])
    asked = subprocess.run(
        [str(control_plane.kubectl), "__complete", "pisync", *words],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *found, directive = asked.stdout.splitlines()
    assert sorted(line.partition("\t")[0] for line in found) == expected
    assert all(line.partition("\t")[2] for line in found if words[-1])  # with a word of help
    assert (directive == ":0") is files
    assert "Traceback" not in asked.stderr
