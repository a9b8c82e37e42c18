"""Converts and sends pictures side by side, in two pools of threads.

Apart from the uploader, because it decides how much memory that takes: converting is bounded by memory and
processors, sending by HighQ's pace. Few threads convert, each only pictures that take little memory; the
caller's thread converts the others, one at a time. More would let a pod die of its memory limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.worker.highq.concurrency import MAX_IN_FLIGHT
from profile_image_sync.worker.images import make_avatar, memory_needed
from profile_image_sync.worker.people import Avatar, Source
from profile_image_sync.worker.plan import PersonPlan

MIB = 1024 * 1024
CONVERTERS = 2
SENDERS = MAX_IN_FLIGHT  # threads; RateLimiter decides how many of them send
IN_FLIGHT = 2 * SENDERS
RAW_BYTES = 32 * MIB  # of the pictures that wait to be converted, as the directory holds them
LARGE_BYTES = 16 * MIB  # a picture that takes more to decode is converted by the caller's thread

Send = Callable[[int, Avatar], None]  # HighQ user, avatar; raises PersonError or SyncError


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture in flight. `source` is the hash of the bytes that are sent, not of the plan."""

    plan: PersonPlan
    source: Source


@dataclass(frozen=True, slots=True)
class Finished:
    """An upload that has ended; `error` is None when HighQ accepted the picture."""

    upload: Upload
    error: BaseException | None


class Pipeline:
    """Uploads in flight: `with Pipeline(...) as pipeline`. For one thread."""

    def __init__(self, settings: ImageSettings, send: Send) -> None:
        """Begin with nothing in flight. `send` is called by several threads at once."""
        self._settings = settings
        self._send = send
        self._converters = ThreadPoolExecutor(CONVERTERS, thread_name_prefix="convert")
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="send")
        self._converting: dict[Future[Any], tuple[Upload, int]] = {}
        self._sending: dict[Future[Any], Upload] = {}
        # To wait for all futures would cost a lock of each, for each that ends.
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the threads; what has not started is dropped."""
        self._converters.shutdown(cancel_futures=True)
        self._senders.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        """Return the number of uploads in flight."""
        return len(self._converting) + len(self._sending)

    def has_room_for(self, raw: bytes) -> bool:
        """Tell whether this picture may be submitted now."""
        held = sum(size for _, size in self._converting.values())
        return len(self) < IN_FLIGHT and (not held or held + len(raw) <= RAW_BYTES)

    def is_large(self, raw: bytes) -> bool:
        """Tell whether the caller's thread must convert the picture. Raises ImageRefused."""
        return memory_needed(raw, self._settings) > LARGE_BYTES

    def convert(self, raw: bytes) -> Avatar:
        """Convert a picture in the caller's thread. Raises ImageRefused."""
        return make_avatar(raw, self._settings)

    def submit(self, upload: Upload, raw: bytes) -> None:
        """Convert and send a picture that is not large."""
        future = self._converters.submit(self.convert, raw)
        self._converting[future] = upload, len(raw)
        future.add_done_callback(self._ended.put)

    def submit_converted(self, upload: Upload, avatar: Avatar) -> None:
        """Send a picture."""
        future = self._senders.submit(self._send, upload.plan.account_id, avatar)
        self._sending[future] = upload
        future.add_done_callback(self._ended.put)

    def finished(self, timeout: float) -> list[Finished]:
        """Wait for uploads to end, at most `timeout` seconds, and return them."""
        ended = []
        for future in self._done(timeout):
            if sent := self._sending.pop(future, None):
                ended.append(Finished(sent, future.exception()))
            elif converting := self._converting.pop(future, None):  # else cancelled
                upload, _ = converting
                if error := future.exception():
                    ended.append(Finished(upload, error))
                else:
                    self.submit_converted(upload, future.result())
        return ended

    def _done(self, timeout: float) -> Iterator[Future[Any]]:
        """Yield what has ended; wait for the first of them."""
        with suppress(Empty):
            yield self._ended.get(timeout=timeout)
            while True:
                yield self._ended.get_nowait()

    def cancel(self) -> list[Upload]:
        """Drop every upload that is not being sent yet, and return them."""
        dropped = [upload for upload, _ in self._converting.values()]
        for converting in self._converting:
            converting.cancel()
        self._converting.clear()
        cancelled = [each for each in self._sending if each.cancel()]
        return dropped + [self._sending.pop(each) for each in cancelled]
