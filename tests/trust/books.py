"""Helpers: two nodes with their books, and a link between them that a test may lose."""

from __future__ import annotations

from collections import deque
from itertools import count

import base58

from foedus.crypto.ed25519 import Ed25519Key
from foedus.trust import effects as do
from foedus.trust import inputs as hear
from foedus.trust.peer import Peer, State, decode_peer, encode_peer
from foedus.trust.peering import Peering
from foedus.trust.policy import PeeringPolicy
from foedus.trust.tiers import Tier

_SALTS = count(1)


def did(seed: int) -> str:
    public = Ed25519Key(seed.to_bytes(32, "big")).public
    return "did:key:z" + base58.b58encode(b"\xed\x01" + public).decode()


def ask(note: str = "we met at the fair", tier: Tier = Tier.CORE, *, vouched: bool = True) -> hear.HumanRequest:
    salt = next(_SALTS).to_bytes(32, "big")
    return hear.HumanRequest(tier=tier, salt=salt, note=note, url="http://peer:8102", is_confirmed=vouched)


class Node:
    """A book, what it stored, and the effects that it has run. ``crash`` leaves only what was stored."""

    def __init__(self, number: int, name: str = "", signers: int = 1, policy: PeeringPolicy | None = None) -> None:
        self.id = bytes([number]) * 32
        self.key = Ed25519Key(bytes([number + 100]) * 32)
        self.publics = [self.key.public]
        self.name = name or f"node {number}"
        self.signers = [did(number * 1000 + i) for i in range(signers)]
        self.stored: dict[bytes, bytes] = {}
        self.backups: list[dict[bytes, bytes]] = []
        self.trusted: dict[bytes, Tier] = {}
        self.policy = policy or PeeringPolicy()
        self.book = self._built()
        self.now = 0

    def _built(self) -> Peering:
        peers = [decode_peer(data) for data in self.stored.values()]
        return Peering(self.id, self.key, self.signers, peers=peers, trusted=self.trusted, policy=self.policy)

    def handle(self, node: bytes, received: hear.Input, stop_after: int | None = None) -> list[do.Effect]:
        """Handle and store; with ``stop_after`` only that many effects happen, and then the node crashes."""
        self.now += 1
        effects = self.book.handle(node, received, self.now)
        done = effects if stop_after is None else effects[:stop_after]
        for effect in done:
            self._store(effect)
        if stop_after is not None:
            self.crash()
        return done

    def _store(self, effect: do.Effect) -> None:
        if isinstance(effect, do.Save):
            self.backups.append(dict(self.stored))
            self.stored[effect.peer.node] = encode_peer(effect.peer)
        elif isinstance(effect, do.Forget):
            self.stored.pop(effect.node, None)
        elif isinstance(effect, do.SaveTrusted):
            self.trusted = effect.trusted

    def trust(self, key: bytes, tier: Tier) -> list[do.Effect]:
        effects = self.book.trust(key, tier, self.now)
        for effect in effects:
            self._store(effect)
        return effects

    def rotate(self) -> None:
        """A new epoch; peers hear of its key with the next link, before anything else."""
        self.key = Ed25519Key(self.key.public)
        self.publics.append(self.key.public)
        self.book.key = self.key

    def crash(self) -> None:
        self.book = self._built()

    def frame(self, effect: do.Effect) -> hear.Input | None:  # noqa: PLR0911  # one line for each frame
        """What the other side hears of an effect: the translation that node/ does by way of the link."""
        match effect:
            case do.SendRequest():
                endpoints = (f"http://{self.id.hex()[:4]}:8102",)
                return hear.RequestReceived(
                    self.name, effect.note, endpoints, effect.agreement, effect.signature, self.key.public, "10.0.0.9"
                )
            case do.SendAccepted():
                return hear.AcceptedReceived(
                    self.name, effect.tier, effect.agreement, effect.signature, self.key.public
                )
            case do.SendConfirmed():
                return hear.ConfirmedReceived(effect.signature, self.key.public)
            case do.SendDeclined():
                return hear.DeclinedReceived()
            case do.SendEnded():
                return hear.EndedReceived(effect.reason)
            case do.SendTier():
                return hear.TierReceived(effect.tier)
        return None


class Link:
    """Two nodes and the frames on their way, in order, each direction its own."""

    def __init__(self, one: Node, other: Node) -> None:
        self.one, self.other = one, other
        self.queues: dict[bytes, deque[hear.Input]] = {one.id: deque(), other.id: deque()}
        self.is_open = True
        self.seen: list[do.Effect] = []

    def opposite(self, node: Node) -> Node:
        return self.other if node is self.one else self.one

    def act(self, node: Node, received: hear.Input, stop_after: int | None = None) -> None:
        effects = node.handle(self.opposite(node).id, received, stop_after)
        self.seen += effects
        self.send(node, effects)

    def send(self, node: Node, effects: list[do.Effect]) -> None:
        for effect in effects:
            frame = node.frame(effect)
            if frame is not None and self.is_open:
                self.queues[self.opposite(node).id].append(frame)

    def deliver(self, to: Node, stop_after: int | None = None) -> None:
        queue = self.queues[to.id]
        if queue:
            self.act(to, queue.popleft(), stop_after)

    def settle(self) -> None:
        for _ in range(200):
            if not any(self.queues.values()):
                return
            self.deliver(self.one)
            self.deliver(self.other)
        raise AssertionError("the two nodes never stop talking")

    def close(self) -> None:
        self.is_open = False
        for queue in self.queues.values():
            queue.clear()

    def reopen(self) -> None:
        self.close()
        self.is_open = True
        self.act(self.one, hear.LinkOpened(self.other.key.public))
        self.act(self.other, hear.LinkOpened(self.one.key.public))

    def peer_at(self, node: Node) -> Peer:
        return node.book.peer(self.opposite(node).id)

    def states(self) -> tuple[State, State]:
        return self.peer_at(self.one).state, self.peer_at(self.other).state


def pair(first: int = 1, second: int = 2, policy: PeeringPolicy | None = None) -> Link:
    return Link(Node(first, policy=policy), Node(second, policy=policy))


def connected(first: int = 1, second: int = 2) -> Link:
    link = pair(first, second)
    link.act(link.one, ask(tier=Tier.CORE))
    link.settle()
    link.act(link.other, hear.HumanAccept(Tier.SANDBOX))
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    return link
