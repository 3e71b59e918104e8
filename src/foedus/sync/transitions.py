"""The two state machines of a link, as data: state and input say the next state; what is absent is forbidden.

A link begins with the **handshake** (three messages, ``Step``). Then each side has a **voice**
(``Voice``): what it has said about the other so far. Our voice and the peer's obey one table; we hold
ourselves to it by ValueError and the peer by closing. Events flow while both voices are ready.

docs/link-states.md is rendered from these tables by ``python -m foedus.sync.diagram``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from foedus.base.errors import PeerViolation


class Unexpected(PeerViolation):
    """A frame that its sender may not send now."""

    code = "unexpected_frame"
    remedy = "the other node must follow docs/link-states.md"


class Step(Enum):
    """Where a handshake stands. The value is its name in the docs."""

    READY_TO_DIAL = "ready to dial"
    AWAITING_M1 = "awaiting M1"
    AWAITING_M2 = "awaiting M2"
    AWAITING_M3 = "awaiting M3"
    ESTABLISHED = "established"
    CLOSED = "closed"


class Voice(Enum):
    """What one side of an established link has said about the other. The value is its name in the docs."""

    SILENT = "silent"
    PENDING = "pending"
    READY = "ready"
    CLOSED = "closed"


HANDSHAKE: Mapping[tuple[Step, str], Step] = MappingProxyType(
    {
        (Step.READY_TO_DIAL, "start / send M1"): Step.AWAITING_M2,
        (Step.AWAITING_M1, "M1 / send M2"): Step.AWAITING_M3,
        (Step.AWAITING_M2, "M2 / send M3"): Step.ESTABLISHED,
        (Step.AWAITING_M3, "M3"): Step.ESTABLISHED,
        (Step.READY_TO_DIAL, "10 s, or a bad message"): Step.CLOSED,
        (Step.AWAITING_M1, "10 s, or a bad message"): Step.CLOSED,
        (Step.AWAITING_M2, "10 s, or a bad message"): Step.CLOSED,
        (Step.AWAITING_M3, "10 s, or a bad message"): Step.CLOSED,
    },
)
"""``input / output`` of both roles: an initiator begins at READY_TO_DIAL, a responder at AWAITING_M1."""

KEEPALIVE = ("ping", "pong", "bye")
PEERING = ("request", "accepted", "confirmed", "declined", "records", "want_records")
TERMS = ("tier",)
SELDOM = frozenset({"ready", "pending", "refused", "request", "accepted", "confirmed", "declined", "tier", "ended"})
"""Frames that a person stands behind, so an honest peer sends a handful of them."""
QUERIES = ("query", "results", "answered", "cancel")
"""Frames that only peers with the capability ``queries`` are sent."""
CALLS = ("call", "call_progress", "call_ended", "call_refused", "call_signed", "call_cancel")
"""Frames that only peers with the capability ``calls`` are sent."""
BLOBS = ("want_chunks", "chunk", "no_chunks", "have_blob")
"""Frames that only peers with the capability ``blobs`` are sent."""
PRESENCES = ("presences",)
"""Frames that only peers with the capability ``presences`` are sent."""
COUNCILS = ("council",)
"""Frames that only peers with the capability ``council`` are sent."""
ROUTING = ("reach",)
"""Frames that only peers with the capability ``routing`` are sent."""
_LOG = ("cursors", "events", "ack", "want", "missing", "proof", "pruned")
SYNC = (*_LOG, *QUERIES, *ROUTING, *CALLS, *BLOBS, *PRESENCES, *COUNCILS)
"""Frames that a side may send only while *both* voices are ready."""
BY_THE_WAY = frozenset({"events", "ack", "council", "ping", "pong", "bye"})
"""Frames that come as often as they like: credit bounds events and thereby acks, a council's members have bounded
inboxes (``node/council_inbox.py``), the rest costs next to nothing."""
BY_SESSION = frozenset({"ready", "pending", "refused", "cursors", "events", "ack", "want", "ping", "pong", "bye"})
"""Frames that a session sends by itself; the node sends the others through it."""

_GREETINGS = {
    (Voice.SILENT, "ready"): Voice.READY,
    (Voice.SILENT, "pending"): Voice.PENDING,
    (Voice.SILENT, "refused"): Voice.CLOSED,
    (Voice.PENDING, "ready"): Voice.READY,
    (Voice.PENDING, "refused"): Voice.CLOSED,
    (Voice.PENDING, "ended"): Voice.CLOSED,
    (Voice.READY, "ended"): Voice.CLOSED,
}
_STAYING = {
    Voice.SILENT: KEEPALIVE,
    Voice.PENDING: (*KEEPALIVE, *PEERING),
    Voice.READY: (*KEEPALIVE, *PEERING, *TERMS, *SYNC),
}
VOICE: Mapping[tuple[Voice, str], Voice] = MappingProxyType(
    {
        **_GREETINGS,
        **{(voice, frame): voice for voice, frames in _STAYING.items() for frame in frames if frame != "bye"},
        **{(voice, "bye"): Voice.CLOSED for voice in _STAYING},
    },
)
"""(voice of the sender, type of the frame it sends) to its voice after it."""
