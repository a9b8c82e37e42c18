"""Helm as people call it, on the chart of this checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from profile_image_sync.controller.installation import OperatorSettings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/profile-image-sync"
RELEASE = "profile-image-sync"  # and so the name of all that the chart makes
NAMESPACE = "operators"

# values.yaml with its optional keys: prose has one space behind its #, they have none, or more
EXAMPLES = yaml.safe_load(
    re.sub(r"^( *)#(?! \S)(?=.)", r"\1", (CHART / "values.yaml").read_text(), flags=re.MULTILINE)
)

Document = dict[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the chart makes of some values."""

    text: str
    documents: tuple[Document, ...]

    def all(self, kind: str) -> list[Document]:
        """Return the objects of a kind."""
        return [each for each in self.documents if each["kind"] == kind]

    def one(self, kind: str) -> Document:
        """Return the only object of a kind."""
        (found,) = self.all(kind)
        return found

    def pod(self) -> Document:
        """Return the template of the operator's pod."""
        template: Document = self.one("Deployment")["spec"]["template"]
        return template

    def container(self) -> Document:
        """Return the only container of the operator's pod."""
        (found,) = self.pod()["spec"]["containers"]
        container: Document = found
        return container

    def settings(self) -> OperatorSettings:
        """Return what the operator reads."""
        (found,) = [
            each["data"] for each in self.all("ConfigMap") if "operator.json" in each["data"]
        ]
        return OperatorSettings.model_validate_json(found["operator.json"])


@dataclass(frozen=True, slots=True)
class Helm:
    """The program, with caches and configuration in a folder of our own."""

    program: Path
    home: Path

    def run(
        self, *arguments: str, values: Values | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Do something, with `values` as if in a file; the caller judges the outcome."""
        environment = os.environ | {
            f"HELM_{part}_HOME": str(self.home / part.lower())
            for part in ("CACHE", "CONFIG", "DATA")
        }
        environment["KUBECONFIG"] = str(kubeconfig or self.home / "none")
        options = [] if values is None else ["--values=-"]
        return subprocess.run(
            [self.program, *arguments, *options],
            input=json.dumps(values),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def do(self, *arguments: str, values: Values | None = None, kubeconfig: Path) -> str:
        """Do something in a cluster that must succeed."""
        done = self.run(
            *arguments, f"--namespace={NAMESPACE}", values=values, kubeconfig=kubeconfig
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def render(self, values: Values | None = None, *options: str, chart: Path = CHART) -> Rendered:
        """Return what the chart makes of these values, which must be accepted."""
        done = self.template(values, *options, chart=chart)
        assert done.returncode == 0, done.stderr
        documents = [each for each in yaml.safe_load_all(done.stdout) if each]
        return Rendered(done.stdout, tuple(documents))

    def refusal(self, values: Values) -> str:
        """Return what is said to values that must be refused."""
        done = self.template(values)
        assert done.returncode != 0, "these values were accepted"
        return done.stderr

    def template(
        self, values: Values | None, *options: str, chart: Path = CHART
    ) -> subprocess.CompletedProcess[str]:
        """Run `helm template`."""
        place = f"--namespace={NAMESPACE}"
        return self.run("template", RELEASE, str(chart), place, *options, values=values)
