"""Knowledge in answers to questions: a search that the built-in substrate asks beside messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.log import streams
from foedus.node.knowledge import Ranked
from foedus.query.kinds import PACKET
from foedus.query.port import Finding, Findings, Reader, Wanted

if TYPE_CHECKING:
    from foedus.node.composition import Node

_EXCERPT_CHARACTERS = 2_000
"""Of a packet that was found: a screen; the whole is where it was found."""


class KnowledgeAnswers:
    """``search`` has the form of the port's."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def search(self, text: str, wanted: Wanted) -> Findings:
        """Return packets that the reader may hear of, the best first."""
        knowledge, viewer = self._node.knowledge, self._viewer(wanted.reader)
        is_known = wanted.meaning is not None and knowledge.embedding.knows(wanted.meaning)
        meaning = wanted.meaning if is_known else None
        found = await knowledge.search(text, wanted.limit, viewer, meaning=meaning)
        return Findings([_finding(ranked) for ranked in found], by_meaning=is_known)

    def _viewer(self, reader: Reader) -> bytes | None:
        """Return the peer that is told: the asking node or, where that is none, who brought its question."""
        if reader.is_here:
            return None
        return reader.node if self._node.audience.tier(reader.node) is not None else reader.through


def _finding(ranked: Ranked) -> Finding:
    """Return a packet as it stands. ``content``: of the event by whose words it was found, so a revision is another."""
    packet, told, content, score = ranked
    author = packet.author
    body = {
        "stream": streams.knowledge(packet.domain),
        "origin": packet.node,
        "packet": packet.id,
        "author": author if isinstance(author, str) else author.hex(),
        "at": told.at,
        "type": content.type,
        "title": content.title,
        "text": content.content[:_EXCERPT_CHARACTERS],
        "cut": len(content.content) > _EXCERPT_CHARACTERS,
        "confidence": content.confidence,
        "tags": list(content.tags),
    }
    return Finding(told.id, PACKET, score, told.hlc, body)
