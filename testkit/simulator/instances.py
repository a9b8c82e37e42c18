"""The simulated instances: users, tokens, knobs, faults, clock and audit of each. No HTTP.

Every change goes through a method here, so that it also reaches the store.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from email.utils import formatdate

from pydantic import BaseModel

from .accounts import Picture, User
from .avatar_files import Box, media_type
from .grants import Authorisations, Grant
from .rendering import ApiError
from .schema import (
    UPLOADS,
    AuditEntry,
    Fault,
    InstanceSettings,
    Knobs,
    Operation,
    PictureFacts,
    SetBy,
    TokenPair,
    UserSettings,
)
from .store import Store

ADMINISTRATOR_ID = 900_001  # of the one made where no user given is a system administrator


class Header(BaseModel):
    """What is kept of an instance besides users, pictures and audit."""

    knobs: Knobs
    authorisations: Authorisations
    clock_offset: float = 0
    errors: int = 1000


@dataclass(slots=True)
class Window:
    """A rate-limit window of one token and address."""

    start: float
    calls: int


class Instance:
    """One HighQ. `clock` gives real time in epoch seconds; `now()` is the moved one."""

    def __init__(self, name: str, header: Header, clock: Callable[[], float], store: Store) -> None:
        """Make an empty instance; `Instances` fills it."""
        self.name = name
        self.header = header
        self.users: dict[int, User] = {}
        self.faults: list[Fault] = []
        self.audit: list[AuditEntry] = []
        self._clock = clock
        self._store = store
        self._windows: dict[tuple[str, str], Window] = {}
        self._by_email: dict[str, User] | None = None
        self._calls = 0

    @property
    def knobs(self) -> Knobs:
        """How this instance behaves."""
        return self.header.knobs

    @property
    def authorisations(self) -> Authorisations:
        """Its clients and tokens; after a change call `save`."""
        return self.header.authorisations

    def now(self) -> float:
        """Epoch seconds on the instance's clock."""
        return self._clock() + self.header.clock_offset

    def advance_clock(self, seconds: float) -> None:
        """Move the clock."""
        self.header.clock_offset += seconds
        self.save()

    def turn(self, knobs: Knobs) -> None:
        """Set all knobs."""
        self.header.knobs = knobs
        self.save()

    def save(self) -> None:
        """Write the header to the store."""
        self._store.put(self.name, "instance", [(0, self.header.model_dump_json().encode())])

    def next_error(self) -> int:
        """Count error answers: the number in their links."""
        self.header.errors += 1
        return self.header.errors

    def grant(self, form: dict[str, str]) -> Grant:
        """Answer a token request, or raise OAuthError."""
        granted = self.authorisations.grant(form, self.knobs, self.now())
        self.save()
        return granted

    def browser_user(self) -> int:
        """Tell who sits at the browser when the client is authorised."""
        if self.knobs.browser_user is not None:
            return self.knobs.browser_user
        return next(user.id for user in self.users.values() if user.sysadmin)

    def issue(self, client_id: str) -> TokenPair:
        """Make a pair without the browser, for tests."""
        client = self.authorisations.clients[client_id]
        pair = self.authorisations.issue(client, self.browser_user(), self.now())
        self.save()
        return pair

    def admit(self, token: str, address: str) -> dict[str, str]:
        """Count a call of this token and address, or refuse it with 429; return what tells of the limit."""
        if self.knobs.rate_limit is None:
            return {}
        now = self.now()
        window = self._windows.get((token, address))
        if window is None or now >= window.start + self.knobs.rate_window:
            window = self._windows[token, address] = Window(now, 0)
        window.calls += 1
        left = self.knobs.rate_limit - window.calls
        headers = self._rate_headers(max(left, 0), window.start + self.knobs.rate_window)
        if left < 0:
            raise ApiError(429, None, "The user API call limit has exceeded", headers)
        return headers if self.knobs.rate_headers == "all" else {}

    def _rate_headers(self, left: int, ends: float) -> dict[str, str]:
        reset = {"X-Ratelimit-Reset": str(math.ceil(ends))}
        match self.knobs.rate_headers:
            case "all":
                limit = str(self.knobs.rate_limit)
                return reset | {"X-Ratelimit-Limit": limit, "X-Ratelimit-Remaining": str(left)}
            case "seconds":
                return {"Retry-After": str(math.ceil(ends - self.now()))}
            case "date":
                return {"Retry-After": formatdate(math.ceil(ends), usegmt=True)}
            case "none":
                return {}
        return reset

    # --- users -----------------------------------------------------------------------------------

    def put_users(self, settings: Iterable[UserSettings]) -> None:
        """Add users, or replace those of the same id: their own picture included."""
        changed = [self._user(one) for one in settings]
        self.users |= {user.id: user for user in changed}
        self.users = dict(sorted(self.users.items()))  # lists come in this order
        self._by_email = None
        self._store.put(self.name, "user", ((user.id, _row(user)) for user in changed))
        self._store.put(
            self.name,
            "picture",
            ((user.id, user.picture.content) for user in changed if user.picture),
        )

    def change_user(self, user: User) -> None:
        """Replace one user by its changed self."""
        user.modified = self.now()
        self.users[user.id] = user
        self._by_email = None
        self._store.put(self.name, "user", [(user.id, _row(user))])

    def remove_user(self, user_id: int) -> None:
        """Forget a user and the picture."""
        del self.users[user_id]
        self._by_email = None
        self._store.drop(self.name, "user", user_id)
        self._store.drop(self.name, "picture", user_id)

    def find_by_email(self, email: str) -> User | None:
        """Find a user by mail address in any case; of several, the first."""
        if self._by_email is None:
            self._by_email = {}
            for user in self.users.values():
                self._by_email.setdefault(user.email.lower(), user)
        return self._by_email.get(email.lower())

    def set_picture(
        self, user: User, content: bytes, set_by: SetBy, crop: Box | None = None
    ) -> None:
        """Give a user a new picture."""
        user.picture = _picture(content, crop, set_by, self.now())
        user.modified = self.now()
        self._store.put(self.name, "picture", [(user.id, content)])
        self._store.put(self.name, "user", [(user.id, _row(user))])

    def clear_picture(self, user: User) -> None:
        """Take a user's picture away."""
        user.picture = None
        user.modified = self.now()
        self._store.drop(self.name, "picture", user.id)
        self._store.put(self.name, "user", [(user.id, _row(user))])

    def _user(self, settings: UserSettings) -> User:
        now = self.now()
        picture = settings.picture and _picture(settings.picture, None, "person", now)
        return User(
            **settings.model_dump(exclude={"picture"}),
            created=now,
            modified=now,
            picture=picture or None,
        )

    # --- faults and audit ------------------------------------------------------------------------

    def take_fault(self, operation: Operation, user_id: int | None) -> Fault | None:
        """Find the first queued fault that matches this call, and use it up by one."""
        for index, fault in enumerate(self.faults):
            wanted = (
                fault.operation in {"any", operation}
                or (fault.operation == "upload" and operation in UPLOADS)
            ) and fault.user_id in {None, user_id}
            if not wanted:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                del self.faults[index]
            return fault
        return None

    def record(self, entry: AuditEntry) -> None:
        """Append a call to the audit, numbered."""
        self._calls += 1
        entry.sequence = self._calls
        self.audit.append(entry)
        self._store.put(self.name, "audit", [(entry.sequence, entry.model_dump_json().encode())])

    def reset_audit(self) -> None:
        """Forget the calls so far; the numbers go on."""
        self.audit.clear()
        self._store.drop(self.name, "audit")

    def load(self) -> None:
        """Read users, pictures and audit back from the store."""
        contents = dict(self._store.rows(self.name, "picture"))
        for user_id, row in self._store.rows(self.name, "user"):
            self.users[user_id] = _from_row(row, contents.get(user_id))
        for sequence, row in self._store.rows(self.name, "audit"):
            self.audit.append(AuditEntry.model_validate_json(row))
            self._calls = sequence


