"""One HTTP exchange with one HighQ instance: the only module that imports httpx.

TLS is always verified, redirects are never followed (the token would go along), cookies are dropped.
Interprets no response and repeats nothing: those decisions are testable without a network.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from socket import gaierror
from urllib.request import getproxies, proxy_bypass

import httpx

from profile_image_sync import __version__
from profile_image_sync.errors import (
    HighQUnavailable,
    HighQUntrusted,
    InvalidSpec,
    ProxyRefused,
)
from profile_image_sync.names import PRODUCT
from profile_image_sync.worker.highq.concurrency import MAX_IN_FLIGHT
from profile_image_sync.worker.highq.refs import LISTS, Route
from profile_image_sync.worker.highq.responses import Response, read_response
from profile_image_sync.worker.highq.survey import Survey
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.people import Avatar

MAX_LIST_BYTES = 64 * 2**20  # a thousand users take about two million
MAX_ANSWER_BYTES = 2**20  # of any other route
_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png"}


class ResponseLost(Exception):
    """The request may have reached HighQ, but no whole response came back. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; repr shows neither secrets nor the picture."""

    route: Route
    account_id: int | None = None  # of an upload
    query: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = field(default=None, repr=False)  # of the token call
    avatar: Avatar | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """The proxy of `spec.highq.proxy`, and who we are to it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


