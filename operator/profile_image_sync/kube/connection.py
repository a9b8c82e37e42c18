"""Where the API server is, who we are to it, and how a request gets there.

The one module that knows the official client: it reads kubeconfigs and tokens, and makes the connections.
Requests do not go through it, because its way of building them doubles the operator's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from kubernetes import client as official
from kubernetes import config
from urllib3 import BaseHTTPResponse, Timeout

from profile_image_sync import names
from profile_image_sync.kube.errors import ApiUnavailable

CONNECTIONS = 64  # kept open: each watch holds one
TOKEN_SECONDS = 10.0  # how long a token is used before it is asked for again: each look costs


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What each attempt sends."""

    method: str
    path: str  # with its query
    headers: Mapping[str, str]
    content: bytes | None


class Connection:
    """One API server; used by several threads."""

    def __init__(
        self,
        configuration: official.Configuration,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where the server is and who we are; nothing is called yet."""
        self.namespace = "default"  # of the kubeconfig's context
        configuration.retries = False  # we know which requests may be repeated
        configuration.connection_pool_maxsize = CONNECTIONS
        self._configuration = configuration
        self._host: str = configuration.host
        self._pools = official.rest.RESTClientObject(configuration).pool_manager
        self._clock = clock
        self._token: tuple[float, Mapping[str, str]] | None = None  # since when, and its header

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Use the pod's ServiceAccount, or KUBECONFIG where that is set. Raises ApiUnavailable."""
        configuration = official.Configuration()
        try:
            if path := environment.get("KUBECONFIG"):
                config.load_kube_config(config_file=path, client_configuration=configuration)
            else:
                config.load_incluster_config(client_configuration=configuration)
                configuration.proxy = None  # HTTPS_PROXY of a pod leads to HighQ, not here
        except config.ConfigException as error:
            raise ApiUnavailable(
                f"the API server is not known ({error}): this command runs in a pod; elsewhere, set "
                "KUBECONFIG, or use `sync -f`, which needs no cluster"
            ) from None
        return cls(configuration)

    @classmethod
    def of_user(cls, context: str | None) -> Self:
        """Use the kubeconfig as kubectl does; `context` None: the current one. Raises ApiUnavailable."""
        configuration = official.Configuration()
        try:
            config.load_kube_config(context=context, client_configuration=configuration)
            known, current = config.list_kube_config_contexts()
        except Exception as error:  # noqa: BLE001  # whatever a file that is no kubeconfig leads to
            raise ApiUnavailable(
                f"no cluster to talk to ({_first_line(error)}): set KUBECONFIG or --context as for kubectl"
            ) from None
        chosen = next((each for each in known if each["name"] == context), current)
        connection = cls(configuration)
        connection.namespace = chosen["context"].get("namespace") or connection.namespace
        return connection

    def send(self, request: ApiRequest, timeouts: tuple[float, float | None]) -> BaseHTTPResponse:
        """Return the response, whatever its status; its body is not read yet. Raises HTTPError.

        `timeouts`: seconds for the connection, and without a byte.
        """
        response: BaseHTTPResponse = self._pools.urlopen(
            request.method,
            self._host + request.path,
            body=request.content,
            headers={**request.headers, **self._authorization(), "User-Agent": names.PRODUCT},
            timeout=Timeout(connect=timeouts[0], read=timeouts[1]),
            redirect=False,
            preload_content=False,
        )
        return response

    def close(self) -> None:
        """Close all connections."""
        self._pools.clear()

    def _authorization(self) -> Mapping[str, str]:
        """Return the header of the token at hand, which is renewed by whoever gave it to us."""
        now, held = self._clock(), self._token
        if held is None or now - held[0] >= TOKEN_SECONDS:
            bearer = self._configuration.auth_settings().get("BearerToken")
            held = (now, {"Authorization": bearer["value"]} if bearer else {})
            self._token = held
        return held[1]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
