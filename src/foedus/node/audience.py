"""Who may see which stream: the facts that ``trust.door`` asks for, from the rooms and peers held here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from foedus.log import streams
from foedus.log.chains import Chain, Position
from foedus.log.streams import Stream
from foedus.node.store import Store
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.door import may_be_told, may_carry, may_see, refused
from foedus.trust.peer import Peer, State
from foedus.trust.peering import Peering
from foedus.trust.tiers import Tier


class Audience:
    """Answers of the two doors about streams. Membership is indexed anew after it changed (``refresh``)."""

    def __init__(self, store: Store, book: Peering) -> None:
        self._store = store
        self._book = book
        self.terms: Callable[[bytes], AgreementInForce | None] = lambda _node: None
        """Peer → the agreement in force with it, None where there is no connection."""
        self._present: dict[str, set[bytes]] | None = None
        self._rooms: dict[bytes, set[str]] = {}
        self._ever: dict[bytes, set[str]] = {}

    @property
    def own(self) -> bytes:
        """Id of this node."""
        return self._store.node

    def refresh(self) -> None:
        """Forget the index: a membership changed."""
        self._present = None

    def _index(self) -> dict[str, set[bytes]]:
        if self._present is None:
            rooms = self._store.admission.authority.rooms
            self._present = {room_id.hex(): room.present() for room_id, room in rooms.items() if room.host}
            self._rooms = _by_node(self._present)
            self._ever = _by_node({room_id.hex(): room.ever_present() for room_id, room in rooms.items() if room.host})
        return self._present

    def is_member(self, node: bytes, room: str) -> bool:
        """Whether the node has a member in the room."""
        return node in self._index().get(room, ())

    def wrote_for(self, origin: bytes, viewer: bytes) -> bool:
        """Whether the viewer has a member in a room held here in which the origin has or once had one."""
        self._index()
        return not self._ever.get(origin, set()).isdisjoint(self._rooms.get(viewer, ()))

    def is_knowing(self, node: bytes) -> bool:
        """Whether knowledge that the node wrote is held here."""
        return node in self._store.admission.chains.knowing

    def tier(self, node: bytes) -> Tier | None:
        """Return the tier that a connected peer was given; None for all others."""
        peer = self._book.peers.get(node)
        return peer.tier if peer is not None and peer.state is State.CONNECTED else None

    def is_agreed(self, viewer: bytes, stream: Stream) -> bool:
        """Whether the agreement in force with the viewer lets this node send it the stream now."""
        return not refused(self.terms(viewer), self._store.node, stream, self._store.now())

    def agreed(self, node: bytes) -> list[str | bool]:
        """Return what decides what the agreement with a node lets through: its id, and whether it is over."""
        terms = self.terms(node)
        return [] if terms is None else [terms.id.hex(), terms.is_ended or terms.is_expired(self._store.now())]

    def rooms_of(self, node: bytes) -> set[str]:
        """Return the rooms in which the node has a member."""
        self._index()
        return self._rooms.get(node, set())

    def may_see(self, viewer: bytes, chain: Chain) -> bool:
        """Whether a peer may see a chain."""
        return may_see(self._book.peer(viewer), chain.node, streams.parse(chain.stream), self)

    def may_hear(self, viewer: bytes, origin: bytes, stream: str) -> bool:
        """Whether a peer may be told now what ``origin`` says in a stream, whether or not anything stands in it."""
        return may_see(self._book.peer(viewer), origin, streams.parse(stream), self)

    def may_be_told(self, viewer: bytes, stream: str, origin: bytes) -> bool:
        """Whether an answer to a peer's question may show what ``origin`` wrote in a stream."""
        return may_be_told(self._book.peer(viewer), origin, streams.parse(stream), self)

    def visible(self, viewer: bytes) -> list[Position]:
        """Return the heads of all chains that a peer may see."""
        return [chain.position for chain in self._store.admission.chains if chain.seq and self.may_see(viewer, chain)]

    def may_carry(self, carrier: bytes, stream_name: str) -> str:
        """Return '' where a peer may push this stream here, else the reason.

        That is ``not_permitted``, ``missing_prev`` (not yet), or the clause of the agreement in force against it.
        """
        peer: Peer = self._book.peer(carrier)
        stream = streams.parse(stream_name)
        if peer.state is not State.CONNECTED or peer.is_paused:
            return "not_permitted"
        is_held = stream.subject in self._index()
        member = self.is_member(carrier, stream.subject) or (stream.kind == "members" and not is_held)
        if may_carry(peer.tier, stream.kind, carrier_is_member=member):
            return refused(self.terms(carrier), carrier, stream, self._store.now())
        return (
            "missing_prev"
            if stream.kind == "room" and not is_held and peer.tier.value != "EXTERNAL"
            else "not_permitted"
        )

    def may_finish(self, writer: bytes, stream_name: str) -> bool:
        """Whether a peer that once had a member in a room might push it here, if it still had."""
        peer: Peer = self._book.peer(writer)
        stream = streams.parse(stream_name)
        self._index()
        return (
            peer.state is State.CONNECTED
            and not peer.is_paused
            and stream.subject in self._ever.get(writer, ())
            and may_carry(peer.tier, stream.kind, carrier_is_member=True)
            and not refused(self.terms(writer), writer, stream, self._store.now())
        )


def _by_node(nodes_of: Mapping[str, Iterable[bytes]]) -> dict[bytes, set[str]]:
    """Turn room → nodes about."""
    rooms: dict[bytes, set[str]] = {}
    for room, nodes in nodes_of.items():
        for node in nodes:
            rooms.setdefault(node, set()).add(room)
    return rooms
