"""How many requests HighQ's rate limit still takes, as far as its answers tell. Pure; one thread at a time.

HighQ counts requests per token and address in a fixed window, which the first request after the last one
opens (API page "API rate limit"). Where its headers tell how many are left, the limit is never hit.
Elsewhere a 429 closes the window and tells when the next one may begin. Most of what the window took then
goes out side by side in the next, and the rest one by one, so that a single 429 finds the limit again. Two
runs on one limit come to equal shares: each gives up the same part of its own, and both take turns at that.

Where the headers tell, several runs see the same number, each a moment late: each sends no more at once
than its part of it. How many parts there are is learnt: a 429 that was not announced makes them more.
"""

from __future__ import annotations

from http import HTTPStatus

from profile_image_sync.worker.highq.responses import Response

WINDOW_SECONDS = 60.0  # as the API page says, unless an answer says otherwise
SAME_WINDOW = 2.0  # seconds; resets are told in whole seconds
KEPT_SHARE = 0.9  # of what a window took: sent side by side in the next one
PARTS, MOST_PARTS = 2, 16  # of what is left by the headers; a run sends one of them at once


class RateWindow:
    """The window that HighQ is in; times are monotonic, in seconds."""

    def __init__(self, now: float) -> None:
        """Begin with nothing known."""
        self._ends = now
        self._is_closed = False  # by a 429
        self._taken = 0  # requests of ours
        self._share: int | None = None  # what goes out side by side; None: no 429 so far
        self._left: int | None = None  # by HighQ's headers; None: they do not tell
        self._is_new = False  # no header has told of this window yet
        self._parts = PARTS
        self._is_overrun = False  # by a 429 in this window, although the headers had told

    @property
    def has_limit(self) -> bool:
        """Whether HighQ has shown that it has a limit."""
        return self._share is not None or self._left is not None

    def delay(self, now: float) -> float:
        """Return the seconds until HighQ takes a request; begin a new window when one is over."""
        if now >= self._ends:
            self._begin(now)
        is_used_up = self._left is not None and self._room(self._left) <= 0
        return self._ends - now if self._is_closed or is_used_up else 0.0

    def takes_another(self, in_flight: int) -> bool:
        """Tell whether one more request may join those in flight, of which HighQ may have counted some."""
        if self._left is not None:
            return in_flight < max(self._room(self._left) // self._parts, 1)
        if self._share is None:
            return True
        return in_flight == 0 or self._taken + in_flight < self._share

    def on_response(self, response: Response, now: float, *, pause: float = 0.0) -> None:
        """Take note of an answer; after a 429 nothing goes out for `pause` seconds."""
        if response.remaining is not None and response.retry_after is not None:
            self._on_announcement(response.remaining, now + response.retry_after)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            if self._left is not None and not self._is_overrun:  # somebody else is at it
                self._parts, self._is_overrun = min(self._parts + 2, MOST_PARTS), True
            self._ends = max(now + pause, self._ends if self._is_closed else now)
            self._is_closed = True
            return
        if self._is_new and response.remaining is None:
            self._left, self._is_new = None, False  # not every answer tells
        if response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._taken += 1

    def _room(self, left: int) -> int:
        """Return what may be sent of what is left; the last ones are for the others, if there are any."""
        return left if self._is_new else left - (self._parts - PARTS)

    def _begin(self, now: float) -> None:
        if self._is_closed:
            self._share = max(int(self._taken * KEPT_SHARE), 1)
        if self._left is not None:
            self._left, self._is_new = 1, True  # the first answer tells the rest
        self._ends, self._is_closed, self._taken = now + WINDOW_SECONDS, False, 0
        self._is_overrun = False

    def _on_announcement(self, remaining: int, ends: float) -> None:
        if self._left is None or self._is_new or ends > self._ends + SAME_WINDOW:
            self._left = remaining
        self._left, self._is_new = min(self._left, remaining), False  # answers overtake each other
        self._ends = ends
