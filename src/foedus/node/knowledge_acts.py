"""Telling: acts about packets and tasks, ordered in this node's chain of a domain.

Publishing is an act at home, and never waits. It crosses a border where a peer takes it up; what that peer will say of
it is judged here beforehand, to cite the grants that carry it there, and to tell the author where none does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from foedus.base.cbor import Malformed, NotCanonical, encode
from foedus.base.errors import UsageError
from foedus.base.limits import REFS_MAX
from foedus.log import streams
from foedus.log.knowledge import KNOWLEDGE_SHAPES, KnowledgeBody, KnowledgeRepublish, read_knowledge, subject_of
from foedus.log.port import Row
from foedus.node.author import Draft
from foedus.node.knowledge_forms import Form
from foedus.node.knowledge_values import KeptFrom, KnowledgePlaced
from foedus.state.knowledge.source import prove, read_source
from foedus.trust import border
from foedus.trust.door import may_see

if TYPE_CHECKING:
    from collections.abc import Callable

    from foedus.node.composition import Node
    from foedus.trust.border import Crossing

_MALFORMED = "see docs/knowledge.md for what a packet and a task may hold"


class KnowledgeActs:
    """Orders what is told. ``name_of``: what a node is called here."""

    def __init__(self, node: Node, name_of: Callable[[bytes], str]) -> None:
        self._node = node
        self._name_of = name_of

    def draft(self, form: Form, domain: str, plain: Mapping[str, Any]) -> Draft:
        """Return an act for the node to sign; raise UsageError where it says nothing that can be told."""
        stream, body = stream_of(domain), encode(dict(plain))
        refs = self.check(form.kind, body)
        if not form.as_:
            draft = self._node.author.node_act(stream, form.kind, body)
        else:
            who = self._node.agents.find(form.as_)
            auth, key = [self._node.agents.enrolment(who)], self._node.agents.key(who)
            draft = self._node.author.custodial_act(stream, form.kind, body, auth, who.did, key)
        return draft._replace(act=replace(draft.act, refs=refs))

    def check(self, kind: str, body: bytes) -> tuple[bytes, ...]:
        """Return what an act refers to; raise UsageError where its body has not the shape of its kind."""
        if kind not in KNOWLEDGE_SHAPES:
            raise UsageError(f"{kind[:80]!r} tells no knowledge", code="not_permitted", remedy=_MALFORMED)
        try:
            read = read_knowledge(kind, body)
        except (NotCanonical, Malformed) as error:
            raise UsageError(f"the body of the act: {error}", code="malformed_event", remedy=_MALFORMED) from None
        if isinstance(read, KnowledgeRepublish):
            return (self._check_source(read.source),)
        return refs_of(read)

    def _check_source(self, source: bytes) -> bytes:
        """Return the id of what is passed on; nobody passes on here what does not hold."""
        found = read_source(source)
        if found is None or prove(source, self._node.knowledge.indexer.key_of) == "forged":
            raise UsageError("that is no packet that can be passed on", code="bad_source", remedy=_MALFORMED)
        if self._node.store.admission.erasures.erased_by(found.id, found.event) is not None:
            raise UsageError("that packet was erased", code="already_erased", remedy="ask who wrote it")
        return found.id

    async def order(self, drafts: Sequence[Draft]) -> list[KnowledgePlaced]:
        """Order acts in this order, all or none; raise Refusal where they are not authorised."""
        for author, count in Counter(str(draft.act.author) for draft in drafts).items():
            self._node.rates.take("speech_per_participant", author, count)
        carried, kept = [], []
        for draft in drafts:
            ready, clauses = self._carried(draft)
            carried.append(ready)
            kept.append(clauses)
        rows = await self._node.author.order(carried)
        return [_placed(row, mine) for row, mine in zip(rows, kept, strict=True)]

    def _carried(self, draft: Draft) -> tuple[Draft, list[KeptFrom]]:
        crossings: dict[bytes, Crossing] = {}
        node = self._node
        own, stream = node.store.node, streams.parse(draft.stream)
        for peer in node.peers.book.peers.values():
            crossing = border.in_knowledge(draft.act, stream.subject, peer.node, own)
            if crossing is not None and may_see(peer, own, stream, node.audience):
                crossings[peer.node] = crossing
        ready, clauses = node.consent.carried_to(draft, list(crossings.values()))
        return ready, [
            KeptFrom(node=peer.hex(), name=self._name_of(peer), clause=clause)
            for peer, clause in zip(crossings, clauses, strict=True)
            if clause
        ]


def stream_of(domain: str) -> str:
    """Return the stream of a domain that a person or program named; raise UsageError."""
    try:
        return streams.knowledge(domain)
    except Malformed:
        raise UsageError(
            f"{domain[:80]!r} is no domain of knowledge",
            code="bad_domain",
            remedy="a domain is small letters and digits, with single dots or hyphens between, at most 64 in all",
        ) from None


def refs_of(body: KnowledgeBody) -> tuple[bytes, ...]:
    """Return what an act refers to: what it is about, and what it stands on."""
    subject = subject_of(body)
    named: Any = (*getattr(body, "dependencies", ()), *getattr(body, "packets", ()))
    return tuple(dict.fromkeys((*((subject,) if subject else ()), *named)))[:REFS_MAX]


def _placed(row: Row, kept: list[KeptFrom]) -> KnowledgePlaced:
    return KnowledgePlaced(id=row.id.hex(), stream=row.stream, seq=row.seq, hlc=list(row.hlc), kept_from=kept)
