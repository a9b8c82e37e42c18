"""A tenant that needs neither root nor containers: a directory in a file and a HighQ, both real servers.

`make try` shows it to people; the tests of the commands run them on it.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testkit.certificates import CertificateAuthority
from testkit.file_directory import to_attributes, write_people
from testkit.people import SamplePerson
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.schema import UserSettings

BIND_PASSWORD = "correct-Horse-7"  # of a throw-away server


@dataclass
class Trial:
    """A folder with a manifest, the file of the people, and the command that runs on them."""

    folder: Path
    directory_url: str
    directory_ca: Path
    highq: Instance
    highq_ca: Path
    spec: dict[str, Any] = field(default_factory=dict)
    people: dict[str, SamplePerson] = field(default_factory=dict)  # by account
    ids: dict[str, int] = field(default_factory=dict)  # of HighQ users, by account

    @property
    def manifest(self) -> Path:
        """The file that `-f` takes."""
        return self.folder / "tenant.yaml"

    @property
    def state(self) -> Path:
        """The folder that `--state` takes."""
        return self.folder / "state"

    def add_people(self, people: Iterable[SamplePerson]) -> None:
        """Add people to the directory and, where `highq` says so, to HighQ."""
        users = []
        for person in people:
            number = len(self.people) + 1
            self.people[person.account] = person
            if person.highq:
                self.ids[person.account] = number
                users.append(highq_user(person, number))
        self.highq.add_users(users)
        self._write_directory()

    def change(self, account: str, **fields: Any) -> None:
        """Change a person in the directory: `photos={"thumbnailPhoto": (data,)}`, `mail=None`."""
        self.change_all({account: fields})

    def change_all(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change many people at once; fields by account."""
        for account, fields in changes.items():
            self.people[account] = dataclasses.replace(self.people[account], **fields)
        self._write_directory()

    def write_manifest(
        self, *, change: Callable[[dict[str, Any]], None] = lambda _: None, **changes: Any
    ) -> None:
        """Write the manifest; `changes` are fields of the spec in the API's spelling, `change` edits it."""
        credentials = self.highq.credentials
        spec: dict[str, Any] = {
            "mode": "Continuous",
            "schedule": "@daily-random",
            "activeDirectory": {
                "servers": [self.directory_url],
                "credentialsSecretRef": {"name": "ad-bind"},
                "caBundleRef": {"name": "directory-ca"},
            },
            "highq": {
                "url": self.highq.url,
                "credentialsSecretRef": {"name": "highq-oauth"},
                "caBundleRef": {"name": "highq-ca"},
            },
        }
        spec |= changes
        change(spec)
        secrets = {
            "ad-bind": {"username": "reader@ad.test", "password": BIND_PASSWORD},
            "highq-oauth": {
                "clientId": credentials.client_id,
                "clientSecret": credentials.client_secret,
                "refreshToken": credentials.refresh_token,
            },
        }
        bundles = {"directory-ca": self.directory_ca, "highq-ca": self.highq_ca}
        documents = [
            _document("ProfileImageSync", "acme", spec=spec),
            *(_document("Secret", name, stringData=values) for name, values in secrets.items()),
            *(
                _document("ConfigMap", name, data={"ca.crt": path.read_text()})
                for name, path in bundles.items()
            ),
        ]
        self.manifest.touch(mode=0o600)
        self.manifest.write_text(yaml.safe_dump_all(documents))

    def command(self, *arguments: str) -> Sequence[str]:
        """Return the command line for this manifest and state."""
        program = [sys.executable, "-m", "profile_image_sync", *arguments]
        return [*program, "-f", str(self.manifest), "--state", str(self.state)]

    def _write_directory(self) -> None:
        people = [to_attributes(each, n) for n, each in enumerate(self.people.values(), start=1)]
        write_people(people_file(self.folder), people)


def people_file(folder: Path) -> Path:
    """Return the file that the directory shows."""
    return folder / "people.json"


@contextmanager
def running_trial(folder: Path, people: Iterable[SamplePerson]) -> Iterator[Trial]:
    """Start both servers as processes, add the people, and end the processes afterwards."""
    authority = CertificateAuthority(folder / "authority")
    write_people(people_file(folder), ())
    with (
        Simulator.start(tmp_path=folder, tls=authority) as simulator,
        _directory_process(folder, authority) as url,
    ):
        highq = simulator.create_instance("acme")
        trial = Trial(folder, url, authority.ca_file, highq, authority.ca_file)
        trial.add_people(people)
        trial.write_manifest()
        yield trial


@contextmanager
def _directory_process(folder: Path, authority: CertificateAuthority) -> Iterator[str]:
    certificate, key = authority.issue("127.0.0.1")
    options = {"--people": people_file(folder), "--certificate": certificate, "--key": key}
    arguments = [str(part) for pair in options.items() for part in pair]
    command = [sys.executable, "-m", "testkit.file_directory", *arguments]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def highq_user(person: SamplePerson, number: int) -> UserSettings:
    """Return the HighQ user of someone who has one."""
    assert person.highq is not None
    first, _, last = person.name.partition(" ")
    return UserSettings(
        id=number,
        firstname=first,
        lastname=last or first,
        email=person.highq.email,
        externalid=person.highq.externalid or "",
        status="Active" if person.highq.active else "Inactive",
    )


def _document(kind: str, name: str, **fields: Mapping[str, Any]) -> dict[str, Any]:
    version = "profileimagesync.io/v1alpha1" if kind == "ProfileImageSync" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
