"""One request with its retries: rate limited, repeated with back-off while HighQ has trouble.

Apart from oauth.py because the token request needs the same retries. Knows what a response means (refs),
not what the request is for; passes a token on without looking at it.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog

from profile_image_sync.errors import AuthorisationRefused, HighQUnavailable, SyncError
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.refs import Category, Classification, classify
from profile_image_sync.worker.highq.responses import Response
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import Request, ResponseLost, Transport

ATTEMPTS = 5  # about 15 seconds of back-off
MAX_BACKOFF = 60.0  # seconds
MAX_RATE_LIMITED = 20  # times in a row that HighQ may ask one call to come back later

log = structlog.get_logger()


class RetryingClient:
    """Sends requests to one instance. Used by many threads."""

    def __init__(self, transport: Transport, rate_limiter: RateLimiter, timing: Timing) -> None:
        """Take the connections and the pace that all threads share."""
        self._transport = transport
        self._rate_limiter = rate_limiter
        self._timing = timing

    @property
    def host(self) -> str:
        """The host that messages name."""
        return self._transport.host

    def send(self, request: Request, token: str | None = None) -> Response:
        """Return the last response: accepted, refused, failed, denied, or failing to the end.

        An upload that was sent once and never got a clear answer is lost, whatever ended it: it may
        have reached HighQ.

        Raises ResponseLost when each attempt lost its response, HighQUnavailable when HighQ cannot be
        reached, redirects or limits us without end, AuthorisationRefused when the API is blocked,
        HighQUntrusted for a certificate, Interrupted when the run is asked to stop.
        """
        lost: list[ResponseLost] = []
        try:
            response = self._send(request, token, lost)
        except SyncError:
            if lost and request.avatar:
                raise lost[-1] from None
            raise
        is_clear = classify(request.route, response).category is not Category.TRANSIENT
        if lost and request.avatar and not is_clear:
            raise lost[-1]
        return response

    def _send(self, request: Request, token: str | None, lost: list[ResponseLost]) -> Response:
        failures = limited = 0
        while True:
            self._rate_limiter.acquire()
            try:
                response, result = self._exchange(request, token, limited)
            except (ResponseLost, HighQUnavailable) as problem:
                failures += 1
                if isinstance(problem, ResponseLost):
                    lost.append(problem)
                if failures == ATTEMPTS:
                    raise
                self._back_off(request, failures, str(problem))
                continue
            match result.category:
                case Category.RATE_LIMITED:
                    limited += 1
                    self._require_end_of_limit(limited)
                case Category.TRANSIENT if failures < ATTEMPTS - 1:
                    failures += 1
                    self._back_off(request, failures, str(response), response.retry_after)
                case Category.BLOCKED:
                    raise AuthorisationRefused(f"{self.host} refuses all requests: {result.text}")
                case Category.REDIRECTED:
                    raise HighQUnavailable(
                        f"{self.host} answers {request.route.value} with a redirect to "
                        f"{response.redirect_host or 'nowhere'}: check spec.highq.url (redirects are "
                        "never followed: the token would go along)"
                    )
                case _:
                    return response

    def _exchange(
        self, request: Request, token: str | None, limited: int
    ) -> tuple[Response, Classification]:
        """Send once. An answer that cannot be read is as good as lost."""
        started, response, pause = self._timing.monotonic(), None, 0.0
        try:
            response = self._transport.exchange(request, token)
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                pause = self._pause(request, response, limited + 1)
        finally:
            self._rate_limiter.release(started, response, pause=pause)
        result = classify(request.route, response)
        if result.category is Category.UNREADABLE:
            raise ResponseLost(f"the answer of {self.host} ({response}) cannot be read")
        return response, result

    def _pause(self, request: Request, response: Response, limited: int) -> float:
        """Return how long no thread may send: until the rate limit's window has passed."""
        seconds = response.retry_after or 0.0
        if response.retry_after is None or limited > 1:
            seconds += self._timing.backoff(limited, MAX_BACKOFF)
        else:
            seconds += self._timing.jitter() / 4
        log.info("HighQ limits the rate", route=request.route.value, wait=round(seconds, 1))
        return seconds

    def _require_end_of_limit(self, limited: int) -> None:
        if limited > MAX_RATE_LIMITED:
            raise HighQUnavailable(
                f"{self.host} keeps refusing requests by its rate limit: set "
                "spec.highq.requestsPerMinute, or see who else uses the same authorisation"
            )

    def _back_off(
        self, request: Request, failures: int, problem: str, retry_after: float | None = None
    ) -> None:
        """Wait before the next attempt, as long as HighQ asks for (Retry-After of a 503), too."""
        seconds = max(self._timing.backoff(failures, MAX_BACKOFF), retry_after or 0.0)
        log.warning(
            "HighQ call failed, trying again",
            route=request.route.value,
            problem=problem,
            attempt=failures,
            wait=round(seconds, 1),
        )
        self._timing.wait(seconds)
