"""The book of all peers of a node: one entry each, moved by the table in transitions.py.

    book = Peering(own_id, key, signers, peers=stored, trusted=stored_trust)
    for effect in book.handle(node, RequestReceived(...), now): ...

The book is ahead of the disk by the effects just returned: they are run in order, and where a Save fails, the
book is built anew from what is stored before anything else is handled.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.ids import ID_BYTES
from foedus.base.limits import PEERS_MAX
from foedus.crypto.ed25519 import Ed25519Key
from foedus.trust.claims import name_clash
from foedus.trust.effects import Effect, Forget, PendingRequest, Save, SaveTrusted
from foedus.trust.inputs import HUMAN, HumanAccept, HumanConfirm, HumanIgnore, Input
from foedus.trust.machine import step
from foedus.trust.peer import Peer, State
from foedus.trust.policy import DEFAULT, PeeringPolicy
from foedus.trust.rules import MaxPeers, Terms
from foedus.trust.tiers import Tier, check_given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TRUSTED_MAX = PEERS_MAX
"""Pre-trusted keys and node ids: no more can become peers."""

_EVICTED_FIRST = (State.UNKNOWN, State.TURNED_DOWN, State.DECLINED, State.IGNORED)


class TooManyPeers(Unavailable):
    """The book is full of peers that nobody may drop unasked."""

    code = "too_many_peers"
    http_status = 429
    remedy = "end connections that are no longer needed with `foedus peer disconnect ID`, or answer waiting requests"


class Peering:
    """All peers of one node. ``key``, ``signers`` and ``policy`` may be set anew as they change."""

    def __init__(
        self,
        own_id: bytes,
        key: Ed25519Key,
        signers: Sequence[str],
        *,
        peers: Iterable[Peer] = (),
        trusted: Mapping[bytes, Tier] | None = None,
        policy: PeeringPolicy = DEFAULT.policy,
    ) -> None:
        """Build the book from what the node stored (``decode_peer``, SaveTrusted).

        ``own_id``: 32 bytes; ``key``: Ed25519 of the epoch in force; ``signers``: DIDs of this node's human signers.
        """
        self.own_id = own_id
        self.key = key
        self.signers = tuple(signers)
        self.policy = policy
        self._peers = {peer.node: peer for peer in peers}
        self.peers: Mapping[bytes, Peer] = MappingProxyType(self._peers)
        """Every peer in the book, by node id."""
        self._trusted = dict(trusted or {})

    def replace(self, other: Peering) -> None:
        """Hold the peers and trusted keys of another book of the same node, which was read from its log again."""
        self._peers.clear()
        self._peers.update(other.peers)
        self._trusted.clear()
        self._trusted.update(other.trusted)

    @property
    def trusted(self) -> Mapping[bytes, Tier]:
        """Pre-trusted keys and node ids, with the tier that each will get."""
        return MappingProxyType(self._trusted)

    def peer(self, node: bytes) -> Peer:
        """Return what is known of ``node``; a stranger is a fresh Peer in state UNKNOWN."""
        return self._peers.get(node) or Peer(node=node)

    def pending(self) -> list[PendingRequest]:
        """Return the requests that wait for a human, oldest first."""
        waiting = [peer for peer in self._peers.values() if peer.state is State.INCOMING]
        waiting.sort(key=lambda peer: (peer.requested_at, peer.node))
        return [PendingRequest(peer, name_clash(peer, self._peers.values())) for peer in waiting]

    def handle(self, node: bytes, received: Input, now: Instant) -> list[Effect]:
        """Take one input about ``node`` and return the effects, in the order in which they are to be run.

        Raises UsageError (a human's input that the state does not allow: IllegalInput), PeerViolation (a frame that
        breaks the protocol), TooManyRequests or TooManyPeers. After a raise the book is as it was.
        """
        if node == self.own_id:
            raise UsageError("that is this node itself", code="own_id", remedy="name another node")
        before = self._peers.get(node)
        after, effects = step(self._terms(), before or Peer(node=node, first_seen=now), received, now)
        effects = [*self._store(before, after), *effects]
        if isinstance(received, HumanIgnore):
            effects = [*self._distrust(node, after.key), *effects]
        return effects

    def trust(self, key: bytes, tier: Tier, now: Instant) -> list[Effect]:
        """Accept without a prompt whoever has this Ed25519 key or node id (32 bytes), even a request that waits.

        Raises UsageError; TooManyPeers at TRUSTED_MAX.
        """
        check_given(tier)
        if len(key) != ID_BYTES:
            raise UsageError("a key or node id has 32 bytes", code="bad_key", remedy="copy all its 64 hex digits")
        if key not in self._trusted and len(self._trusted) >= TRUSTED_MAX:
            raise TooManyPeers(f"at most {TRUSTED_MAX} keys can be trusted", remedy="untrust keys not needed any more")
        self._trusted[key] = tier
        effects: list[Effect] = [SaveTrusted(dict(self._trusted))]
        for peer in list(self._peers.values()):
            if key in {peer.node, peer.key}:
                effects += self._let_in(peer, tier, now)
        return effects

    def unconfirmed(self) -> list[Peer]:
        """Return the peers that accepted our request and wait for our human's word, oldest first."""
        found = (peer for peer in self._peers.values() if peer.state is State.ANSWERED)
        return sorted(found, key=lambda peer: (peer.since, peer.node))

    def _let_in(self, peer: Peer, tier: Tier, now: Instant) -> list[Effect]:
        """Answer what waits for our human where the key just trusted says yes; beyond max_peers it goes on waiting."""
        wishes: dict[State, Input] = {State.INCOMING: HumanAccept(tier), State.ANSWERED: HumanConfirm()}
        try:
            return self.handle(peer.node, wishes[peer.state], now) if peer.state in wishes else []
        except MaxPeers:
            return []

    def untrust(self, key: bytes) -> list[Effect]:
        """Ask a human again before this key or node id is accepted; a connection that stands stays."""
        return self._distrust(key)

    def _terms(self) -> Terms:
        return Terms(self.own_id, self.key, self.signers, self._trusted, self._peers, self.policy)

    def _store(self, before: Peer | None, after: Peer) -> list[Effect]:
        """Keep the entry, and return what makes that durable. A stranger that left nothing is not kept."""
        if after.state is State.UNKNOWN and after.former_tier is None:
            return [] if self._peers.pop(after.node, None) is None else [Forget(after.node)]
        if after == before:
            return []
        effects: list[Effect] = [] if before else self._make_room()
        self._peers[after.node] = after
        return [*effects, Save(after)]

    def _make_room(self) -> list[Effect]:
        """Forget the oldest peer that is nothing to us, where the book is full; raise TooManyPeers."""
        if len(self._peers) < PEERS_MAX:
            return []
        idle = [peer for peer in self._peers.values() if peer.state in _EVICTED_FIRST]
        if not idle:
            raise TooManyPeers(f"this node keeps at most {PEERS_MAX} peers")
        oldest = min(idle, key=lambda peer: (_EVICTED_FIRST.index(peer.state), peer.since))
        del self._peers[oldest.node]
        return [Forget(oldest.node)]

    def _distrust(self, *keys: bytes | None) -> list[Effect]:
        held = [key for key in keys if key in self._trusted]
        for key in held:
            del self._trusted[key]
        return [SaveTrusted(dict(self._trusted))] if held else []


def is_human(received: Input) -> bool:
    """Tell whether an input is a human's wish, which may be refused, or came from outside."""
    return isinstance(received, HUMAN)
