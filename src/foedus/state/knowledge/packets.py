"""A packet, folded from what was told about it: the same in every order of arrival.

Only its author revises a packet; its author, or the node where it was written, retracts it, and that is final. What
anybody else says of it counts for nothing. Of several revisions the last by (clock, node, id) holds; one whose body is
erased says nothing, so the one before it holds again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.log.knowledge import KnowledgePublish, KnowledgeRepublish, KnowledgeRetract, KnowledgeRevise
from foedus.state.knowledge.source import read_source
from foedus.state.knowledge.told import Author, Told, in_order, is_by, is_by_node_of

BEGINS = frozenset({"knowledge.publish", "knowledge.republish"})
"""The kinds that begin a packet; the id of the event names it."""


class Packet(NamedTuple):
    """A packet. ``told``: its first act and its revisions, in order; ``retracted``: the first act that took it back."""

    id: bytes
    domain: str
    node: bytes
    author: Author
    told: tuple[Told, ...]
    retracted: Told | None

    @property
    def current(self) -> Told | None:
        """The act by whose words the packet stands now; None where all are erased, or it is retracted."""
        if self.retracted is not None:
            return None
        return next((told for told in reversed(self.told) if content_of(told) is not None), None)


def content_of(told: Told) -> KnowledgePublish | None:
    """Return what a first act or a revision says; of one that passes on, what the passed on says."""
    if isinstance(told.body, KnowledgePublish):  # a revision is one, too
        return told.body
    if isinstance(told.body, KnowledgeRepublish):
        source = read_source(told.body.source)
        return source.content if source is not None else None
    return None


def fold_packet(packet: bytes, told: Iterable[Told]) -> Packet | None:
    """Return the packet that the event ``packet`` began; None where that is not among what was told."""
    ordered = in_order(told)
    first = next((one for one in ordered if one.id == packet and one.kind in BEGINS), None)
    if first is None:
        return None
    later = [one for one in ordered if one.id != packet and one.domain == first.domain and _names(one, packet)]
    may_revise = first.kind == "knowledge.publish"
    revisions = [one for one in later if may_revise and isinstance(one.body, KnowledgeRevise) and is_by(one, first)]
    retractions = [
        one
        for one in later
        if isinstance(one.body, KnowledgeRetract) and (is_by(one, first) or is_by_node_of(one, first))
    ]
    return Packet(
        packet, first.domain, first.node, first.author, (first, *revisions), retractions[0] if retractions else None
    )


def _names(told: Told, packet: bytes) -> bool:
    return isinstance(told.body, KnowledgeRevise | KnowledgeRetract) and told.body.packet == packet
