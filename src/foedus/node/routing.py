"""Whom a question by meaning goes to: sketches as they come, what peers say they reach, and the choice among them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from foedus.adapters.vector_indexes import GrowingVectors, is_installed
from foedus.base.clock import Hlc
from foedus.base.vectors import VectorIndex
from foedus.log.chains import Chain, ChainKey
from foedus.node.publisher import Published
from foedus.node.sketch_reading import Told, newest_sketch
from foedus.query.question import Question, SemanticAbout, about
from foedus.query.routing.choice import Arrival, choose
from foedus.query.routing.known import Known
from foedus.query.routing.limits import NODES_MAX
from foedus.query.routing.routes import BadReach, Routes
from foedus.query.routing.vectors import parse_vector
from foedus.sync.frames.questions import Reach, Reached
from foedus.trust.tiers import passes_on

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.http_line import Line
    from foedus.node.link import Link

REACH_PAUSE_S = 1.0
"""Between two tellings: what changes in a second is told at once, and a flapping link does not make a storm."""
_REST_SHARE = 10
"""And ten times what the last one took: a peer that changes its mind all day gets a tenth of our time for it."""
_RANKINGS_MAX = 2
"""Questions that are compared with all sketches at one time: the others wait."""
_CAPABILITY = "routing"


class _Held(NamedTuple):
    event: bytes
    hlc: Hlc


class Routing:
    """One per node. Called on the event loop's thread; ``run`` is its task, which reads sketches behind the log."""

    def __init__(self, node: Node) -> None:
        self.known = Known(_index_maker())
        self.routes = Routes(node.store.node)
        self.refused: Counter[str] = Counter()
        """Sketches that were not taken, by reason."""
        self.chosen: Counter[str] = Counter()
        """Questions by meaning that went on, by why (``choice.Why``)."""
        self._node = node
        self._held: dict[tuple[bytes, str], _Held] = {}
        self._events: dict[bytes, ChainKey] = {}
        """Newest sketches, by event: where one loses its body or its verdict its chain is read again."""
        self._grown: dict[ChainKey, None] = {}
        self._wake = asyncio.Event()
        self._told: dict[bytes, tuple[Reached, ...]] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._rested_at = 0.0
        self._places = asyncio.Semaphore(_RANKINGS_MAX)

    # --- sketches ----------------------------------------------------------------------------

    def published(self, published: Published) -> None:
        """Take note of what became durable."""
        commit = published.commit
        self._grown.update((key, None) for key in published.chains if _is_sketch(key))
        truncated = ((part.epoch, part.stream) for part in commit.truncations)
        self._grown.update((key, None) for key in truncated if _is_sketch(key))
        changed = [fill.id for fill in commit.bodies] + [change.id for change in commit.verdicts] + [*commit.drops]
        self._grown.update((self._events[event], None) for event in changed if event in self._events)
        if self._grown:
            self._wake.set()

    async def run(self) -> None:
        """Read what is told of other nodes, until cancelled."""
        chains = self._node.store.admission.chains
        self._grown.update((chain.key, None) for chain in chains if chain.kind == "sketch")
        while True:
            while self._grown:
                key = next(iter(self._grown))
                del self._grown[key]
                chain = chains.get(key)
                if chain is not None and chain.node != self._node.store.node:
                    self._take(chain, await asyncio.to_thread(newest_sketch, self._node.store, chain))
            await self._wake.wait()
            self._wake.clear()

    def _take(self, chain: Chain, told: Told | None) -> None:
        """Hold what a chain tells now, if no later epoch of its node tells of the same domain."""
        place = (chain.node, chain.stream)
        held = self._held.get(place)
        if told is None or (held is not None and held.hlc > told.hlc):
            return
        if held is not None:
            self._events.pop(held.event, None)
        self._held[place] = _Held(told.event, told.hlc)
        self._events[told.event] = chain.key
        if told.sketch is None:
            self.refused["malformed_sketch"] += 1
        elif not self.known.learn(chain.node, told.sketch) and not self._learn_again(chain, told):
            self.refused["no_room"] += 1
        self.changed()

    def _learn_again(self, chain: Chain, told: Told) -> bool:
        """Make room by letting go of nodes out of reach; return whether there was enough."""
        if told.sketch is None or len(self.known) < NODES_MAX:
            return False
        self.known.keep(self.routes.reach())
        return self.known.learn(chain.node, told.sketch)

    # --- reach -------------------------------------------------------------------------------

    def frame(self, link: Link, frame: Reach) -> None:
        """Take what a peer says it reaches; nothing: it says so no more."""
        if not frame.nodes:
            self.routes.forget(link.node)
        else:
            try:
                self.routes.hear(link.node, dict(frame.nodes))
            except BadReach as error:
                link.close(error.code, str(error))
                return
        self.changed()

    def ended(self, line: Line) -> None:
        """Nothing goes to a peer as it did any more."""
        self._told.pop(line.node, None)
        self.routes.forget(line.node)
        self.changed()

    def changed(self) -> None:
        """Tell the peers what is reached from here, soon."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_at(max(loop.time() + REACH_PAUSE_S, self._rested_at), self._tell)

    def close(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()

    def _tell(self) -> None:
        self._telling = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        for link in self._node.links.open():
            if _CAPABILITY not in link.peer.capabilities or not link.session.is_open:
                continue
            reach = self._reach_for(link.node)
            if self._told.get(link.node, ()) != reach:
                self._told[link.node] = reach
                link.control(Reach(reach))
        self._rested_at = loop.time() + _REST_SHARE * (loop.time() - began)

    def _reach_for(self, peer: bytes) -> tuple[Reached, ...]:
        """Return what a peer is told; nothing where it would learn with whom this node is connected, and may not.

        Whose questions do not go on from here reaches what this node answers itself: its own packets, and those of
        others that it would tell of.
        """
        audience, own = self._node.audience, self._node.store.node
        tier = audience.tier(peer)
        if tier is None:
            return ()
        if passes_on(tier) and not self._node.queries.judge.tells_peers(tier.value):
            return ()
        reach = self.routes.reach() if passes_on(tier) else {own: 0}
        held = (node for node in self.known if audience.is_knowing(node))
        reach |= {node: 0 for node in held if node != peer and audience.may_be_told(peer, "knowledge:all", node)}
        near = sorted(reach.items(), key=lambda item: (item[1], item[0] != own, item[0]))
        return tuple(Reached(*item) for item in near[:NODES_MAX])

    # --- the choice --------------------------------------------------------------------------

    async def choose(self, question: Question, peers: Sequence[bytes], path: Sequence[bytes]) -> list[bytes]:
        """Return those of ``peers`` that a question goes on to; all of them where choosing would be guessing.

        ``path``: whom it came through. A peer that tells no sketch of the question's model is asked always.
        """
        if question.scope != "global" or question.kind != "semantic" or not peers:
            return list(peers)
        asked = about(question)
        assert isinstance(asked, SemanticAbout)  # noqa: S101  # of this kind the question was read so
        vector = parse_vector(asked.vector, asked.dimension)
        async with self._places:
            ranked = await asyncio.to_thread(self.known.rank, vector, asked.model)
        within = self.routes.reach().keys() - {self._node.store.node, *path}
        near = [each for each in ranked if each.node in within]
        arrival = Arrival(peers, path[-1] if path else None, question.hops - len(path))
        choice = choose(near, self.routes, arrival)
        self.chosen[choice.why] += 1
        telling = (peer for peer in peers if self.known.tells(peer, asked.model, asked.dimension))
        passed = set(telling) - set(choice.peers)
        return [peer for peer in peers if peer not in passed]


def _is_sketch(key: ChainKey) -> bool:
    return key[1].startswith("sketch:")


def _index_maker() -> Callable[[int], VectorIndex] | None:
    """Return what makes an index of many centroids; None where the extra ``vectors`` is not installed.

    It is not loaded for that: a node that holds no sketches keeps its 10 MB.
    """
    return GrowingVectors if is_installed() else None
