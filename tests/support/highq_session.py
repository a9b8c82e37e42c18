"""Our HighQ client on a simulated instance: what stays from one run to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.oauth import ClientCredentials
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import ProxyAccess
from profile_image_sync.worker.people import Avatar
from profile_image_sync.worker.token_store import TokenStore
from testkit.simulator.process import Instance, Simulator


class FastStop(Event):
    """A stop event that makes short work of waits, and does something before a chosen call.

    Every call waits for its turn first, if only for no time: `before` is told its number, from 1.
    """

    def __init__(self, before: Callable[[int], None] = lambda _number: None) -> None:
        super().__init__()
        self._before = before
        self._turns = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait a hundredth of the time."""
        if not timeout:
            self._turns += 1
            self._before(self._turns)
        return super().wait((timeout or 0) / 100)


@dataclass
class HighQSession:
    """What stays from run to run: the instance, the Secret, the folder with the tokens."""

    instance: Instance
    ca: str | None
    store: TokenStore
    credentials: ClientCredentials
    endpoint: Endpoint = Endpoint.AVATAR
    timing: Timing = field(default_factory=lambda: Timing(stop=FastStop()))

    @classmethod
    def at(cls, simulator: Simulator, instance: Instance, folder: Path) -> HighQSession:
        """Settle at an instance; tokens are stored in `folder`."""
        ca = simulator.ca_file.read_text() if simulator.ca_file else None
        credentials = ClientCredentials("highq-oauth", *instance.credentials)
        return cls(instance, ca, FolderTokenStore(folder), credentials)

    def open(
        self,
        url: str | None = None,
        *,
        requests_per_minute: int | None = None,
        proxy: ProxyAccess | None = None,
    ) -> HighQClient:
        """Open the client that one run has; close it."""
        return HighQClient(
            url or self.instance.url,
            endpoint=self.endpoint,
            credentials=lambda: self.credentials,
            store=self.store,
            timing=self.timing,
            requests_per_minute=requests_per_minute,
            ca=self.ca,
            proxy=proxy,
        )

    def replace_seed(self, refresh_token: str) -> None:
        """Put another refreshToken into the Secret, as an administrator does."""
        self.credentials = replace(self.credentials, refresh_token=refresh_token)

    def refreshes(self) -> int:
        """Count the requests to the token endpoint, whatever came of them."""
        return len(self.instance.audit(operation="token"))


def ready(data: bytes, media_type: str = "image/jpeg") -> Avatar:
    """Take bytes for a ready avatar, whatever they are."""
    return Avatar(data, media_type, 320)