class Instances:
    """All instances of the process."""

    def __init__(self, clock: Callable[[], float], store: Store) -> None:
        """Read what the store has kept."""
        self._clock = clock
        self._store = store
        self._instances: dict[str, Instance] = {}
        for name in store.instances():
            ((_, row),) = store.rows(name, "instance")
            instance = Instance(name, Header.model_validate_json(row), clock, store)
            instance.load()
            self._instances[name] = instance

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._instances.values())

    def get(self, name: str) -> Instance | None:
        """Find an instance by its name."""
        return self._instances.get(name)

    def create(self, settings: InstanceSettings) -> Instance:
        """Make an instance anew; one of the same name goes."""
        self._store.drop(settings.name)
        authorisations = Authorisations(clients={one.client_id: one for one in settings.clients})
        header = Header(knobs=settings.knobs, authorisations=authorisations)
        instance = Instance(settings.name, header, self._clock, self._store)
        self._instances[settings.name] = instance
        users = list(settings.users)
        if not any(user.sysadmin for user in users):
            users.append(_administrator(settings.name))
        instance.put_users(users)
        for client in settings.clients:
            authorisations.register(
                client, client.refresh_token, instance.browser_user(), instance.now()
            )
        instance.save()
        return instance

    def remove(self, name: str) -> None:
        """Forget an instance and all its rows."""
        self._instances.pop(name, None)
        self._store.drop(name)


def picture_facts(picture: Picture) -> PictureFacts:
    """Tell all of a picture but its bytes."""
    told = {name: getattr(picture, name) for name in PictureFacts.model_fields if name != "size"}
    return PictureFacts(**told, size=len(picture.content))


def _administrator(instance: str) -> UserSettings:
    return UserSettings(
        id=ADMINISTRATOR_ID,
        firstname="Sync",
        lastname="Administrator",
        email=f"sync.administrator@{instance}.example",
        sysadmin=True,
    )


def _picture(content: bytes, crop: Box | None, set_by: SetBy, now: float) -> Picture:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Picture(content, media_type(content) or "", digest, crop, set_by, now)


def _row(user: User) -> bytes:
    row = {field.name: getattr(user, field.name) for field in fields(user)}
    if user.picture:
        row["picture"] = asdict(replace(user.picture, content=b"")) | {"content": None}
    return json.dumps(row).encode()


def _from_row(row: bytes, content: bytes | None) -> User:
    told = json.loads(row)
    if told["picture"] and content is not None:
        crop = told["picture"]["crop"]
        told["picture"] |= {"content": content, "crop": tuple(crop) if crop else None}
        told["picture"] = Picture(**told["picture"])
    return User(**told)
