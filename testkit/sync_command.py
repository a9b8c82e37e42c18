"""A tenant without a cluster: an organizational unit, a HighQ instance, and `profile-image-sync sync -f`.

Runs are real processes of the real command; what they leave is read back as `CommandResult`.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from testkit import pictures
from testkit.people import MAIL_DOMAIN, HighQUser, SamplePerson
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.schema import AuditEntry, UserSettings
from testkit.trial import highq_user

COMMAND = [sys.executable, "-m", "profile_image_sync"]


@dataclass(frozen=True)
class CommandResult:
    """What one run left: exit code, output, report and lists of people."""

    exit_code: int
    output: str
    errors: str
    report: dict[str, Any]
    people: dict[str, list[dict[str, str]]]

    @property
    def numbers(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {
            k: v
            for k, v in self.report["run"].items()
            if type(v) is int and v and k != "generation"
        }

    def listed(self, kind: str) -> dict[str, str]:
        """Label -> reason of one list."""
        return {person["label"]: person["reason"] for person in self.people.get(kind, [])}


@dataclass
class LocalTenant:
    """One customer; `sync()` writes the manifest and runs the command on it."""

    folder: Path
    directory: DomainController
    administrator: Administrator
    highq: Instance
    simulator: Simulator
    organizational_unit: str
    spec: dict[str, Any]
    guids: dict[str, UUID] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        folder: Path,
        directory: DomainController,
        administrator: Administrator,
        simulator: Simulator,
        organizational_unit: str,
    ) -> LocalTenant:
        """Create a tenant without people."""
        highq = simulator.create_instance()
        spec = {
            "mode": "Continuous",
            "schedule": "@hourly",
            "activeDirectory": {
                "servers": [directory.url],
                "searchBases": [organizational_unit],
                "credentialsSecretRef": {"name": "ad-bind"},
                "caBundleRef": {"name": "directory-ca"},
            },
            "highq": {
                "url": highq.url,
                "credentialsSecretRef": {"name": "highq-oauth"},
                "caBundleRef": {"name": "highq-ca"},
            },
        }
        tenant = cls(folder, directory, administrator, highq, simulator, organizational_unit, spec)
        client = highq.credentials
        tenant.secrets = {
            "ad-bind": {"username": directory.bind_user, "password": directory.bind_password},
            "highq-oauth": {
                "clientId": client.client_id,
                "clientSecret": client.client_secret,
                "refreshToken": client.refresh_token,
            },
        }
        return tenant

    @property
    def state(self) -> Path:
        """The folder of the state."""
        return self.folder / "state"

    def add_people(self, people: Iterable[SamplePerson], first_id: int = 1) -> None:
        """Add people to the directory and, where `highq` says so, to HighQ."""
        guids, ids = add_people(
            self.administrator, self.highq, self.organizational_unit, people, first_id
        )
        self.guids |= guids
        self.ids |= ids

    def sync(self, *options: str, **changes: Any) -> CommandResult:
        """Run the command; `changes` are top-level fields of the spec, merged for this run only."""
        return self.run_command(self.command(*options, **changes))

    def run_command(self, command: list[str]) -> CommandResult:
        """Run a command and read what it left behind."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        return self.read_result(done.returncode, done.stdout, done.stderr)

    def read_result(self, exit_code: int, output: str = "", errors: str = "") -> CommandResult:
        """Read what a run left behind; whatever it was, it called nothing in HighQ but what a sync calls."""
        assert self.highq.foreign_calls() == []
        report, people = self._left_behind()
        return CommandResult(
            exit_code,
            output,
            errors,
            json.loads(report.read_text()) if report.exists() else {},
            json.loads(people.read_text())["people"] if people.exists() else {},
        )

    def command(self, *options: str, **changes: Any) -> list[str]:
        """Write the manifest, remove the report of an earlier run, and return the command."""
        report, _ = self._left_behind()  # the lists are carried over from run to run
        report.unlink(missing_ok=True)
        manifest = self.folder / "tenant.yaml"
        manifest.write_text(yaml.safe_dump_all(self.documents(merged(self.spec, changes))))
        return [*COMMAND, "sync", "-f", str(manifest), "--state", str(self.state), *options]

    def _left_behind(self) -> tuple[Path, Path]:
        return self.state / "report.json", self.state / "people.json"

    def documents(self, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the manifest: the resource and everything it refers to."""
        resource = {
            "apiVersion": "profileimagesync.io/v1alpha1",
            "kind": "ProfileImageSync",
            "metadata": {"name": "acme"},
            "spec": dict(spec),
        }
        assert self.simulator.ca_file
        bundles = {"directory-ca": self.directory.ca_file, "highq-ca": self.simulator.ca_file}
        return [
            resource,
            *(_secret(name, values) for name, values in self.secrets.items()),
            *(_config_map(name, {"ca.crt": path.read_text()}) for name, path in bundles.items()),
        ]

    def avatar_calls(self) -> list[AuditEntry]:
        """Every call about a picture since the audit was reset, taken or not."""
        return [
            call
            for call in self.highq.audit()
            if "avatar" in call.path or "profileimage" in call.path
        ]

    def uploads(self) -> list[int]:
        """Return the users whose picture HighQ took since the audit was reset, in order."""
        return [call.user_id for call in self.highq.uploads() if call.user_id is not None]


def add_people(
    administrator: Administrator,
    highq: Instance,
    organizational_unit: str,
    people: Iterable[SamplePerson],
    first_id: int = 1,
) -> tuple[dict[str, UUID], dict[str, int]]:
    """Add people to the directory and, where `highq` says so, to HighQ; return GUIDs and ids by account."""
    guids, ids, users = {}, {}, []
    for number, person in enumerate(people, first_id):
        guids[person.account] = administrator.add_sample_person(person, organizational_unit)
        if person.highq:
            ids[person.account] = number
            users.append(highq_user(person, number))
    highq.add_users(users)
    return guids, ids


def ordinary(name: str, seed: int, **changes: Any) -> SamplePerson:
    """Invent someone with a picture and an account."""
    account = name.lower().replace(" ", ".")
    mail = f"{account}@{MAIL_DOMAIN}"
    initials = "".join(word[0] for word in name.split())
    facts: dict[str, Any] = {
        "name": name,
        "account": account,
        "mail": mail,
        "upn": f"{account}@ad.test",
        "photos": {"thumbnailPhoto": (picture(initials, seed),)},
        "highq": HighQUser(mail),
    }
    return SamplePerson(**facts | changes)


def user(email: str, number: int) -> UserSettings:
    """Invent a HighQ user."""
    return UserSettings(id=number, firstname="A", lastname="User", email=email)


def picture(initials: str, seed: int, side: int = 120) -> bytes:
    """Draw a small portrait."""
    return pictures.jpeg(pictures.portrait(initials, seed, side, side))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested fields; None removes one."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def _secret(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def _config_map(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}
