"""The packet that another one passes on: its whole event is inside, so its signatures can be checked by anybody.

Sync carries an event as its author and node signed it, whoever brings it: then nobody says that they pass it on, and
nothing is added. ``knowledge.republish`` is for what would not flow by itself: to another domain, or to peers of a node
that may not see the first one's stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.errors import PeerViolation
from foedus.crypto import ed25519
from foedus.log import streams
from foedus.log.event import Envelope, Event, digest_matches, parse_envelope
from foedus.log.knowledge import KnowledgePublish, KnowledgeRepublish, read_knowledge
from foedus.log.outcomes import signature_checks

Proved: TypeAlias = Literal["proved", "unknown", "forged"]
KeyOf: TypeAlias = Callable[[bytes], bytes | None]
"""Epoch → Ed25519 key of its identity record, None where that is not held."""


class Source(NamedTuple):
    """The event that is passed on, decoded; ``content``: what it says. Nothing of it is proved yet."""

    id: bytes
    event: Event
    envelope: Envelope
    content: KnowledgePublish

    @property
    def domain(self) -> str:
        """Where it was published."""
        return self.event.stream.partition(":")[2]


def read_source(data: bytes) -> Source | None:
    """Return the source that a republishing holds; None where it is no packet with a body."""
    try:
        parsed = parse_envelope(data)
        kind, body = parsed.event.act.kind, parsed.envelope.body
        is_packet = streams.parse(parsed.event.stream).kind == "knowledge" and kind in _PASSED_ON
        if body is None or not is_packet or not digest_matches(parsed.envelope, parsed.event.act):
            return None
        content = read_knowledge(kind, body)
    except (PeerViolation, NotCanonical, Malformed):
        return None
    return Source(parsed.id, parsed.event, parsed.envelope, content) if isinstance(content, KnowledgePublish) else None


def passed_on(kind: str, body: bytes | None) -> Source | None:
    """Return the source that the body of an act passes on; None where it passes nothing on."""
    if kind != "knowledge.republish" or body is None:
        return None
    try:
        read = read_knowledge(kind, body)
    except (NotCanonical, Malformed):
        return None
    return read_source(read.source) if isinstance(read, KnowledgeRepublish) else None


_PASSED_ON = frozenset({"knowledge.publish", "knowledge.revise"})
"""What passes something on is not passed on itself: its author stays one step away."""


def prove(data: bytes, key_of: KeyOf) -> Proved:
    """Check both signatures of a source. ``unknown``: its node's identity record is not held here."""
    parsed = parse_envelope(data)
    key = key_of(parsed.event.epoch)
    if key is None:
        return "unknown"
    checks = signature_checks(parsed, key)
    return "proved" if all(ed25519.verify(*check) for check in checks) else "forged"
