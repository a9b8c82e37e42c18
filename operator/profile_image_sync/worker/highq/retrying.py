"""One call, carried through: at the governor's pace, repeated while HighQ has trouble of its own.

Knows what an answer means (refs), not what the call is for, and nothing of tokens but to pass one on.
"""

from __future__ import annotations

import structlog

from profile_image_sync.errors import AuthorisationRefused, HighQUnavailable
from profile_image_sync.worker.highq.clock import Timing
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.refs import Kind, classify
from profile_image_sync.worker.highq.responses import Answer
from profile_image_sync.worker.highq.transport import Request, ResponseLost, Transport

ATTEMPTS = 5  # about 15 seconds of back-off
LONGEST_BACKOFF = 60.0  # seconds
MOST_LIMITED = 20  # times in a row that HighQ may ask one call to come back later

log = structlog.get_logger()


class Calls:
    """Sends requests to one instance. Used by many threads."""

    def __init__(self, transport: Transport, governor: RateLimiter, timing: Timing) -> None:
        """Take the connections and the pace that all threads share."""
        self._transport = transport
        self._governor = governor
        self._timing = timing

    @property
    def host(self) -> str:
        """The host that messages name."""
        return self._transport.host

    def send(self, request: Request, token: str | None = None) -> Answer:
        """Return the last answer: accepted, refused, failed, denied, or troubled to the end.

        Raises ResponseLost when each attempt lost its answer, HighQUnavailable when HighQ cannot be
        reached, redirects or limits us without end, AuthorisationRefused when the API is shut,
        HighQUntrusted for a certificate, Interrupted when the run is asked to stop.
        """
        failures = limited = 0
        while True:
            self._governor.admit()
            try:
                answer = self._transport.exchange(request, token)
            except (ResponseLost, HighQUnavailable) as problem:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                self._back_off(request, failures, str(problem))
                continue
            outcome = classify(request.call, answer)
            match outcome.kind:
                case Kind.LIMITED:
                    limited += 1
                    self._hold_all_back(request, answer, limited)
                case Kind.TROUBLED if failures < ATTEMPTS - 1:
                    failures += 1
                    self._back_off(request, failures, str(answer))
                case Kind.SHUT:
                    raise AuthorisationRefused(f"{self.host} refuses all calls: {outcome.text}")
                case Kind.MOVED:
                    raise HighQUnavailable(
                        f"{self.host} answers {request.call.value} with a redirect to "
                        f"{answer.moved_to or 'nowhere'}: check spec.highq.url (redirects are "
                        "never followed: the token would go along)"
                    )
                case _:
                    return answer

    def _hold_all_back(self, request: Request, answer: Answer, limited: int) -> None:
        """Pause every thread until the rate limit's window has passed."""
        if limited > MOST_LIMITED:
            raise HighQUnavailable(
                f"{self.host} keeps refusing calls by its rate limit: set "
                "spec.highq.requestsPerMinute, or see who else uses the same authorisation"
            )
        seconds = answer.reopens_in or 0.0
        if answer.reopens_in is None or limited > 1:
            seconds += self._timing.backoff(limited, LONGEST_BACKOFF)
        else:
            seconds += self._timing.chance() / 4
        log.info("HighQ limits the rate", call=request.call.value, wait=round(seconds, 1))
        self._governor.pause(seconds)

    def _back_off(self, request: Request, failures: int, problem: str) -> None:
        seconds = self._timing.backoff(failures, LONGEST_BACKOFF)
        log.warning(
            "HighQ call failed, trying again",
            call=request.call.value,
            problem=problem,
            attempt=failures,
            wait=round(seconds, 1),
        )
        self._timing.wait(seconds)
