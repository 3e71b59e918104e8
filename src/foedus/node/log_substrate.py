"""The built-in substrate: this node answers from its log, and from the searches that are added to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple

from foedus.base.cbor import decode_as
from foedus.base.clock import Hlc
from foedus.base.ids import sha256
from foedus.log.bodies import MessageText
from foedus.log.event import Event, read_event
from foedus.log.port import Row, Verdict
from foedus.node.knowledge_answers import KnowledgeAnswers
from foedus.node.recollection import Recollection
from foedus.query.kinds import CONNECTION, EVENT, MESSAGE
from foedus.query.port import Change, Finding, Findings, Reader, Wanted
from foedus.trust.peer import State

if TYPE_CHECKING:
    from foedus.node.composition import Node

_EXCERPT_CHARACTERS = 2_000
"""Of a message that was found: a screen; the whole is in the room."""
_WALK_MAX = 2_000
"""Events looked at for one causal question: in a room of thousands the nearest are what is wanted."""
_STEPS = 20
"""Of a walk before others get the event loop: each reads one or two rows."""
_SCORE = 1_000_000

Search = Callable[[str, Wanted], Awaitable[Findings]]


class _Step(NamedTuple):
    """How a walk came to an event."""

    id: bytes
    direction: str
    relation: str
    of: bytes
    distance: int


class LogSubstrate:
    """See ``query.port.Substrate``. ``searches``: what a text is looked for in, each as the port's ``search``."""

    def __init__(self, node: Node, tells_peers: Callable[[str], bool]) -> None:
        self.searches: list[Search] = [self._messages, KnowledgeAnswers(node).search]
        self._node = node
        self._tells_peers = tells_peers
        self._recollection = Recollection(node.store)

    async def search(self, text: str, wanted: Wanted) -> Findings:
        """Return what is most like a text, in all that is searched: by turns, since scores of two searches differ."""
        found = [await search(text, wanted) for search in self.searches]
        ranked = ((rank, item) for each in found for rank, item in enumerate(each.items))
        items = [item for _, item in sorted(ranked, key=lambda it: (it[0], *_best_first(it[1])))]
        is_partial, by_meaning = any(each.partial for each in found), any(each.by_meaning for each in found)
        return Findings(items[: wanted.limit], is_partial, by_meaning)

    async def apply(self, changes: Sequence[Change]) -> None:
        """Do nothing: this substrate reads the log itself."""

    # --- messages ----------------------------------------------------------------------------

    async def _messages(self, text: str, wanted: Wanted) -> Findings:
        await self._recollection.catch_up()
        best = self._recollection.best_first(text)
        shown: list[Finding] = []
        while len(shown) < wanted.limit and (page := dict(islice(best, wanted.limit))):
            rows = self._node.log.by_ids(page)
            for event, score in page.items():
                item = self._message(rows[event], score, wanted.reader) if event in rows else None
                shown += [item] if item is not None else []
        return Findings(shown[: wanted.limit], self._recollection.is_partial)

    def _message(self, row: Row, score: int, reader: Reader) -> Finding | None:
        """Return what was said, if it counts here, is not erased, and is for the reader."""
        origin = self._origin(row)
        if row.verdict is not Verdict.ACCEPTED or row.withheld or not row.local or row.envelope.body is None:
            return None
        if not reader.may_see(row.stream, origin) or self._node.withholding.door(origin, row.stream, row.hlc.us):
            return None
        event = read_event(row.envelope)
        erasures = self._node.store.admission.erasures
        is_erased = erasures.names(row.id) and erasures.erased_by(row.id, event) is not None
        if is_erased or self._node.crossings.clause(event, origin):
            return None
        text = decode_as(row.envelope.body, MessageText).text
        author = event.act.author
        body = {
            "stream": row.stream,
            "origin": origin,
            "author": author if isinstance(author, str) else author.hex(),
            "at": event.act.at,
            "text": text[:_EXCERPT_CHARACTERS],
            "cut": len(text) > _EXCERPT_CHARACTERS,
        }
        return Finding(row.id, MESSAGE, score, row.hlc, body)

    # --- causes ------------------------------------------------------------------------------

    async def causal(self, event: bytes, wanted: Wanted) -> Findings:
        """Return the events before and after one, the nearest first; of equal distance by clock and id."""
        await self._recollection.catch_up()
        if self._row(event, wanted.reader) is None:
            return Findings(())
        walked = [await self._walk(event, wanted, next_of) for next_of in (self._before, self._after)]
        found = [item for walk, _ in walked for item in walk]
        items = sorted(found, key=_best_first)[: wanted.limit]
        is_cut = len(found) > wanted.limit or any(cut for _, cut in walked)
        return Findings(items, is_cut or self._recollection.is_partial)

    async def _walk(
        self, start: bytes, wanted: Wanted, next_of: Callable[[Row, Event], list[tuple[str, bytes]]]
    ) -> tuple[list[Finding], bool]:
        """Walk from an event in one direction, breadth first; return what is shown, and whether the walk was cut."""
        direction = "before" if next_of == self._before else "after"
        reached = {start}
        waiting = deque([_Step(start, direction, "", start, 0)])
        found: list[Finding] = []
        for number in count():
            if not waiting:
                break
            if number % _STEPS == 0:
                await asyncio.sleep(0)
            step = waiting.popleft()
            row = self._row(step.id, wanted.reader)
            if row is None:
                continue
            event = read_event(row.envelope)
            if step.distance:
                found.append(self._event(row, step))
            if len(found) > wanted.limit or len(reached) > _WALK_MAX:
                return found, True
            for relation, other in next_of(row, event):
                if other not in reached:
                    reached.add(other)
                    waiting.append(_Step(other, direction, relation, step.id, step.distance + 1))
        return found, False

    def _before(self, _row: Row, event: Event) -> list[tuple[str, bytes]]:
        """Return what an event names: its causes, what it stands on, and the event before it in its chain."""
        links = [("refs", ref) for ref in event.act.refs] + [("auth", cited) for cited in event.act.auth]
        return [*links, ("prev", event.prev)] if event.prev is not None else links

    def _after(self, row: Row, _event: Event) -> list[tuple[str, bytes]]:
        """Return the events that name an event as their cause, and the one after it in its chain."""
        links = [("refs", citing) for citing in sorted(self._recollection.citing(row.id))]
        following = self._node.log.chain(row.epoch, row.stream, row.seq, 1)
        return [*links, ("prev", following[0].id)] if following else links

    def _event(self, row: Row, step: _Step) -> Finding:
        body = {
            "stream": row.stream,
            "origin": self._origin(row),
            "seq": row.seq,
            "kind": row.kind,
            "direction": step.direction,
            "relation": step.relation,
            "of": step.of,
            "distance": step.distance,
        }
        return Finding(row.id, EVENT, _SCORE // (1 + step.distance), row.hlc, body)

    # --- connections -------------------------------------------------------------------------

    async def topology(self, wanted: Wanted) -> Findings:
        """Return this node's connections."""
        if not self._tells_peers(wanted.reader.tier):
            return Findings(())
        own = self._node.store.node
        found = []
        for peer in self._node.peers.book.peers.values():
            if peer.state is State.CONNECTED:
                between = sorted((own, peer.node))
                link = self._node.links.get(peer.node)
                kind = "link" if link is not None and link.session.is_open else self._node.fallback_kind(peer.node)
                body = {"between": between, "tier": peer.tier.value, "link": kind}
                found.append(Finding(sha256(*between), CONNECTION, _SCORE, Hlc(max(0, peer.since), 0), body))
        items = sorted(found, key=_best_first)
        return Findings(items[: wanted.limit], len(items) > wanted.limit)

    # --- what may be shown -------------------------------------------------------------------

    def _origin(self, row: Row) -> bytes:
        return self._node.store.identities.node_of(row.epoch) or b""

    def _row(self, event: bytes, reader: Reader) -> Row | None:
        row = self._node.log.by_ids([event]).get(event)
        return row if row is not None and reader.may_see(row.stream, self._origin(row)) else None


def _best_first(item: Finding) -> tuple[int, int, int, bytes]:
    return -item.score, -item.hlc.us, -item.hlc.counter, item.content
