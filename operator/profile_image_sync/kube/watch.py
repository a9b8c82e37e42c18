"""The events of one watch request, as they arrive. Silence for too long ends it like the server would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from urllib3.exceptions import HTTPError, ReadTimeoutError

from profile_image_sync.kube.resources import Body, ObjectRef
from profile_image_sync.kube.responses import error_of, unavailable


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened: ADDED, MODIFIED, DELETED, or a BOOKMARK, of which only the version counts."""

    type: str
    body: Body


class WatchStream:
    """Yields events until the server ends the watch or falls silent. Raises ApiError when it breaks off."""

    def __init__(self, ref: ObjectRef, response: Any) -> None:
        """Take the open response of a success (urllib3's)."""
        self._ref = ref
        self._response = response

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[WatchEvent]:
        try:
            for line in self._response:
                event = json.loads(line)
                body = event["object"]
                if event["type"] == "ERROR":
                    raise error_of("GET", self._ref, body.get("code", 0), body)
                yield WatchEvent(event["type"], self._ref.complete(body))
        except ReadTimeoutError:
            return  # no bookmark in time: the connection may be dead, a new one goes on
        except (HTTPError, OSError, ValueError) as error:  # cut off, also amid a line
            raise unavailable(self._ref, f"broke off a watch ({type(error).__name__})") from None

    def shut_down(self) -> None:
        """End it from another thread; one that has ended stays so."""
        with suppress(ValueError, RuntimeError):  # urllib3's words for: not connected any more
            self._response.shutdown()
