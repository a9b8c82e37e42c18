"""Reads one resource and its children, and turns what it reads into data. Writes nothing.

Children come from the informer's copy. The API server is asked only for what the copy does not hold: the
content of the state's header when its version has changed, two Secrets when a run starts, and the versions of
Secrets and ConfigMaps after a run that needs a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from profile_image_sync import names
from profile_image_sync.api.referenced_keys import referenced_keys
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.state_header import StateHeader, decode_header
from profile_image_sync.api.validation import validated
from profile_image_sync.controller import manifests, run_result
from profile_image_sync.controller.actions import Children
from profile_image_sync.controller.bodies import Body, Tenant, annotations_of, controller_of
from profile_image_sync.controller.job_views import job_views
from profile_image_sync.controller.snapshot import Blocker, Observed, OtherState, Reference
from profile_image_sync.controller.stored import (
    acknowledged_spec,
    read_reference,
    read_report,
    read_status,
)
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import ObjectStore

REQUEST_LENGTH = 128  # characters of the annotation that count; spec.runRequest has no more

NOT_ASKED = "?"  # in place of the name of a run

_NAMED_AS_RESOURCE = ("Lease", "ServiceAccount", "Role", "RoleBinding", "CronJob")

At = tuple[str, str]  # kind and name


class Ownership(Enum):
    """Whom an object of a child's name belongs to."""

    OURS = auto()
    FORMER = auto()  # a former resource of this name; the garbage collector is about to take it
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the copy does not hold, as last asked for."""

    run: str  # the Secrets are asked for again when another run is under way
    header: Body | None
    secrets: dict[At, Ownership] | None  # those that are there; None: not asked, taken for ours

    def after(self, written: Sequence[Body]) -> Asked:
        """Return what is known once we wrote these objects ourselves: no need to ask for them."""
        if not written:
            return self
        made = {(each["kind"], each["metadata"]["name"]): each for each in written}
        secrets = {at: Ownership.OURS for at in made if at[0] == "Secret"}
        headers = [each for each in made.values() if names.HEADER_KEY in each.get("data", {})]
        runs = [self.run.strip(NOT_ASKED), *(name for kind, name in made if kind == "Job")]
        return Asked(
            run=" ".join(runs).strip(),
            header=headers[0] if headers else self.header,
            secrets=None if self.secrets is None else self.secrets | secrets,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A resource as it stands, its children, and what was asked for."""

    observed: Observed
    children: Children
    asked: Asked


class Observer:
    """Reads for the reconciler; each call is about one resource."""

    def __init__(self, client: ApiClient, store: ObjectStore) -> None:
        """Take a client, and the copy that an informer keeps."""
        self._client = client
        self._store = store

    def resource(self, namespace: str, name: str) -> Body | None:
        """Return the resource, unless it is being deleted."""
        body = self._store.get(ObjectRef(names.KIND, namespace, name))
        return None if body is None or body["metadata"].get("deletionTimestamp") else body

    def observe(self, body: Body, before: Asked | None, *, anew: bool = False) -> Snapshot:
        """Read everything about this resource; `before`: what was asked for the last time.

        `anew`: ask for it again, because a run is about to start, or something is wrong.
        Raises InvalidSpec for what only we can tell (a time zone that does not exist), ApiError.
        """
        tenant = tenant_of(body)
        copies = self._copies(tenant)
        ownership = {at: ownership_of(each, tenant) for at, each in copies.items()}
        live = {at: each for at, each in copies.items() if ownership[at] is Ownership.OURS}
        schedule = live.get(("CronJob", names.child(tenant.name)))
        owners = {tenant.uid, schedule["metadata"]["uid"] if schedule else tenant.uid}
        labelled = self._store.labelled(tenant.namespace, tenant.name)
        jobs = job_views(labelled, owners)
        going = [job.name for job in jobs if job.finished is None]
        asked = self._ask(tenant, live, None if anew else before, " ".join(going), anew=anew)
        ownership |= asked.secrets or {}
        header, unreadable = _header(asked.header)
        state = [each for each in labelled if _is_state(each)]
        shards = [] if asked.header else [ownership_of(each, tenant) for each in state]
        observed = Observed(
            tenant=tenant,
            annotation=annotations_of(body).get(names.RUN_REQUEST_ANNOTATION, "")[:REQUEST_LENGTH],
            acknowledgement=annotations_of(body).get(names.ACKNOWLEDGE_ANNOTATION, ""),
            status=read_status(body),
            header=header,
            unreadable=unreadable,
            shards=len(shards),
            report=read_report(live.get(("ConfigMap", names.report(tenant.name)))),
            jobs=jobs,
            references=(),
            foreign=_described(ownership, Ownership.FOREIGN),
            terminating=_described(ownership, Ownership.FORMER)
            or ((names.state(tenant.name),) if Ownership.FORMER in shards else ()),
            orphans=() if asked.header or shards else self._orphans(tenant),
        )
        last = run_result.latest(observed)
        if last and last.needs_human:
            observed = replace(observed, references=self.references(tenant))
        children = Children(live, _to_own(tenant, state), _unread(tenant, asked))
        return Snapshot(observed, children, asked)

    def references(self, tenant: Tenant) -> tuple[Reference, ...]:
        """Ask for the versions of what the spec names. Raises ApiError."""
        wanted = dict.fromkeys((each.kind, each.name) for each in referenced_keys(tenant.spec))
        refs = [ObjectRef(kind, tenant.namespace, name) for kind, name in wanted]
        return tuple(
            read_reference(ref.kind, ref.name, self._client.get_metadata(ref)) for ref in refs
        )

    def _copies(self, tenant: Tenant) -> dict[At, Body]:
        """Return what is known of the children without asking."""
        child, token = names.child(tenant.name), tenant.spec.highq.credentials_secret_ref.name
        wanted = [(kind, child) for kind in _NAMED_AS_RESOURCE]
        wanted += [("ConfigMap", name(tenant.name)) for name in (names.state, names.report)]
        wanted += [("Lease", names.token(token))]
        refs = [ObjectRef(kind, tenant.namespace, name) for kind, name in wanted]
        found = {(ref.kind, ref.name): self._store.get(ref) for ref in refs}
        return {at: each for at, each in found.items() if each}

    def _ask(
        self, tenant: Tenant, live: dict[At, Body], before: Asked | None, run: str, *, anew: bool
    ) -> Asked:
        """Ask for what has changed since: the header's content, the Secrets of the run under way."""
        ref = ObjectRef("ConfigMap", tenant.namespace, names.state(tenant.name))
        copy = live.get((ref.kind, ref.name))
        header = before.header if before and copy else None
        if copy and (header is None or _version(header) != _version(copy)):
            header = self._client.get(ref)
        if before and before.run == run:
            return Asked(run, header, before.secrets)
        if copy is None:  # new: what is there shows when it is made; the next look asks
            return Asked(NOT_ASKED, None, {})
        if before is None and not run and not anew:  # after a restart nobody needs them yet
            return Asked(run, header, None)
        refs = [ObjectRef("Secret", tenant.namespace, name) for name in manifests.secrets(tenant)]
        found = {(ref.kind, ref.name): self._client.get_metadata(ref) for ref in refs}
        return Asked(run, header, {at: ownership_of(b, tenant) for at, b in found.items() if b})

    def _orphans(self, tenant: Tenant) -> tuple[OtherState, ...]:
        """Return the states in the namespace for the same HighQ whose resource is gone."""
        found = []
        for ref in self._store.refs("ConfigMap", tenant.namespace):
            resource = ref.name.removeprefix("pisync-").removesuffix("-state")
            if ref.name != names.state(resource):
                continue
            if ObjectRef(names.KIND, tenant.namespace, resource) in self._store:
                continue
            header, _ = _header(self._client.get(ref))
            if header and header.highq == tenant.spec.highq.address:
                found.append(OtherState(resource, str(header.id)))
        return tuple(found)


