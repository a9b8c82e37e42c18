"""What can go wrong with a request to the API server, in one tree.

ApiError              not done; a worker's run ends by it with exit code 30
├── ApiUnavailable    the server cannot be reached, or keeps failing: the same request may succeed later
├── ApiConflict       the object is not as it was read: somebody else changed, made or removed it
├── ApiNotFound       there is no such object, namespace or kind
├── ApiExpired        the resourceVersion is too old: list again
└── ApiRefused        the server will not have what was sent
    └── ApiForbidden  no right to do it, or admission (a quota, a policy) is against it

They are StateUnavailable as well, because a worker keeps its state there and its stores promise that error.
"""

from __future__ import annotations

from profile_image_sync.errors import StateUnavailable


class ApiError(StateUnavailable):
    """A request to the API server was not done."""


class ApiUnavailable(ApiError):
    """The API server cannot be reached, or keeps failing."""


class ApiConflict(ApiError):
    """The object is not as it was read: somebody else changed, made or removed it."""


class ApiNotFound(ApiError):
    """There is no such object, namespace or kind."""


class ApiExpired(ApiError):
    """The resourceVersion is too old: list again."""


class ApiRefused(ApiError):
    """The API server will not have what was sent."""


class ApiForbidden(ApiRefused):
    """No right to do it, or admission (a quota, a policy) is against it."""
