"""Puts HighQ's credentials into a Secret, for `authorize --apply`.

Apart from the consent, so that the cluster can be asked first: a consent is not given for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profile_image_sync.cluster.resources import NoSuchResource
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiConflict, ApiNotFound
from profile_image_sync.kube.resources import Body, ObjectRef


class SecretExists(PermanentError):
    """There is a Secret of this name, and nobody said that it may be changed."""


@dataclass(frozen=True, slots=True)
class CredentialsSecret:
    """A Secret that is made, or of which some keys are replaced where that was asked for."""

    client: ApiClient
    namespace: str
    name: str
    replace: bool

    def require_writable(self) -> None:
        """Have the API server try it without keeping it. Raises as write() does."""
        self._write({}, dry_run=True)

    def write(self, data: Mapping[str, str]) -> None:
        """Make the Secret, or replace these keys of it. Raises SecretExists, NoSuchResource, ApiError."""
        self._write(data, dry_run=False)

    def _write(self, data: Mapping[str, str], *, dry_run: bool) -> None:
        ref = ObjectRef("Secret", self.namespace, self.name)
        metadata = {"name": self.name, "namespace": self.namespace}
        body: Body = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}
        body["stringData"] = dict(data)
        try:
            self.client.create(body, dry_run=dry_run)
        except ApiNotFound:
            raise NoSuchResource(
                f"there is no namespace {self.namespace} in this cluster: make it first, or give another "
                "with -n or --context"
            ) from None
        except ApiConflict:
            if not self.replace:
                raise SecretExists(
                    f"{ref.description} is there, and a sync may live on it: nothing is changed; to replace "
                    "its clientId, clientSecret and refreshToken, add --replace"
                ) from None
            self.client.patch(body, dry_run=dry_run)
