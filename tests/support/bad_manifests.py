"""Manifests that must be refused, and near ones that must not: for the models and the API server alike."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BadManifest:
    """One mistake: what it changes in `tenant()`, and the field that every refusal must name."""

    name: str
    patch: Mapping[str, Any]  # of the spec; a JSON merge patch (None removes a field)
    field: str  # as messages spell it, or the beginning of it
    says: str  # part of our own message
    server: bool = True  # False: only we can tell, the API server lets it pass


def tenant(patch: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a small good manifest, with a JSON merge patch applied to its spec."""
    spec = {
        "schedule": "*/15 * * * *",
        "activeDirectory": {
            "servers": ["ldaps://dc1.corp.example"],
            "credentialsSecretRef": {"name": "ad-bind"},
        },
        "highq": {
            "url": "https://acme.highq.com/acme",
            "credentialsSecretRef": {"name": "highq-oauth"},
        },
    }
    return {
        "apiVersion": "profileimagesync.io/v1alpha1",
        "kind": "ProfileImageSync",
        "metadata": {"name": "acme", **metadata},
        "spec": _merged(spec, patch or {}),
    }


def _merged(document: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = deepcopy(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _ad(**fields: Any) -> dict[str, Any]:
    return {"activeDirectory": fields}


def _highq(**fields: Any) -> dict[str, Any]:
    return {"highq": fields}


def _schedule(schedule: str) -> dict[str, Any]:
    return {"schedule": schedule}


_PEOPLE = "OU=People,DC=corp,DC=example"
_SERVER = "spec.activeDirectory.servers"
_URL = "spec.highq.url"
_MATCH = "spec.highq.match"
_CRON = "spec.schedule"
_LDAPS = "must be ldaps://host or ldap://host (StartTLS)"
_HTTPS = "must be https://host/instance"
_TOLERATION = "spec.job.tolerations[0]"

BAD = (
    # unknown, missing and badly typed fields
    BadManifest("unknown field", {"servers": []}, "spec.servers", "is no known field"),
    BadManifest("misspelt field", {"schedul": "@daily"}, "spec.schedul", "did you mean schedule?"),
    BadManifest(
        "Python's spelling",
        _ad(search_bases=[_PEOPLE]),
        "spec.activeDirectory.search_bases",
        "did you mean searchBases?",
    ),
    BadManifest(
        "namespace in a reference",
        _ad(credentialsSecretRef={"name": "a", "namespace": "b"}),
        "spec.activeDirectory.credentialsSecretRef.namespace",
        "is no known field",
    ),
    BadManifest("no directory", {"activeDirectory": None}, "spec.activeDirectory", "is required"),
    BadManifest(
        "no account",
        _ad(credentialsSecretRef=None),
        "spec.activeDirectory.credentialsSecretRef",
        "is required",
    ),
    BadManifest("no url", _highq(url=None), _URL, "is required"),
    BadManifest("text for a flag", {"suspend": "yes"}, "spec.suspend", "must be true or false"),
    BadManifest(
        "text for a number", {"image": {"maxSize": "512"}}, "spec.image.maxSize", "whole number"
    ),
    BadManifest("number for text", {"runRequest": 7}, "spec.runRequest", "must be text"),
    BadManifest("text for a list", _ad(servers="ldaps://dc1"), _SERVER, "must be a list"),
    BadManifest(
        "text for an object",
        _highq(credentialsSecretRef="highq-oauth"),
        "spec.highq.credentialsSecretRef",
        "must be an object",
    ),
    # words
    BadManifest("mode in lower case", {"mode": "continuous"}, "spec.mode", "'Continuous' or"),
    BadManifest(
        "unknown firstSync", {"firstSync": "Skip"}, "spec.firstSync", "'Override', 'Adopt' or"
    ),
    BadManifest("unknown fit", {"image": {"fit": "Stretch"}}, "spec.image.fit", "'Crop' or"),
    BadManifest("unknown focus", {"image": {"focus": "Left"}}, "spec.image.focus", "'Top' or"),
    BadManifest("unknown endpoint", _highq(endpoint="v5"), "spec.highq.endpoint", "'Avatar' or"),
    BadManifest(
        "unknown policy",
        {"state": {"deletionPolicy": "Keep"}},
        "spec.state.deletionPolicy",
        "'Retain' or",
    ),
    # schedule
    BadManifest(
        "Continuous without schedule", {"schedule": None}, _CRON, "when mode is Continuous"
    ),
    BadManifest("minute 60", _schedule("60 * * * *"), _CRON, "minute '60'"),
    BadManifest("hour 24", _schedule("0 24 * * *"), _CRON, "hour '24'"),
    BadManifest("day 0", _schedule("0 0 0 * *"), _CRON, "day of the month '0'"),
    BadManifest("month 13", _schedule("0 0 1 13 *"), _CRON, "month '13'"),
    BadManifest("Sunday as 7", _schedule("0 0 * * 7"), _CRON, "day of the week '7'"),
    BadManifest("step 0", _schedule("*/0 * * * *"), _CRON, "minute '*/0'"),
    BadManifest("last day", _schedule("0 0 L * *"), _CRON, "day of the month 'L'"),
    BadManifest("second Monday", _schedule("0 0 * * 1#2"), _CRON, "day of the week '1#2'"),
    BadManifest("six fields", _schedule("0 0 * * * *"), _CRON, "must be five fields"),
    BadManifest("four fields", _schedule("0 0 * *"), _CRON, "must be five fields"),
    BadManifest("no fields", _schedule(""), _CRON, "must be five fields"),
    BadManifest("reboot", _schedule("@reboot"), _CRON, "'@reboot' is no known word"),
    BadManifest("every", _schedule("@every 1h"), _CRON, "'@every 1h' is no known word"),
    BadManifest("zone in schedule", _schedule("TZ=Etc/UTC 0 0 * *"), _CRON, "goes into timeZone"),
    BadManifest("range runs back", _schedule("0 22-2 * * *"), _CRON, "backwards", server=False),
    BadManifest("30 February", _schedule("0 0 30 2 *"), _CRON, "never comes", server=False),
    BadManifest("schedule too long", _schedule("1," * 60 + "1 * * * *"), _CRON, "at most 100"),
    BadManifest("local time", {"timeZone": "Local"}, "spec.timeZone", "IANA"),
    BadManifest("zone as TZ=", {"timeZone": "TZ=Etc/UTC"}, "spec.timeZone", "IANA"),
    BadManifest(
        "no such zone", {"timeZone": "Europe/Kyjiw"}, "spec.timeZone", "IANA", server=False
    ),
    BadManifest("request too long", {"runRequest": "x" * 129}, "spec.runRequest", "at most 128"),
    # directory
    BadManifest("neither servers nor domain", _ad(servers=None), _SERVER, "exactly one of the two"),
    BadManifest(
        "servers and domain", _ad(domain="corp.example"), _SERVER, "exactly one of the two"
    ),
    BadManifest("no server", _ad(servers=[]), _SERVER, "at least 1"),
    BadManifest(
        "http server", _ad(servers=["http://dc1"]), f"{_SERVER}[0]", f"'http://dc1' {_LDAPS}"
    ),
    BadManifest("bare host", _ad(servers=["ldaps://a", "dc1"]), f"{_SERVER}[1]", _LDAPS),
    BadManifest("server with a path", _ad(servers=["ldaps://dc1/x"]), f"{_SERVER}[0]", _LDAPS),
    BadManifest("server with a user", _ad(servers=["ldaps://u:p@dc1"]), f"{_SERVER}[0]", _LDAPS),
    BadManifest("port 65536", _ad(servers=["ldaps://dc1:65536"]), f"{_SERVER}[0]", _LDAPS),
    BadManifest("port 0", _ad(servers=["ldaps://dc1:0"]), f"{_SERVER}[0]", _LDAPS),
    BadManifest("a server twice", _ad(servers=["ldaps://a", "ldaps://A"]), _SERVER, "twice"),
    BadManifest(
        "too many servers", _ad(servers=[f"ldaps://{n}" for n in range(17)]), _SERVER, "at most 16"
    ),
    BadManifest(
        "base without =",
        _ad(searchBases=["People"]),
        "spec.activeDirectory.searchBases[0]",
        "distinguished name",
    ),
    BadManifest(
        "group without =",
        _ad(groups=[_PEOPLE, "Staff,"]),
        "spec.activeDirectory.groups[1]",
        "distinguished name",
    ),
    BadManifest(
        "filter without brackets",
        _ad(userFilter="department=Legal"),
        "spec.activeDirectory.userFilter",
        "in brackets that pair",
    ),
    BadManifest(
        "filter unbalanced",
        _ad(userFilter="(&(a=b)"),
        "spec.activeDirectory.userFilter",
        "in brackets that pair",
    ),
    BadManifest(
        "no image attribute",
        _ad(imageAttributes=[]),
        "spec.activeDirectory.imageAttributes",
        "at least 1",
    ),
    BadManifest(
        "no attribute's name",
        _ad(imageAttributes=["thumbnail Photo"]),
        "spec.activeDirectory.imageAttributes[0]",
        "LDAP name of an attribute",
    ),
    BadManifest(
        "an attribute twice",
        _ad(imageAttributes=["jpegPhoto", "jpegphoto"]),
        "spec.activeDirectory.imageAttributes",
        "twice",
    ),
    BadManifest(
        "no Secret's name",
        _ad(credentialsSecretRef={"name": "AD_Bind"}),
        "spec.activeDirectory.credentialsSecretRef.name",
        "must be a name",
    ),
    BadManifest(
        "bundle of another kind",
        _ad(caBundleRef={"name": "ca", "kind": "File"}),
        "spec.activeDirectory.caBundleRef.kind",
        "'ConfigMap' or 'Secret'",
    ),
    BadManifest(
        "key that climbs",
        _ad(caBundleRef={"name": "ca", "key": "../ca.crt"}),
        "spec.activeDirectory.caBundleRef.key",
        "must be a key",
    ),
    BadManifest(
        "interval in days",
        _ad(fullSweepInterval="7d"),
        "spec.activeDirectory.fullSweepInterval",
        "'7d' must be a duration",
    ),
    BadManifest(
        "interval too short",
        _ad(fullSweepInterval="30s"),
        "spec.activeDirectory.fullSweepInterval",
        "from 1m to 8760h",
    ),
    # HighQ
    BadManifest("plain http", _highq(url="http://acme.highq.com/acme"), _URL, _HTTPS),
    BadManifest("user in url", _highq(url="https://u:p@acme.highq.com/acme"), _URL, _HTTPS),
    BadManifest("url without instance", _highq(url="https://acme.highq.com"), _URL, _HTTPS),
    BadManifest("url of a page", _highq(url="https://acme.highq.com/acme/x.action"), _URL, _HTTPS),
    BadManifest("url with a query", _highq(url="https://acme.highq.com/acme?a=b"), _URL, _HTTPS),
    BadManifest("url with a fragment", _highq(url="https://acme.highq.com/acme#a"), _URL, _HTTPS),
    BadManifest("no rule", _highq(match=[]), _MATCH, "at least 1"),
    BadManifest(
        "match by name",
        _highq(match=[{"activeDirectory": "cn", "highq": "name"}]),
        f"{_MATCH}[0].highq",
        "'email' or 'externalid'",
    ),
    BadManifest(
        "match by half a rule",
        _highq(match=[{"activeDirectory": "mail"}]),
        f"{_MATCH}[0].highq",
        "is required",
    ),
    BadManifest(
        "a rule twice",
        _highq(match=[{"activeDirectory": a, "highq": "email"} for a in ("mail", "Mail")]),
        _MATCH,
        "twice",
    ),
    BadManifest(
        "no requests", _highq(requestsPerMinute=0), "spec.highq.requestsPerMinute", "at least 1"
    ),
    BadManifest(
        "a proxy with a password in it",
        _highq(proxy={"url": "http://me:pass@proxy:3128"}),
        "spec.highq.proxy.url",
        "without user or password",
    ),
    BadManifest(
        "a Secret's name that leaves no room for ours",
        _highq(credentialsSecretRef={"name": "a" * 241}),
        "spec.highq.credentialsSecretRef.name",
        "at most 240",
    ),
    # state
    BadManifest(
        "no id of a state",
        {"state": {"acknowledgeLoss": "yes"}},
        "spec.state.acknowledgeLoss",
        "must be the id of a state",
    ),
    # image, safety, job
    BadManifest(
        "image too small", {"image": {"maxSize": 255}}, "spec.image.maxSize", "at least 256"
    ),
    BadManifest(
        "image too large", {"image": {"maxSize": 4096}}, "spec.image.maxSize", "at most 2048"
    ),
    BadManifest(
        "source of no size",
        {"image": {"minSourceSize": 0}},
        "spec.image.minSourceSize",
        "at least 1",
    ),
    BadManifest(
        "more than all",
        {"safety": {"maxChangedPercent": 101}},
        "spec.safety.maxChangedPercent",
        "at most 100",
    ),
    BadManifest(
        "less than none",
        {"safety": {"minPeoplePercent": -1}},
        "spec.safety.minPeoplePercent",
        "at least 0",
    ),
    BadManifest(
        "no first uploads",
        {"safety": {"maxFirstUploads": 0}},
        "spec.safety.maxFirstUploads",
        "at least 1",
    ),
    BadManifest(
        "no time", {"job": {"activeDeadlineSeconds": 59}}, "spec.job.activeDeadlineSeconds", "60"
    ),
    BadManifest("too many tries", {"job": {"backoffLimit": 21}}, "spec.job.backoffLimit", "20"),
    BadManifest(
        "no quantity",
        {"job": {"resources": {"requests": {"memory": "1 GB"}}}},
        "spec.job.resources.requests.memory",
        "must be a quantity",
    ),
    BadManifest(
        "no label",
        {"job": {"nodeSelector": {"a b": "c"}}},
        "spec.job.nodeSelector",
        "keys of labels",
    ),
    BadManifest(
        "no label's value",
        {"job": {"nodeSelector": {"a": "b c"}}},
        "spec.job.nodeSelector",
        "value of a label",
    ),
    BadManifest(
        "Exists with a value",
        {"job": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        f"{_TOLERATION}.value",
        "must be left out",
    ),
    BadManifest(
        "no key",
        {"job": {"tolerations": [{"value": "b"}]}},
        f"{_TOLERATION}.key",
        "must be given",
    ),
    BadManifest(
        "every taint",
        {"job": {"tolerations": [{"operator": "Exists"}]}},
        f"{_TOLERATION}.key",
        "must not tolerate every taint",
    ),
    BadManifest(
        "seconds without NoExecute",
        {"job": {"tolerations": [{"key": "a", "tolerationSeconds": 3}]}},
        f"{_TOLERATION}.effect",
        "must be NoExecute",
    ),
)

# By name: patches of the spec that must pass.
GOOD: dict[str, dict[str, Any]] = {
    "nothing more": {},
    "OneOff without schedule": {"mode": "OneOff", "schedule": None},
    "OneOff with schedule": {"mode": "OneOff", "schedule": "@daily-random"},
    "words in a schedule": _schedule("0,30 6-20/2 1-7 JAN,mar-Jun mon-fri"),
    "a step from a number": _schedule("5/15 * * * *"),
    "leap day": _schedule("0 0 29 2 *"),
    "half-hour zone": {"timeZone": "Asia/Kathmandu"},
    "zone of one word": {"timeZone": "UTC"},
    "StartTLS with a port": _ad(servers=["ldap://dc1.corp.example:3268", "ldaps://10.0.0.1"]),
    "two bases and a group": _ad(searchBases=[_PEOPLE, "OU=Partners, DC=corp"], groups=[_PEOPLE]),
    "a filter with brackets in a value": _ad(userFilter=r"(&(cn=a\28b\29)(!(title=*)))"),
    "another attribute": _ad(imageAttributes=["jpegPhoto", "thumbnailPhoto"]),
    "a bundle in a Secret": _ad(caBundleRef={"kind": "Secret", "name": "ca", "key": "tls.crt"}),
    "a sweep a day": _ad(fullSweepInterval="23h59m60s"),
    "url with a slash and a port": _highq(url="https://localhost:8443/acme/"),
    "primary SMTP address": _highq(match=[{"activeDirectory": "proxyAddresses", "highq": "email"}]),
    "external id": _highq(match=[{"activeDirectory": "employeeID", "highq": "externalid"}]),
    "a proxy with credentials": _highq(
        proxy={"url": "http://proxy.corp.example:3128", "credentialsSecretRef": {"name": "proxy"}}
    ),
    "our own ceiling": _highq(requestsPerMinute=120, endpoint="ProfileImage"),
    "all of image": {
        "image": {"fit": "Pad", "focus": "Center", "maxSize": 256, "minSourceSize": 1}
    },
    "all of safety": {"safety": {"maxChangedPercent": 100, "minPeoplePercent": 0}},
    "all of state": {
        "state": {
            "deletionPolicy": "Delete",
            "id": "5f1b7c1e-93a4-4f3b-9d55-0b7a4f0c2d11",
            "acknowledgeLoss": "5f1b7c1e-93a4-4f3b-9d55-0b7a4f0c2d11",
        }
    },
    "a job": {
        "job": {
            "resources": {"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"cpu": "500m"}},
            "nodeSelector": {"kubernetes.io/arch": "arm64", "example.com/empty": ""},
            "tolerations": [
                {"key": "dedicated", "operator": "Exists"},
                {"key": "a", "effect": "NoExecute", "tolerationSeconds": 3},
            ],
        }
    },
}
