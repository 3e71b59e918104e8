"""Reputation in effect: what evidence does to the link of a peer, and what a human sees of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from foedus.base.clock import Instant
from foedus.base.limits import MINUTE
from foedus.node.auditing import AuditTrail
from foedus.node.peers import Peers
from foedus.node.store import Store
from foedus.trust.inputs import HumanPause
from foedus.trust.peer import Peer, State
from foedus.trust.reputation import CLEAN, FALLS, GRANTS_STOP, LINK_CLOSES, Evidence, points
from foedus.values.node import EvidenceView, Trouble

SCORES_MAX = 4_096
"""Scores that are remembered for a minute: more nodes than write at one time."""


class Reputations:
    """Scores of other nodes. ``spawn`` runs a task of the node."""

    def __init__(
        self, store: Store, trail: AuditTrail, peers: Peers, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._store = store
        self._trail = trail
        self._peers = peers
        self._spawn = spawn
        self._scores: dict[bytes, tuple[int, int]] = {}
        self.on_weighed: Callable[[], None] = lambda: None
        """Told of new evidence: whose grants count may be another matter now."""
        self.on_breach: Callable[[bytes, str, Instant], None] = lambda _node, _kind, _at: None
        """(node, what it did, when): its people lose the standing that they have here."""
        trail.on_evidence = self._weigh

    def of(self, node: bytes) -> int:
        """Return a node's reputation in millionths; 1,000,000 is clean."""
        now = self._store.now()
        found = self._scores.get(node)
        if found is None or not 0 <= now - found[1] < MINUTE:  # each border act asks
            if len(self._scores) >= SCORES_MAX:
                self._scores.clear()
            found = self._scores[node] = (self._trail.ledger.score(node, now), now)
        return found[0]

    def grants_count(self, node: bytes) -> bool:
        """Whether grants to and by participants of this node still count."""
        return self.of(node) >= GRANTS_STOP

    def evidence(self, node: bytes) -> list[EvidenceView]:
        """Return the rows of the audit log behind a node's reputation, and what each takes off now."""
        return [
            EvidenceView(row=it.row, kind=it.kind.value, at=it.at, times=it.times, points=taken)
            for it, taken in points(self._trail.ledger.of(node), self._store.now())
        ]

    def troubles(self) -> list[Trouble]:
        """Return what a human is to decide: peers that are paused because of what they did."""
        found = [self._trail.trouble] if self._trail.trouble is not None else []
        for peer in self._peers.book.peers.values():
            score = self.of(peer.node) if peer.state is State.CONNECTED else CLEAN
            if score < LINK_CLOSES and peer.is_paused:
                found.append(_paused(peer, score))
        return found

    def _weigh(self, evidence: Sequence[Evidence]) -> None:
        """Close the link to whom new evidence brings too low; a human who resumed it is overruled by nothing else.

        Without new evidence the node has just started: what was shown before may not have let anybody fall yet.
        """
        self._scores.clear()
        self.on_weighed()
        for each in evidence or self._trail.ledger.all():
            if each.kind in FALLS:
                self.on_breach(each.node, each.kind.value, each.at)
        for node in dict.fromkeys(each.node for each in evidence):
            peer = self._peers.book.peers.get(node)
            is_open = peer is not None and peer.state is State.CONNECTED and not peer.is_paused
            if is_open and self.of(node) < LINK_CLOSES:
                self._spawn(self._pause(node))

    async def _pause(self, node: bytes) -> None:
        await self._peers.handle(node, HumanPause())
        self._peers.close_link(node, "reputation", "a human decides whether this goes on")


def _paused(peer: Peer, score: int) -> Trouble:
    return Trouble(
        code="reputation",
        message=f"{peer.name!r} ({peer.node.hex()}) is paused: its reputation fell to 0.{score * 1_000 // CLEAN:03}",
        remedy=f"foedus peer show {peer.node.hex()}, then `foedus peer resume` or `foedus peer disconnect`",
    )
