"""A task, folded from what was told about it: the same in every order of arrival.

The acts are taken by (clock, node, id). A claim holds the task where nobody does; it lapses a lease after it, or after
the last progress of its author, and then the next claim holds. Of claims that were made at the same time, at nodes that
did not hear of each other, the first in this order therefore wins everywhere, once both are held.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.log.knowledge import TaskClaim, TaskDone, TaskOffer, TaskProgress
from foedus.state.knowledge.told import Author, Told, in_order, is_by, is_by_node_of

TaskState: TypeAlias = Literal["offered", "claimed", "done", "cancelled"]


class Task(NamedTuple):
    """A task. ``holder``: the claim that holds it, or held it as it was done; ``until``: when that claim lapses.

    ``progress``: what its holder told; ``ended``: the act that ended it.
    """

    id: bytes
    domain: str
    node: bytes
    author: Author
    offer: Told
    state: TaskState
    holder: Told | None
    until: Instant
    progress: tuple[Told, ...]
    ended: Told | None


def fold_task(task: bytes, told: Iterable[Told]) -> Task | None:
    """Return the task that the event ``task`` offered; None where that is not among what was told, or is erased."""
    ordered = in_order(told)
    first = next((place for place, one in enumerate(ordered) if one.id == task), None)
    if first is None or not isinstance(ordered[first].body, TaskOffer):
        return None
    offer = ordered[first]
    found = Task(task, offer.domain, offer.node, offer.author, offer, "offered", None, 0, (), None)
    for one in ordered[first + 1 :]:
        if one.domain == offer.domain and _names(one, task) and found.ended is None:
            found = _step(found, one)
    return found


def _names(told: Told, task: bytes) -> bool:
    return isinstance(told.body, TaskClaim | TaskProgress | TaskDone) and told.body.task == task


def _step(task: Task, told: Told) -> Task:
    """Return the task after one act; what its author may not do now changes nothing."""
    holds = task.holder is not None and is_by(told, task.holder)
    lapses = told.hlc.us + _lease(task)
    match told.body:
        case TaskClaim() if task.holder is None or told.hlc.us > task.until:
            return task._replace(state="claimed", holder=told, until=lapses, progress=())
        case TaskProgress() if holds:
            return task._replace(until=lapses, progress=(*task.progress, told))
        case TaskDone(outcome="done") if holds:
            return task._replace(state="done", ended=told)
        case TaskDone(outcome="given_up") if holds:
            return task._replace(state="offered", holder=None, until=0, progress=())
        case TaskDone(outcome="cancelled") if is_by(told, task.offer) or is_by_node_of(told, task.offer):
            return task._replace(state="cancelled", ended=told)
    return task


def _lease(task: Task) -> Instant:
    body = task.offer.body
    return body.lease * SECOND if isinstance(body, TaskOffer) else 0
