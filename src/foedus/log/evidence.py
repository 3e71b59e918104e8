"""Evidence of equivocation: two valid events of one place in one chain."""

from __future__ import annotations

from foedus.base.cbor import Malformed, convert, decode, encode
from foedus.crypto import ed25519
from foedus.log import streams
from foedus.log.event import Envelope, Parsed, event_signing_bytes, parse_envelope
from foedus.log.port import Proof


def make_proof(one: Parsed, other: Parsed) -> Proof:
    """Return the proof that two events of one (epoch, stream, seq) make, the smaller id first, without bodies."""
    first, second = sorted((one, other), key=lambda parsed: parsed.id)
    event = first.event
    return Proof(
        event.epoch,
        event.stream,
        event.seq,
        first.envelope.without_body(),
        second.envelope.without_body(),
    )


def encode_proof(proof: Proof) -> bytes:
    """Return ``[envelope bytes, envelope bytes]`` as canonical bytes."""
    return encode([proof.one.encode(), proof.other.encode()])


def decode_proof(data: bytes) -> tuple[Parsed, Parsed]:
    """Return the two parsed events; raise NotCanonical or Malformed. ``check_proof`` says whether it convicts."""
    one, other = convert(decode(data), tuple[bytes, bytes])
    return parse_envelope(one), parse_envelope(other)


def check_proof(one: Parsed, other: Parsed, node_key: bytes) -> None:
    """Raise Malformed unless the two are a valid proof under the Ed25519 key of their epoch.

    Only the node's signatures count: it is the node that ordered both, whoever acted.
    """
    places = {(parsed.event.epoch, parsed.event.stream, parsed.event.seq) for parsed in (one, other)}
    if len(places) != 1 or not one.id < other.id:
        message = "a proof holds two different events of one place, the smaller id first"
        raise Malformed(message)
    streams.parse(one.event.stream)
    for parsed in (one, other):
        envelope: Envelope = parsed.envelope
        if not ed25519.verify(node_key, event_signing_bytes(envelope.event), envelope.sig):
            message = "a proof holds two valid signatures"
            raise Malformed(message)
