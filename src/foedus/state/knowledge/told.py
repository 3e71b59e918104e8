"""What was told about a packet or a task: the one input of both folds, and the order that they fold in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.clock import Hlc, Instant
from foedus.log.event import Envelope, Event
from foedus.log.knowledge import KnowledgeBody, read_knowledge

Author: TypeAlias = str | bytes
"""did:key of a participant, or a node id where the node itself speaks."""


class Told(NamedTuple):
    """One act that counts here. ``body`` None: it is erased, did not come yet, or has not the shape of its kind."""

    id: bytes
    domain: str
    node: bytes
    author: Author
    hlc: Hlc
    at: Instant
    kind: str
    body: KnowledgeBody | None


def told_of(event_id: bytes, event: Event, envelope: Envelope, node: bytes) -> Told:
    """Return what an event of ``knowledge:<domain>`` tells; its kind is one of ``log.knowledge``."""
    act = event.act
    domain = event.stream.partition(":")[2]
    return Told(event_id, domain, node, act.author, event.hlc, act.at, act.kind, body_of(act.kind, envelope))


def body_of(kind: str, envelope: Envelope) -> KnowledgeBody | None:
    """Return the body, None where it is not there or has not the shape of its kind."""
    if envelope.body is None:
        return None
    try:
        return read_knowledge(kind, envelope.body)
    except (NotCanonical, Malformed):
        return None


def in_order(told: Iterable[Told]) -> list[Told]:
    """Return each act once, by clock, node and id: the same for everybody who holds the same, however it came."""
    return sorted({one.id: one for one in told}.values(), key=_place)


def _place(told: Told) -> tuple[Hlc, bytes, bytes]:
    return told.hlc, told.node, told.id


def is_by(told: Told, first: Told) -> bool:
    """Whether two acts are of one author at one node."""
    return told.node == first.node and told.author == first.author


def is_by_node_of(told: Told, first: Told) -> bool:
    """Whether an act is of the node itself at which another was written."""
    return told.node == first.node and told.author == told.node
