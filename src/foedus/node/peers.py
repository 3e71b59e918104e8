"""Peering, joined to the links: runs the book's effects, and tells the links how a peer stands."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence

from foedus.base.cbor import decode, encode
from foedus.base.errors import FoedusError
from foedus.log import streams
from foedus.log.participants import Participant
from foedus.log.port import Value
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.policy import PolicyBook
from foedus.node.rates import Rates, TooOften
from foedus.node.store import Store
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.peering import (
    Acceptance,
    Accepted,
    Application,
    Confirmation,
    Confirmed,
    Declined,
    Ended,
    Introduction,
    Pending,
    Ready,
    Request,
    TierChanged,
)
from foedus.sync.transitions import Voice
from foedus.trust.effects import (
    AskHuman,
    BecameConnected,
    BecameDisconnected,
    Effect,
    Forget,
    Save,
    SaveTrusted,
    SendAccepted,
    SendConfirmed,
    SendDeclined,
    SendEnded,
    SendRequest,
    SendTier,
)
from foedus.trust.inputs import (
    AcceptedReceived,
    ConfirmedReceived,
    DeclinedReceived,
    EndedReceived,
    Input,
    LinkOpened,
    RequestReceived,
    TierReceived,
)
from foedus.trust.peer import Peer, State, decode_peer, encode_peer
from foedus.trust.peering import Peering
from foedus.trust.policy import assurance_of
from foedus.trust.tiers import Tier

log = logging.getLogger("foedus.peers")

PEERS = "peers"
TRUSTED = "trusted"
_WANTS_LINK = frozenset({State.REQUESTED, State.ANSWERED, State.ACCEPTING, State.CONNECTED})
_WISHED = _WANTS_LINK | {State.DISCONNECTED}


class Peers:
    """The node's peers. ``advertised``: the URLs under which this node can be dialled."""

    def __init__(self, store: Store, links: Links, policy: PolicyBook, rates: Rates) -> None:
        self.advertised: list[str] = []
        self.on_connected: Callable[[Peer], None] = lambda _peer: None
        self.on_disconnected: Callable[[Peer], None] = lambda _peer: None
        self.on_changed: Callable[[bytes], None] = lambda _node: None
        self.on_decided: Callable[[bytes, Input, Peer, Peer], None] = lambda _node, _received, _before, _after: None
        self.on_refused: Callable[[bytes, Input, str], None] = lambda _node, _received, _code: None
        self.on_lost: Callable[[Link], None] = lambda _link: None
        self.last_seen: dict[bytes, int] = {}
        self._store = store
        self._links = links
        self._policy = policy
        self._rates = rates
        self._order = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_dialling = False
        self.book = self._load()
        store.on_reload.append(self._reload)

    def _load(self) -> Peering:
        stored = self._store.log.values(PEERS).values()
        trusted = self._store.log.values(TRUSTED).get(b"")
        keys = {bytes.fromhex(key): Tier(tier) for key, tier in decode(trusted).items()} if trusted else {}
        return Peering(
            self._store.node,
            self._store.keys.ed25519,
            self.signers(),
            peers=[decode_peer(data) for data in stored],
            trusted=keys,
            policy=self._policy.current.policy,
        )

    def _reload(self) -> None:
        """Hold what the disk says. A link may have ended meanwhile, by a step that did not become durable."""
        before = [*self.book.peers]
        self.book.replace(self._load())
        for node in dict.fromkeys([*before, *self.book.peers]) if self._is_dialling else ():
            self._keep_link(node)

    def signers(self) -> list[str]:
        """Return the DIDs of this node's humans who count by its policy: the signers that agreements name."""
        found = self._store.admission.authority.participants
        mine = [
            did
            for (node, did), who in found.items()
            if node == self._store.node and who.kind == "human" and who.devices and self._counts(who)
        ]
        return sorted(mine)[:64]

    def _counts(self, who: Participant) -> bool:
        return self._policy.counts(assurance_of(who.custody))

    def start(self) -> None:
        """Dial every peer that a link is wanted with."""
        self._is_dialling = True
        for node in self.book.peers:
            self._keep_link(node)

    async def close(self) -> None:
        """Wait for what is being stored."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what links ask (Standing) ---------------------------------------------------------

    def welcome(self, node: bytes) -> Ready | Pending | None:
        """Return how a node is greeted; None where it hears nothing at all."""
        peer = self.book.peer(node)
        if peer.state is State.IGNORED:
            return None
        return self._ready(peer) if peer.state is State.CONNECTED else Pending()

    def is_stranger(self, node: bytes) -> bool:
        """Whether nobody here has wished for anything with this node."""
        return self.book.peer(node).state not in _WISHED

    def has_asked(self, node: bytes) -> bool:
        """Whether a request of this node waits for a human."""
        return self.book.peer(node).state is State.INCOMING

    def _ready(self, peer: Peer) -> Ready:
        return Ready(Introduction(self._store.name, peer.tier.value))

    def greeted(self, link: Link) -> None:
        """Say again what may have been lost."""
        self._saw(link)
        self.soon(link.node, LinkOpened(self._key(link)))

    def lost(self, link: Link) -> None:
        """Dial again where a link is wanted, after one ended."""
        self._saw(link)
        self.on_lost(link)
        self._keep_link(link.node)

    def _saw(self, link: Link) -> None:
        if link.node in self.book.peers:
            self.last_seen[link.node] = link.last_seen
        else:
            self.last_seen.pop(link.node, None)

    def frame(self, link: Link, frame: Frame) -> None:
        """Take a frame of peering from the link's peer, whose keys are proved."""
        try:
            if isinstance(frame, Request):
                self._rates.take_address("requests_per_address", link.address)
            received = self._input(link, frame)
        except TooOften as error:
            link.close(error.code, str(error))
            return
        except ValueError:
            link.close("malformed_frame", "there is no such tier")
            return
        if received is not None:
            self.soon(link.node, received)

    def _input(self, link: Link, frame: Frame) -> Input | None:  # noqa: PLR0911  # one row for each frame
        key = self._key(link)
        match frame:
            case Request(application=it):
                return RequestReceived(
                    it.name, it.note, it.endpoints, it.agreement, it.signature, key, link.address or "dialled by us"
                )
            case Accepted(acceptance=it):
                return AcceptedReceived(it.name, Tier(it.tier), it.agreement, it.signature, key)
            case Confirmed(confirmation=it):
                return ConfirmedReceived(it.signature, key)
            case Declined():
                return DeclinedReceived()
            case Ended(reason=reason):
                return EndedReceived(reason)
            case TierChanged(tier=tier):
                return TierReceived(Tier(tier))
            case Ready(introduction=it):
                return TierReceived(Tier(it.tier))
            case _:
                return None

    def _key(self, link: Link) -> bytes:
        return link.peer.newest.record.keys.ed25519

    # --- running the book --------------------------------------------------------------------

    def soon(self, node: bytes, received: Input) -> None:
        """Handle an input of the other side in order; what it does wrong ends its link."""
        task = asyncio.create_task(self._take(node, received), name=f"peering-{node.hex()[:8]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, node: bytes, received: Input) -> None:
        try:
            await self.handle(node, received)
        except FoedusError as error:
            log.info("peering with %s: %s: %s", node.hex(), error.code, error)
            link = self._links.get(node)
            if link is not None:
                link.is_closed_by_peering = True
                link.close(error.code, str(error))
        except Exception:
            log.exception("peering with %s failed", node.hex())

    async def handle(self, node: bytes, received: Input) -> Peer:
        """Give the book one input and run its effects, stored before said; raise what the book raises."""
        async with self._order:
            self.book.key = self._store.keys.ed25519
            self.book.signers = tuple(self.signers())
            self.book.policy = self._policy.current.policy
            before = self.book.peer(node)
            try:
                await self._run(self.book.handle(node, received, self._store.now()))
            except FoedusError as error:
                self.on_refused(node, received, error.code)
                raise
        after = self.book.peer(node)
        self.on_decided(node, received, before, after)
        self._keep_link(node)
        if not isinstance(received, LinkOpened | TierReceived) or before.state is not after.state:
            self.on_changed(node)
        return after

    async def trust(self, key: bytes, tier: Tier) -> None:
        """Accept a key or node id without asking from now on."""
        async with self._order:
            self.book.policy = self._policy.current.policy
            await self._run(self.book.trust(key, tier, self._store.now()))

    async def untrust(self, key: bytes) -> None:
        """Ask a human again."""
        async with self._order:
            await self._run(self.book.untrust(key))

    async def _run(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Save(peer=peer):
                    await self._store.put(Value(PEERS, peer.node, encode_peer(peer)))
                case Forget(node=node):
                    await self._store.put(Value(PEERS, node, None))
                case SaveTrusted(trusted=trusted):
                    plain = {key.hex(): tier.value for key, tier in trusted.items()}
                    await self._store.put(Value(TRUSTED, b"", encode(plain)))
                case BecameConnected(peer=peer):
                    await self._links.remember(peer.node)
                    self._links.become_ready(peer.node, self._store.name, peer.tier.value)
                    self.on_connected(peer)
                case BecameDisconnected(peer=peer, reason=reason):
                    self.on_disconnected(peer)
                    link = self._links.get(peer.node)
                    if link is not None:
                        link.close("disconnected", reason)
                case AskHuman(request=request):
                    await self._links.remember(request.peer.node, is_stranger=True)
                case _:
                    self._say(effect)

    def _say(self, effect: Effect) -> None:
        """Send a frame where there is a link that both have greeted on; LinkOpened brings it again otherwise."""
        frame, node = self._frame(effect)
        link = self._links.get(node)
        if link is None or not link.is_greeted or link.session.is_closed:
            return
        if link.own_epoch != self._store.epoch:
            return  # signed by keys that this link does not know; the next one, which follows, says it again
        if isinstance(frame, TierChanged) and link.session.ours is not Voice.READY:
            return  # our ready, which follows, says the tier
        link.control(frame)

    def _frame(self, effect: Effect) -> tuple[Frame, bytes]:
        name = self._store.name
        match effect:
            case SendRequest(node=node, note=note, agreement=agreement, signature=signature):
                return Request(Application(name, note, tuple(self.advertised), agreement, signature)), node
            case SendAccepted(node=node, tier=tier, agreement=agreement, signature=signature):
                return Accepted(Acceptance(name, tier.value, agreement, signature)), node
            case SendConfirmed(node=node, signature=signature):
                return Confirmed(Confirmation(signature)), node
            case SendDeclined(node=node):
                return Declined(), node
            case SendEnded(node=node, reason=reason):
                return Ended(reason), node
            case SendTier(node=node, tier=tier):
                return TierChanged(tier.value), node
            case _:
                raise TypeError(f"{type(effect).__name__} is not sent")

    def _keep_link(self, node: bytes) -> None:
        peer = self.book.peer(node)
        if peer.state in _WANTS_LINK and not peer.is_paused and self.urls(node):
            self._links.redialler.keep(node, lambda: self.urls(node))
        elif peer.state not in _WANTS_LINK:
            self._links.redialler.stop(node)

    def close_link(self, node: bytes, code: str, why: str) -> None:
        """End the link of a peer that was paused, and dial it no more."""
        self._links.redialler.stop(node)
        link = self._links.get(node)
        if link is not None:
            link.close(code, why)

    def urls(self, node: bytes) -> list[str]:
        """Return the addresses to try: the one a human typed, then what the peer says of itself."""
        peer = self.book.peer(node)
        return list(dict.fromkeys(url for url in (peer.url, *peer.endpoints) if url))

    def pair_stream(self, node: bytes) -> str:
        """Return the stream of this node and a peer."""
        return streams.pair(self._store.node, node)


def new_salt() -> bytes:
    """Return the salt of a draft agreement."""
    return secrets.token_bytes(32)
