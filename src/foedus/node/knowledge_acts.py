"""Telling: acts about packets and tasks, ordered in this node's chain of a domain.

What is told crosses a border where a peer takes it up. What that peer will say of it is judged here beforehand: to cite
the grants that carry it there, to let an agent wait for a person where it flows to peers and none carries it to any of
them, and to tell the author where else it will not count.
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
from foedus.state.knowledge.source import prove, read_source
from foedus.trust import border
from foedus.trust.door import may_see
from foedus.values.knowledge import KeptFrom, KnowledgePlaced

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

    def proposal(self, form: Form, domain: str, plain: Mapping[str, Any]) -> Draft:
        """Return what an agent wants to tell, not signed: a human is asked for it."""
        stream, body = stream_of(domain), encode(dict(plain))
        refs, who = self.check(form.kind, body), self._node.agents.find(form.as_)
        device = self._node.agents.device(who)
        draft = self._node.author.node_act(stream, form.kind, body, [device.enrolment])
        return draft._replace(act=replace(draft.act, author=who.did, device=device.key, refs=refs))

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
        """Order acts in this order, all or none; raise Refusal where they are not authorised.

        One of an agent may have to wait for a human; raises NeedsApproval where it is one of several, or signed.
        """
        for author, count in Counter(str(draft.act.author) for draft in drafts).items():
            self._node.rates.take("speech_per_participant", author, count)
        carried, kept = [], []
        for draft in drafts:
            crossings = self.crossings(draft)
            ready, clauses = self._node.consent.carried_to(draft, list(crossings.values()))
            if crossings and all(clauses) and (needs := self._node.consent.needs(draft, list(crossings.values()))):
                if len(drafts) > 1 or draft.signer is None:
                    raise needs[0]
                return [await self._waits(draft, crossings)]
            carried.append(ready)
            kept.append(self._kept(crossings, clauses))
        rows = await self._node.author.order(carried)
        for draft, row in zip(drafts, rows, strict=True):
            if draft.asig is not None:
                await self._node.consent.said(draft.act, row.id)
        return [_placed(row, mine) for row, mine in zip(rows, kept, strict=True)]

    async def _waits(self, draft: Draft, crossings: Mapping[bytes, Crossing]) -> KnowledgePlaced:
        asked = await self._node.consent.propose(draft, list(crossings.values()))
        return KnowledgePlaced(id="", stream=draft.stream, seq=0, hlc=[0, 0], kept_from=[], approval=asked.id)

    def crossings(self, draft: Draft) -> dict[bytes, Crossing]:
        """Return what an act asks of each peer that it flows to, by the tier given to it and the agreement."""
        found: dict[bytes, Crossing] = {}
        node = self._node
        own, stream = node.store.node, streams.parse(draft.stream)
        for peer in node.peers.book.peers.values():
            crossing = border.in_knowledge(draft.act, stream.subject, peer.node, own)
            if crossing is not None and may_see(peer, own, stream, node.audience):
                found[peer.node] = crossing
        return found

    def _kept(self, crossings: Mapping[bytes, Crossing], clauses: Sequence[str]) -> list[KeptFrom]:
        return [
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