def tenant_of(body: Body) -> Tenant:
    """Return the resource as its children need to know it. Raises InvalidSpec."""
    judged = {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    tenant = Tenant.of(validated(ProfileImageSync, judged), body["metadata"]["uid"])
    annotation = annotations_of(body).get(names.ACKNOWLEDGE_ANNOTATION, "")
    return replace(tenant, spec=acknowledged_spec(tenant.spec, annotation))


def ownership_of(body: Body, tenant: Tenant) -> Ownership:
    """Return whom an object of a child's name belongs to."""
    owner = controller_of(body)
    if owner is None:  # what is retained, or was orphaned
        labels = body["metadata"].get("labels", {})
        ours = labels.get(names.MANAGED_BY_LABEL) == names.PRODUCT
        return Ownership.OURS if ours else Ownership.FOREIGN
    if owner["uid"] == tenant.uid:
        return Ownership.OURS
    former = (owner["kind"], owner["name"]) == (names.KIND, tenant.name)
    return Ownership.FORMER if former else Ownership.FOREIGN


def _described(ownership: dict[At, Ownership], which: Ownership) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" for (kind, name), it in ownership.items() if it is which)


def _unread(tenant: Tenant, asked: Asked) -> frozenset[At]:
    """Return the Secrets that are there: their content is not for us."""
    wanted = {("Secret", name) for name in manifests.secrets(tenant)}
    return frozenset(wanted if asked.secrets is None else wanted & asked.secrets.keys())


def _to_own(tenant: Tenant, state: list[Body]) -> tuple[Body, ...]:
    """Return the state's objects if the owner of one is not as it must be."""
    owned = manifests.state_is_owned(tenant)
    wrong = any((controller_of(each) is not None) is not owned for each in state)
    return tuple(state) if wrong else ()


def _is_state(body: Body) -> bool:
    labels: dict[str, str] = body["metadata"].get("labels", {})
    return body["kind"] == "ConfigMap" and labels.get(names.COMPONENT_LABEL) == "state"


def _version(body: Body) -> str:
    version: str = body["metadata"]["resourceVersion"]
    return version


def _header(body: Body | None) -> tuple[StateHeader | None, Blocker | None]:
    """Return the state's header, or why it cannot be read."""
    if body is None:
        return None, None
    where = f"ConfigMap {body['metadata']['name']}"
    try:
        return decode_header(body.get("data", {}).get(names.HEADER_KEY, "").encode(), where), None
    except PermanentError as error:
        return None, Blocker(error.reason, str(error))
