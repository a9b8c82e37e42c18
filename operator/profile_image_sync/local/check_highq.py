"""HighQ's part of `check`: network, proxy, API, token, rights, user list, rate limit, matches."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import SyncError
from profile_image_sync.local.matches import Matches
from profile_image_sync.local.probe import CheckResult, CheckStatus, probe, probe_tls
from profile_image_sync.worker.connections import open_highq, token_expiry
from profile_image_sync.worker.directory.connection import tls_context
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.survey import Survey
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.references import References
from profile_image_sync.worker.token_store import TokenStore

EXPIRES_SOON = timedelta(days=30)
_PORTS = {"https": 443, "http": 80}


class HighQCheck:
    """One HighQ instance, as a run would meet it; every response goes to the survey."""

    def __init__(
        self, spec: ProfileImageSyncSpec, references: References, tokens: TokenStore, survey: Survey
    ) -> None:
        self._spec = spec
        self._references = references
        self._tokens = tokens
        self._survey = survey

    def without_token(self) -> Iterator[CheckResult]:
        """Try the way to HighQ, and its API, without spending anything."""
        if proxy := self._proxy():
            place = proxy.rpartition("@")[2]  # in the environment it may hold a password
            field = "spec.highq.proxy" if self._spec.highq.proxy else "HTTPS_PROXY"
            text = f"HighQ is reached through {place.rpartition('//')[2]} ({field})"
            yield CheckResult("proxy", CheckStatus.OK, text)
            yield from _reached(proxy)
        else:
            results = list(_reached(self._spec.highq.url))
            yield from results
            if results[-1].status is CheckStatus.OK:
                yield self._tls()
        try:
            with self._open(self._spec) as highq:
                highq.require_api()
        except SyncError as error:
            yield _failed("API", error)
        else:
            text = f"HighQ's API responds at {self._spec.highq.url}"
            yield CheckResult("API", CheckStatus.OK, text)

    def token(self) -> CheckResult:
        """Tell when the stored refresh token expires."""
        expiry = token_expiry(self._spec, self._references, self._tokens)
        if expiry is None:
            text = "no token pair of this refreshToken is stored yet"
            return CheckResult("token", CheckStatus.OK, text)
        left = expiry - datetime.now(UTC)
        text = f"the stored refresh token expires on {expiry:%Y-%m-%d}"
        if left > EXPIRES_SOON:
            return CheckResult("token", CheckStatus.OK, text)
        text += (
            "; a run renews it" if left > timedelta() else "; authorise again (docs/authorise.md)"
        )
        status = CheckStatus.WARNING if left > timedelta() else CheckStatus.FAILED
        return CheckResult("token", status, text)

    def with_token(self, people: Sequence[Person]) -> Iterator[CheckResult]:
        """List HighQ's users as a run does, and match them."""
        try:
            with self._open(self._spec) as highq:
                accounts = highq.accounts()
                highq.shown_avatars([each for each in accounts if each.has_picture][:1])
        except SyncError as error:
            yield _failed("rights", error)
            return
        active = sum(account.active for account in accounts)
        text = f"the account may list users: {len(accounts)}, {active} of them active"
        yield CheckResult("rights", CheckStatus.OK, text)
        yield _fields(accounts)
        yield self._rate_limit()
        yield _matches(self._spec, people, accounts)
        self._ask_other_family()

    def _open(self, spec: ProfileImageSyncSpec) -> HighQClient:
        stop = threading.Event()
        highq = open_highq(
            spec, self._references, self._tokens, stop, on_first_refresh=lambda: None
        )
        highq.report_to(self._survey)
        return highq

    def _proxy(self) -> str | None:
        """Return the proxy that a run would use."""
        highq, proxies = self._spec.highq, getproxies()
        if highq.proxy:
            return highq.proxy.url
        host = urlsplit(highq.url).netloc
        return None if proxy_bypass(host) else proxies.get("https") or proxies.get("all")

    def _tls(self) -> CheckResult:
        parts, bundle = urlsplit(self._spec.highq.url), self._spec.highq.ca_bundle_ref
        try:
            pem = self._references.read(bundle.kind, bundle.name, bundle.key) if bundle else None
            context = tls_context(pem)
        except SyncError as error:
            return _failed("TLS", error)
        return probe_tls(parts.hostname or "", parts.port or _PORTS["https"], context)

    def _rate_limit(self) -> CheckResult:
        if told := self._survey.limits:
            shown = ", ".join(f"{name}: {number}" for name, number in sorted(told.items()))
            return CheckResult("rate limit", CheckStatus.OK, shown)
        text = "HighQ tells none as long as it is not reached"
        return CheckResult("rate limit", CheckStatus.OK, text)

    def _ask_other_family(self) -> None:
        """Let the survey see the other list, which `endpoint` does not use."""
        current = self._spec.highq.endpoint
        (other,) = (each for each in Endpoint if each is not current)
        highq = self._spec.highq.model_copy(update={"endpoint": other})
        with (
            suppress(SyncError),
            self._open(self._spec.model_copy(update={"highq": highq})) as asked,
        ):
            asked.account_total()


def _reached(url: str) -> Iterator[CheckResult]:
    parts = urlsplit(url)
    return probe(parts.hostname or "", parts.port or _PORTS.get(parts.scheme, _PORTS["http"]))


def _failed(name: str, error: SyncError) -> CheckResult:
    return CheckResult(name, CheckStatus.FAILED, f"{error.reason}: {error}")


def _fields(accounts: Sequence[Account]) -> CheckResult:
    pictures = any(account.has_picture is not None for account in accounts)
    dates = any(account.created is not None for account in accounts)
    text = f"avatar: {'yes' if pictures else 'no'}, createddate: {'yes' if dates else 'no'}"
    if not pictures:
        text += "; firstSync: FillEmpty cannot be used"
    return CheckResult("user list", CheckStatus.OK if pictures else CheckStatus.WARNING, text)


def _matches(
    spec: ProfileImageSyncSpec, people: Sequence[Person], accounts: Sequence[Account]
) -> CheckResult:
    """Match as a first run does, and show one of those who are matched."""
    matches = Matches(spec, people, accounts, None)
    with_picture = [person for person in people if person.source]
    found = [(person, match) for person in with_picture if (match := matches.of(person)).account]
    text = (
        f"{len(found)} of {len(with_picture)} people with a picture have a HighQ user of their own"
    )
    if found:
        rules = Counter(matches.rule(match) for _, match in found)
        text += f" ({', '.join(f'{rule}: {number}' for rule, number in rules.most_common())})"
        person, match = min(found, key=lambda each: each[0].label)
        text += f"; such as {person.label}: HighQ user {match.account.id if match.account else 0}"
    if len(found) * 100 >= len(with_picture) * spec.safety.min_matched_percent:
        return CheckResult("match", CheckStatus.OK, text)
    text += "; check spec.highq.match (`profile-image-sync plan` shows who has none)"
    return CheckResult("match", CheckStatus.WARNING, text)
