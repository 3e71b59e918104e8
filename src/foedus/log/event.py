"""Acts and events: their shapes, bytes, ids and signatures (docs/protocol.md, section 3)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, encode, is_linkless, learn, strict, strict_linkless
from foedus.base.clock import Hlc
from foedus.base.errors import PeerViolation
from foedus.base.ids import ID_BYTES, sha256
from foedus.base.limits import AUTH_MAX, BODY_MAX, ENVELOPE_MAX, EVENT_MAX, NONCE_BYTES, REFS_MAX
from foedus.crypto.labels import signed_bytes

Id: TypeAlias = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Microseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]


class TooLarge(PeerViolation):
    """A bound of size is exceeded."""

    code = "too_large"
    http_status = 413
    remedy = "put what is larger into a blob and name it by its hash"


class Act(Struct, frozen=True, forbid_unknown_fields=True):
    """What an author did. ``author`` is a did:key text where a device signs, 32 bytes where the node acts."""

    at: Microseconds
    auth: Annotated[tuple[Id, ...], Meta(max_length=AUTH_MAX)]
    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    refs: Annotated[tuple[Id, ...], Meta(max_length=REFS_MAX)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    author: Any
    device: Id | None
    digest: Id


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """An act, ordered by a node in one of its chains."""

    v: Annotated[int, Meta(ge=1, le=1)]
    act: Act
    hlc: Hlc
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]
    asig: Signature | None
    prev: Id | None
    epoch: Id
    stream: str


class Envelope(NamedTuple):
    """An event as it travels: bytes, the node's signature, and its body if it comes along.

    ``salt`` and ``body`` are both given or both None.
    """

    event: bytes
    sig: bytes
    salt: bytes | None
    body: bytes | None

    def encode(self) -> bytes:
        """Return the canonical bytes ``[event, sig, [salt, body] | null]``."""
        return encode([self.event, self.sig, None if self.salt is None else [self.salt, self.body]])

    def without_body(self) -> Envelope:
        """Return the stub: what stays when a body is erased or not shown."""
        return Envelope(self.event, self.sig, None, None)


class Parsed(NamedTuple):
    """A decoded envelope whose shape and size are right. Signatures are not checked yet.

    ``act_bytes`` are what the device signed (without label), or None where the node acts.
    """

    envelope: Envelope
    event: Event
    id: bytes
    act_bytes: bytes | None

    @property
    def hlc(self) -> Hlc:
        """The event's hybrid logical time."""
        return self.event.hlc


class _EnvelopeShape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    event: bytes
    sig: Signature
    content: tuple[Id, bytes] | None


_BUILTIN = (bytes,)
_convert = msgspec.convert
_tuple = tuple.__new__
"""Makes a named tuple in a third of the time that its class takes: four are made of each event."""


def parse_envelope(data: bytes) -> Parsed:
    """Decode an envelope and its event, and check sizes, canonical form and shape.

    Raises TooLarge, NotCanonical or Malformed. The digest and the signatures are left to the caller.
    This is the hot path of ingest: one decode and one encode for each canonical layer.
    """
    if len(data) > ENVELOPE_MAX:
        message = f"an envelope has at most {ENVELOPE_MAX} bytes, not {len(data)}"
        raise TooLarge(message)
    linkless = is_linkless(data)
    try:
        shape = _convert(strict_linkless(data) if linkless else strict(data), _EnvelopeShape, builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    salt, body = shape.content or (None, None)
    return _parse(_tuple(Envelope, (shape.event, shape.sig, salt, body)), linkless=linkless)


def parse_event(envelope: Envelope) -> Parsed:
    """Decode the event of an envelope that is already taken apart; the same errors as ``parse_envelope``."""
    return _parse(envelope, linkless=False)


def _parse(envelope: Envelope, *, linkless: bool) -> Parsed:
    value, event = _read(envelope, linkless=linkless)
    data = envelope.event
    signed = None
    if event.act.device is not None:
        signed = signed_bytes("act", encode({"act": value["act"], "epoch": event.epoch, "stream": event.stream}))
    return _tuple(Parsed, (envelope, event, hashlib.sha256(data).digest(), signed))


def read_event(envelope: Envelope) -> Event:
    """Return the event as ``parse_event`` does, without its id and what was signed, which cost as much again."""
    return _read(envelope, linkless=False)[1]


def _read(envelope: Envelope, *, linkless: bool) -> tuple[Any, Event]:
    """Return the event's value and shape. ``linkless``: whether its bytes are known to be."""
    data, _, _, body = envelope
    if len(data) > EVENT_MAX or (body is not None and len(body) > BODY_MAX):
        message = f"an event has at most {EVENT_MAX} bytes, a body {BODY_MAX}"
        raise TooLarge(message)
    value = strict_linkless(data) if linkless else strict(data)
    try:
        event = _convert(value, Event, builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    act = event.act
    if act.device is None:
        if event.asig is not None or type(act.author) is not bytes or len(act.author) != ID_BYTES:
            message = "a node's own act has its 32-byte id as author, and no device signature"
            raise Malformed(message)
    elif event.asig is None or type(act.author) is not str:
        message = "a device's act has a did:key as author, and the device's signature"
        raise Malformed(message)
    return value, event


def act_signing_bytes(act: Act | dict[str, Any], epoch: bytes, stream: str) -> bytes:
    """Return what a device signs, label included."""
    plain = act if type(act) is dict else act_plain(act)  # type: ignore[arg-type]
    return signed_bytes("act", encode({"act": plain, "epoch": epoch, "stream": stream}))


def act_plain(act: Act) -> dict[str, Any]:
    """Return the act as the map that is encoded."""
    return {
        "at": act.at,
        "auth": list(act.auth),
        "kind": act.kind,
        "refs": list(act.refs),
        "nonce": act.nonce,
        "author": act.author,
        "device": act.device,
        "digest": act.digest,
    }


def encode_event(event: Event) -> bytes:
    """Return the canonical bytes of an event that this node orders."""
    return encode(
        {
            "v": event.v,
            "act": act_plain(event.act),
            "hlc": list(event.hlc),
            "seq": event.seq,
            "asig": event.asig,
            "prev": event.prev,
            "epoch": event.epoch,
            "stream": event.stream,
        },
    )


def event_signing_bytes(event_bytes: bytes) -> bytes:
    """Return what a node signs, label included."""
    return signed_bytes("event", event_bytes)


def digest_of(salt: bytes, body: bytes) -> bytes:
    """Return the digest by which an act names its body."""
    return sha256(salt, body)


def digest_matches(envelope: Envelope, act: Act) -> bool:
    """Whether the body that came along (if any) is the one that the act names."""
    _, _, salt, body = envelope
    return salt is None or body is None or hashlib.sha256(salt + body).digest() == act.digest


learn(Act, Event, _EnvelopeShape)
