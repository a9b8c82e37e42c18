"""What the pods of a Job tell: how their run ended, or why it does not start. Pure.

From fields and codes only. Kubernetes' sentences are quoted at most: they change between versions, and
what was read out of them was wrong as often as not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from profile_image_sync.api import termination_message
from profile_image_sync.api.report import Report

QUOTED_CHARACTERS = 300

Pod = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a pod does not run, or was ended."""

    reason: str
    message: str
    human: bool  # retrying cannot help


@dataclass(frozen=True, slots=True)
class PodOwner:
    """A pod that has not ended, as an owner of what it needs."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known from the pods of one Job."""

    pods: int = 0
    going: PodOwner | None = None  # the newest pod, unless it has ended
    started: bool = False  # a container has run
    exit_code: int | None = None  # of the newest container that ended
    report: Report | None = None  # the termination message of the newest pod, if it left one
    problem: Problem | None = None  # of the newest pod


_MEMORY = "the worker used more memory than it may: raise spec.job.resources.limits.memory"
_IMAGE = "the worker's image cannot be used ({quote}): correct it, or its pull secrets, in the chart's values"
_CONTAINER = "the worker's container cannot be made ({quote}): see `kubectl describe pod {pod}`"
_NODE = "the pod was taken from its node ({quote}); its Job starts another"

# By the word that Kubernetes gives: what to say, and whether a person must act.
_WAITING = {
    "ImagePullBackOff": (_IMAGE, True),
    "ErrImagePull": (_IMAGE, True),
    "InvalidImageName": (_IMAGE, True),
    "ErrImageNeverPull": (_IMAGE, True),
    "CreateContainerConfigError": (_CONTAINER, True),
    "CreateContainerError": (_CONTAINER, True),
    "RunContainerError": (_CONTAINER, True),
}
_ENDED = {
    "OOMKilled": (_MEMORY, True),
    "ContainerCannotRun": (_CONTAINER, True),
    "StartError": (_CONTAINER, True),
}
REASONS_FOR_PEOPLE = frozenset(
    word for words in (_WAITING, _ENDED) for word, (_, human) in words.items() if human
)
_NEVER_STARTED = ("ContainerCannotRun", "StartError")
_TAKEN = ("Evicted", "NodeLost", "NodeShutdown", "Terminated", "Preempting", "Shutdown")


def evidence_of(pods: Sequence[Pod]) -> Evidence:
    """Read the pods of one Job."""
    ordered = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    if not ordered:
        return Evidence()
    newest, ended = ordered[-1], [each for pod in ordered if (each := _terminated(pod))]
    message = (_terminated(newest) or {}).get("message", "")
    over = newest.get("status", {}).get("phase") in ("Succeeded", "Failed")
    meta = newest["metadata"]
    return Evidence(
        pods=len(ordered),
        going=None if over else PodOwner(meta["name"], meta["uid"]),
        started=any(_has_started(pod) for pod in ordered),
        exit_code=ended[-1].get("exitCode") if ended else None,
        report=termination_message.decode(message) if message else None,
        problem=_problem(newest),
    )


def _problem(pod: Pod) -> Problem | None:
    return _not_scheduled(pod) or _waiting(pod) or _ended(pod) or _taken(pod)


def _not_scheduled(pod: Pod) -> Problem | None:
    condition = _condition(pod, "PodScheduled")
    if condition.get("status") != "False" or condition.get("reason") != "Unschedulable":
        return None
    quote = _quote(condition)
    return Problem(
        "Unschedulable", f"no node takes the worker's pod ({quote}): it waits", human=False
    )


def _waiting(pod: Pod) -> Problem | None:
    return _by_word(pod, _container(pod).get("state", {}).get("waiting") or {}, _WAITING)


def _ended(pod: Pod) -> Problem | None:
    return _by_word(pod, _terminated(pod) or {}, _ENDED)


def _by_word(pod: Pod, state: Pod, known: dict[str, tuple[str, bool]]) -> Problem | None:
    word = state.get("reason", "")
    if word not in known:
        return None
    text, human = known[word]
    return Problem(word, text.format(quote=_quote(state), pod=pod["metadata"]["name"]), human)


def _taken(pod: Pod) -> Problem | None:
    """Tell of a pod that its node or the cluster ended: the Job goes on with another."""
    status, disruption = pod.get("status", {}), _condition(pod, "DisruptionTarget")
    if disruption.get("status") == "True":
        word = disruption.get("reason", "Disrupted")
        return Problem(word, _NODE.format(quote=_quote(disruption)), human=False)
    if status.get("reason") in _TAKEN:
        return Problem(status["reason"], _NODE.format(quote=_quote(status)), human=False)
    return None


def _quote(part: Pod) -> str:
    return str(part.get("message") or part.get("reason") or "")[:QUOTED_CHARACTERS]


def _container(pod: Pod) -> Pod:
    found: list[Pod] = pod.get("status", {}).get("containerStatuses") or []
    return found[0] if found else {}


def _terminated(pod: Pod) -> Pod | None:
    ended: Pod | None = _container(pod).get("state", {}).get("terminated")
    return ended


def _has_started(pod: Pod) -> bool:
    state = _container(pod).get("state", {})
    ended = state.get("terminated") or {}
    return "running" in state or bool(ended and ended.get("reason") not in _NEVER_STARTED)


def _condition(pod: Pod, kind: str) -> Pod:
    found: list[Pod] = pod.get("status", {}).get("conditions") or []
    return next((each for each in found if each.get("type") == kind), {})