class Transport:
    """A pool of connections to one instance. Used by many threads."""

    def __init__(
        self,
        url: str,
        *,
        ca: str | None,
        timing: Timing,
        proxy: ProxyAccess | None = None,
        http_transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take the instance's URL and its authority in PEM (None: the system's store).

        Raises HighQUntrusted for an unreadable authority, InvalidSpec for an unusable proxy. `http_transport`
        stands in for the network in tests.
        """
        self._url = url.rstrip("/")
        self._timing = timing
        self.host = httpx.URL(url).netloc.decode()
        self.survey: Survey | None = None  # sees every response, if there is one
        self._proxy = proxy
        ssl_context = _ssl_context(ca)
        try:
            self._client = httpx.Client(
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",  # compressed, a small answer could be huge
                    "User-Agent": f"{PRODUCT}/{__version__}",
                },
                verify=ssl_context,
                proxy=_proxy(proxy, ssl_context),
                trust_env=proxy is None,
                timeout=httpx.Timeout(
                    timing.read_timeout, connect=timing.connect_timeout, pool=None
                ),
                limits=httpx.Limits(
                    max_connections=MAX_IN_FLIGHT, max_keepalive_connections=MAX_IN_FLIGHT
                ),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                follow_redirects=False,
                transport=http_transport,
            )
        except (ImportError, ValueError, httpx.InvalidURL):  # ImportError: a SOCKS proxy
            raise InvalidSpec(
                "the proxy of the environment (HTTPS_PROXY, ALL_PROXY) cannot be used: "
                "give it as http://HOST:PORT"
            ) from None

    def exchange(self, request: Request, token: str | None) -> Response:
        """Send once and return the response, whatever its status.

        Raises HighQUnavailable when no connection came about, HighQUntrusted when the certificate
        does not prove the host's name, ResponseLost when the connection broke or fell silent later.
        """
        # `from None` below: httpx's errors carry the request, and that carries the token.
        try:
            return self._exchange(request, token)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise self._unreachable(error) from None
        except httpx.ProxyError as error:
            raise self._proxy_error(str(error)) from None
        except httpx.TimeoutException:
            raise ResponseLost(f"{self.host} did not response in time") from None
        except (httpx.TransportError, httpx.DecodingError):
            raise ResponseLost(f"the connection to {self.host} was cut") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _exchange(self, request: Request, token: str | None) -> Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        built = self._build(request, headers)
        response = self._client.send(built, stream=True)
        try:
            body = b"".join(self._chunks(response, request.route))
        finally:
            response.close()
        found = read_response(response.status_code, response.headers, body, self._timing.now())
        if self.survey:
            self.survey.saw(request.route, found, response.headers, authorised=token is not None)
        return found

    def _build(self, request: Request, headers: Mapping[str, str]) -> httpx.Request:
        url = f"{self._url}/{request.route.format(id=request.account_id)}"
        avatar = request.avatar
        if request.route is Route.TOKEN:
            return self._client.build_request("POST", url, headers=headers, data=request.form)
        if avatar is None:
            return self._client.build_request("GET", url, headers=headers, params=request.query)
        if request.route is Route.PROFILE_IMAGE:
            headers = {**headers, "Content-Type": avatar.media_type}
            return self._client.build_request("POST", url, headers=headers, content=avatar.data)
        name = f"avatar.{_SUFFIXES[avatar.media_type]}"
        files = {"file": (name, avatar.data, avatar.media_type)}
        built = self._client.build_request("POST", url, headers=headers, files=files)
        built.read()  # joins the parts, each of which would be a TLS record and a system call of its own
        return built

    def _chunks(self, response: httpx.Response, route: Route) -> Iterator[bytes]:
        """Yield the body; httpx bounds each silence, this bounds the whole."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ResponseLost(f"{self.host} answers compressed, which we do not ask for")
        largest = MAX_LIST_BYTES if route in LISTS else MAX_ANSWER_BYTES
        size, deadline = 0, self._timing.monotonic() + self._timing.response_timeout
        for chunk in response.iter_bytes():
            yield chunk
            size += len(chunk)
            if size > largest:
                raise ResponseLost(f"the answer of {self.host} is larger than any such answer")
            if self._timing.monotonic() > deadline:
                raise ResponseLost(f"{self.host} did not finish its response in time")

    def _unreachable(self, error: Exception) -> HighQUnavailable | HighQUntrusted:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return HighQUntrusted(
                    f"the certificate of {self.host} does not prove its name "
                    f"({cause.verify_message.rstrip('.')}): check spec.highq.url, or name the "
                    "authority that issued it in spec.highq.caBundleRef"
                )
        if any(isinstance(cause, gaierror) for cause in causes):
            what = "its name does not resolve"
        elif any(isinstance(cause, ssl.SSLError) for cause in causes):
            what = "it does not speak TLS"
        elif isinstance(error, httpx.ConnectTimeout):
            what = "no connection in time"
        else:
            what = "it refuses connections"
        field = self._proxy_field()
        through = f" through the proxy of {field}" if field else ""
        return HighQUnavailable(f"{self.host} cannot be reached{through}: {what}")

    def _proxy_error(self, answer: str) -> ProxyRefused | HighQUnavailable:
        """Tell what the proxy answered to CONNECT: httpx has its status at the start of the message."""
        field = "spec.highq.proxy" if self._proxy else "HTTPS_PROXY"
        where = f"the Secret of {field}.credentialsSecretRef" if self._proxy else field
        proxy = f"the proxy of {field}"
        status = answer[:3]
        if status in {"401", "407"}:  # tinyproxy says 401 of wrong credentials, 407 of none
            return ProxyRefused(
                f"{proxy} wants other credentials (HTTP {status}): check username and password in {where}"
            )
        if status == "403":
            return ProxyRefused(
                f"{proxy} does not allow {self.host} (HTTP 403): ask its administrators to allow it"
            )
        return HighQUnavailable(f"{proxy} did not connect us to {self.host}: see whether it is up")

    def _proxy_field(self) -> str | None:
        """Return what names the proxy that is used; None if none is."""
        if self._proxy:
            return "spec.highq.proxy"
        proxies = getproxies()
        is_proxied = ("https" in proxies or "all" in proxies) and not proxy_bypass(self.host)
        return "HTTPS_PROXY" if is_proxied else None


def _proxy(proxy: ProxyAccess | None, ssl_context: ssl.SSLContext) -> httpx.Proxy | None:
    if proxy is None:
        return None
    auth = (proxy.username, proxy.password or "") if proxy.username else None
    # httpx takes a context for a proxy of https:// only
    over_tls = ssl_context if proxy.url.startswith("https:") else None
    return httpx.Proxy(proxy.url, auth=auth, ssl_context=over_tls)


def _ssl_context(ca: str | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    pem = ca.encode("ascii", "ignore").decode()  # bundles name their authorities in comments
    try:
        # An empty text would quietly mean the system's store: hence the line break.
        return ssl.create_default_context(cadata="\n" + pem)
    except ssl.SSLError:
        raise HighQUntrusted(
            "spec.highq.caBundleRef does not hold certificates in PEM format"
        ) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
