"""What the cores of a link ask their driver to do. Run the effects of one call in the order given."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from foedus.crypto.aead import Direction
from foedus.identity.record import SignedRecord
from foedus.sync.capabilities import Capabilities
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import AckPosition


class PeerIdentity(NamedTuple):
    """Who is at the other end, proved. ``history`` is oldest first, ``newest`` its last record."""

    node: bytes
    history: tuple[SignedRecord, ...]
    newest: SignedRecord
    capabilities: Capabilities
    """Negotiated: what both sides have, with the smaller of each parameter."""
    capabilities_offered: Capabilities
    """As the peer said them."""


class Send(NamedTuple):
    """Send these bytes of the handshake as one binary WebSocket message."""

    message: bytes


class Established(NamedTuple):
    """The handshake holds. Later messages are one frame each: ``sending.seal`` and ``receiving.open`` it."""

    peer: PeerIdentity
    sending: Direction
    receiving: Direction


class Close(NamedTuple):
    """Write what was sent before this, then close the socket. ``code`` is stable, ``message`` is for people."""

    code: str
    message: str


class SendFrame(NamedTuple):
    """Seal the encoded frame and send it."""

    data: bytes


class Deliver(NamedTuple):
    """Admit a batch of envelopes. When it is durable (or refused) call ``Session.durable`` with this ``cost``."""

    batch: bytes
    cost: int


class ReadChain(NamedTuple):
    """Read events with seq > ``after_seq`` and answer by ``Session.chain_read``, also if there are none."""

    epoch: bytes
    stream: str
    after_seq: int
    max_events: int
    max_bytes: int


class ComparePosition(NamedTuple):
    """The peer holds ``id`` at ``seq``, which lies below our head: another id of ours there is a fork.

    On a fork call ``Session.hold_chain``, then ``Session.want`` the peer's event for the proof.
    """

    epoch: bytes
    stream: str
    seq: int
    id: bytes


class ForkSeen(NamedTuple):
    """At our head's seq the peer holds another event. The session holds the chain; ask for ``peer_id`` by want."""

    epoch: bytes
    stream: str
    seq: int
    peer_id: bytes


class Control(NamedTuple):
    """A frame for the node itself: peering, records, want, missing, proof."""

    frame: Frame


class Opened(NamedTuple):
    """Both sides said ready: events flow as soon as ``Session.offer`` was called once."""


class Acked(NamedTuple):
    """The peer holds these chains durably up to these seqs."""

    positions: tuple[AckPosition, ...]


HandshakeEffect: TypeAlias = Send | Established | Close
SessionEffect: TypeAlias = (
    SendFrame | Deliver | ReadChain | ComparePosition | ForkSeen | Control | Opened | Acked | Close
)
