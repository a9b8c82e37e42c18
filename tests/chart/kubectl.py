"""Kubectl as people call it, each with rights of their own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from profile_image_sync.controller.bodies import Body
from testkit.control_plane import ControlPlane
from tests.chart.helm import Document

TENANT = "tenant-acme"
OTHER = "tenant-globex"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Kubectl as some user; the administrator by default."""

    control_plane: ControlPlane
    user: str = ""
    namespace: str = TENANT

    def run(self, *arguments: str, body: Any = None) -> subprocess.CompletedProcess[str]:
        """Do something; the caller judges the outcome."""
        options = [f"--kubeconfig={self.control_plane.kubeconfig}"]
        options += [f"--namespace={self.namespace}"] if self.namespace else []
        options += [f"--as={self.user}"] if self.user else []
        return subprocess.run(
            [self.control_plane.kubectl, *options, *arguments],
            input=body if isinstance(body, str) else json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, *arguments: str, body: Any = None) -> str:
        """Do something that must succeed, without a warning."""
        done = self.run(*arguments, body=body)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout

    def get(self, *arguments: str) -> Document:
        """Return an object."""
        found: Document = json.loads(self("get", *arguments, "--output=json"))
        return found

    def can(self, table: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Tell what of the table the user may do: what `kubectl auth can-i` asks, all at once."""
        asked = [(verb, resource) for verbs, resource in table for verb in verbs.split(",")]
        questions = [self._question(verb, resource) for verb, resource in asked]
        listed = {"apiVersion": "v1", "kind": "List", "items": questions}
        each = '--output=jsonpath={.status.allowed}{"\\n"}'
        answers = self("create", "-f", "-", each, body=listed).split()
        return {at: answer == "true" for at, answer in zip(asked, answers, strict=True)}

    def _question(self, verb: str, where: str) -> Body:
        full, _, part = where.partition("/")
        resource, _, group = full.partition(".")
        attributes = {"verb": verb, "group": group, "resource": resource, "subresource": part}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes | {"namespace": self.namespace}},
        }
