"""The frames of a link: one frozen value per row of the table in docs/protocol.md section 5.

A frame is the DAG-CBOR list ``[type, ...]``. Decoding is strict: one encoding per value, every length
and number bounded, nothing extra. Events are opaque bytes here; identity records are taken apart by
``identity.record.parse_signed_record``.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode, encode, learn, to_plain
from foedus.base.ids import ID_BYTES
from foedus.base.limits import (
    ACKS_PER_FRAME,
    BLOB_CHUNKS_MAX,
    BODY_MAX,
    CHUNK_BYTES,
    CHUNKS_PER_FRAME,
    COUNCIL_MESSAGE_MAX,
    CREDIT_BYTES,
    CURSORS_PER_FRAME,
    ENVELOPE_MAX,
    FRAME_MAX,
    NAME_MAX,
    NOTE_MAX,
    PRESENCE_STATEMENT_MAX,
    RECORDS_MAX,
    STREAM_NAME_MAX,
    WANTS_PER_FRAME,
)
from foedus.crypto.aead import TAG_BYTES
from foedus.log.event import Id, Signature

FRAME_PLAINTEXT_MAX = FRAME_MAX - TAG_BYTES
"""Bytes of a frame before it is sealed: the message on the wire has at most FRAME_MAX."""
ENDPOINTS_MAX = 8
"""Addresses of one node in a request: more than any has; a person reads them."""
ENDPOINT_MAX = 512
"""Characters of a URL: a DNS name of 253, a port and a path fit twice."""

Seq: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
StreamName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=STREAM_NAME_MAX)]
Code: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,64}\Z")]
Name: TypeAlias = Annotated[str, Meta(max_length=NAME_MAX)]
Tier: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32)]
Document: TypeAlias = Annotated[bytes, Meta(max_length=BODY_MAX)]
PlainRecord: TypeAlias = Annotated[list[Any], Meta(min_length=2, max_length=2)]
"""What ``SignedRecord.plain`` gives and ``parse_signed_record`` takes."""
Endpoint: TypeAlias = Annotated[str, Meta(max_length=ENDPOINT_MAX)]
QUERY_BYTES_MAX = 24_576
"""Bytes of a question (docs/query.md); a result has fewer."""
EVIDENCE_MAX = 16
"""Events that go with a question: an enrolment, and a chain of grants with those of its issuers."""
PATH_MAX = 9
"""Nodes that a question came through: who asks, and 8 hops."""
QUERY_LASTS_MAX = 60_000_000
"""Microseconds that a question may still have."""
RESULTS_PER_FRAME = 64
"""A frame of so many small ones has 50 KB; large ones fill it before (a sender stops at 256 KiB)."""
REPORTS_PER_FRAME = 1_024
"""Nodes that a node names are 1,000 at most."""

REACHED_MAX = 1_024
"""Nodes that a node says it reaches (docs/routing.md)."""
REACHED_HOPS_MAX = 7
"""A question passes 8 links, and the first leads to who says so."""

CALL_BYTES_MAX = 69_632
"""Bytes of a call (docs/capabilities.md)."""
CALL_OUTPUT_MAX = 65_536
"""Bytes of what a call returns."""
CALL_LASTS_MAX = 3_600_000_000
"""Microseconds that a call may still have."""
CALL_PROGRESS_MAX = 4_096
"""Bytes of one word of progress: it says how far the work is, and brings nothing."""
RECEIPT_BYTES_MAX = 1_024

ChunkNumbers: TypeAlias = Annotated[
    tuple[Annotated[int, Meta(ge=0, lt=BLOB_CHUNKS_MAX)], ...], Meta(min_length=1, max_length=CHUNKS_PER_FRAME)
]
EnvelopeBytes: TypeAlias = Annotated[bytes, Meta(max_length=ENVELOPE_MAX)]
QuestionBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=QUERY_BYTES_MAX)]


class ChainPosition(NamedTuple):
    """How far a chain is held: ``id`` is the event at ``seq``; at seq 0 (nothing held) it is NO_EVENT."""

    epoch: Id
    stream: StreamName
    seq: Seq
    id: Id


class AckPosition(NamedTuple):
    """A chain that is durable up to ``seq``."""

    epoch: Id
    stream: StreamName
    seq: Seq


NO_EVENT = bytes(32)
"""The id in a position at seq 0."""


class Introduction(Struct, frozen=True, forbid_unknown_fields=True):
    """Our name, and the tier that we give to the other."""

    name: Name
    tier: Tier


class Ready(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ready"):
    """The other is connected here."""

    introduction: Introduction


class Pending(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pending"):
    """The other is a stranger, or its request waits."""


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="refused"):
    """No link with the other; ``superseded`` brings its newer signed records."""

    code: Code
    records: Annotated[tuple[PlainRecord, ...], Meta(max_length=RECORDS_MAX)]


class Application(Struct, frozen=True, forbid_unknown_fields=True):
    """What a request holds: ``agreement`` is the draft document, ``signature`` the requester's of it."""

    name: Name
    note: Annotated[str, Meta(max_length=NOTE_MAX)]
    endpoints: Annotated[tuple[Endpoint, ...], Meta(max_length=ENDPOINTS_MAX)]
    agreement: Document
    signature: Signature


class Request(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="request"):
    """Asks for a connection."""

    application: Application


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    """What an acceptance holds: the final agreement, signed by the accepter."""

    name: Name
    tier: Tier
    agreement: Document
    signature: Signature


class Accepted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="accepted"):
    """A human accepted the request."""

    acceptance: Acceptance


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """The requester's signature of the final agreement."""

    signature: Signature


class Confirmed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="confirmed"):
    """The requester signed, too."""

    confirmation: Confirmation


class Declined(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="declined"):
    """A human said no."""


class TierChanged(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="tier"):
    """The tier given to the other changed."""

    tier: Tier


class Ended(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ended"):
    """Disconnected here: nothing more flows, and the link closes. ``reason`` is for people."""

    reason: Annotated[str, Meta(max_length=NOTE_MAX)]


class Cursors(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cursors"):
    """Heads of chains that are held and that the other may see; ``more``: pages follow."""

    positions: Annotated[tuple[ChainPosition, ...], Meta(max_length=CURSORS_PER_FRAME)]
    more: bool


class Records(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="records"):
    """Signed identity records, oldest first."""

    records: Annotated[tuple[PlainRecord, ...], Meta(max_length=RECORDS_MAX)]


class WantRecords(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_records"):
    """Asks for identity records by epoch."""

    epochs: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Events(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="events"):
    """A batch of envelopes. Costs its length in credit."""

    batch: Annotated[bytes, Meta(min_length=1)]


class Ack(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ack"):
    """Durable prefixes, and bytes of credit returned."""

    positions: Annotated[tuple[AckPosition, ...], Meta(max_length=ACKS_PER_FRAME)]
    credit: Annotated[int, Meta(ge=0, le=CREDIT_BYTES)]


class Want(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want"):
    """Asks for events by id."""

    ids: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Missing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="missing"):
    """Wanted events that are not held, or not for the asker: one answer for both."""

    ids: Annotated[tuple[Id, ...], Meta(max_length=WANTS_PER_FRAME)]


class Proof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="proof"):
    """An equivocation proof: two envelopes without bodies, the smaller id first."""

    one: EnvelopeBytes
    other: EnvelopeBytes


class Pruned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pruned"):
    """The sender no longer holds what follows ``after`` in a chain, up to the event that ``checkpoint`` names."""

    epoch: Id
    stream: StreamName
    after: Seq
    checkpoint: Document


class QueryReport(NamedTuple):
    """How a node did with a question; ``node`` None: ``results`` nodes that are not named."""

    node: Id | None
    outcome: Code
    code: Annotated[str, Meta(max_length=64)]
    results: Seq


class Reached(NamedTuple):
    """A node, and how many links it is to it."""

    node: Id
    hops: Annotated[int, Meta(ge=0, le=REACHED_HOPS_MAX)]


class SignedResult(NamedTuple):
    """A result, and its source node's signature of it."""

    data: QuestionBytes
    sig: Signature


class Query(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="query"):
    """A question: as it was signed, by the asker's device (null: the node asks) and its node.

    ``evidence``: envelopes of events that it stands on, for nodes that do not hold them. ``path``: who passed it on,
    the asking node first, the sender last. ``left``: µs that the receiver has.
    """

    question: QuestionBytes
    asig: Signature | None
    sig: Signature
    evidence: Annotated[tuple[EnvelopeBytes, ...], Meta(max_length=EVIDENCE_MAX)]
    path: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=PATH_MAX)]
    left: Annotated[int, Meta(ge=1, le=QUERY_LASTS_MAX)]


class Results(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="results"):
    """Results for a question of the receiver, its own or passed on."""

    query: Id
    results: Annotated[tuple[SignedResult, ...], Meta(max_length=RESULTS_PER_FRAME)]


class Answered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="answered"):
    """Nothing more comes for a question: how the sender did, and those that it asked."""

    query: Id
    reports: Annotated[tuple[QueryReport, ...], Meta(max_length=REPORTS_PER_FRAME)]


class Cancel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cancel"):
    """Nobody waits for a question any more."""

    query: Id


class Reach(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="reach"):
    """How many links it is from the sender to which nodes, itself at 0. Takes the place of the last; empty: untold."""

    nodes: Annotated[tuple[Reached, ...], Meta(max_length=REACHED_MAX)]


class Call(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call"):
    """A call of a capability of the receiver, as it was signed; sent again, it asks for the outcome.

    ``left``: µs that the receiver has.
    """

    call: Annotated[bytes, Meta(min_length=1, max_length=CALL_BYTES_MAX)]
    asig: Signature | None
    sig: Signature
    left: Annotated[int, Meta(ge=1, le=CALL_LASTS_MAX)]


class CallProgress(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_progress"):
    """How far the work is: JSON. Numbers grow by one; what is lost is not sent again."""

    call: Id
    number: Seq
    data: Annotated[bytes, Meta(max_length=CALL_PROGRESS_MAX)]


class CallEnded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_ended"):
    """How a call ended: the receipt, its node's signature, and the output."""

    call: Id
    receipt: Annotated[bytes, Meta(max_length=RECEIPT_BYTES_MAX)]
    sig: Signature
    output: Annotated[bytes, Meta(max_length=CALL_OUTPUT_MAX)] | None


class CallRefused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_refused"):
    """The call was not taken up."""

    call: Id
    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=1_024)]


class CallSigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_signed"):
    """The calling node's signature of a receipt."""

    call: Id
    sig: Signature


class CallCancel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_cancel"):
    """The caller wants a call to end."""

    call: Id


CallFrame: TypeAlias = Call | CallProgress | CallEnded | CallRefused | CallSigned | CallCancel


class WantChunks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_chunks"):
    """Asks for chunks, by their numbers, of the blob that an event names."""

    event: Id
    numbers: ChunkNumbers


class Chunk(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="chunk"):
    """A chunk that was asked for."""

    event: Id
    number: Annotated[int, Meta(ge=0, lt=BLOB_CHUNKS_MAX)]
    data: Annotated[bytes, Meta(min_length=1, max_length=CHUNK_BYTES)]


class NoChunks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="no_chunks"):
    """Chunks that are not held, or not for the asker: one answer for both."""

    event: Id
    numbers: ChunkNumbers


class HaveBlob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have_blob"):
    """The sender, who said ``no_chunks`` of an event before, has all of its blob by now."""

    event: Id


BlobFrame: TypeAlias = WantChunks | Chunk | NoChunks | HaveBlob


class Presences(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="presences"):
    """Who is in a document at a node, as that node signed it; members pass it on as the room's host does."""

    statement: Annotated[bytes, Meta(min_length=1, max_length=PRESENCE_STATEMENT_MAX)]
    sig: Signature


class CouncilSays(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="council"):
    """A message between two members of a council; what it says is opaque here."""

    council: Id
    message: Annotated[bytes, Meta(min_length=1, max_length=COUNCIL_MESSAGE_MAX)]


class Ping(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ping"):
    """Asks for a pong with the same number."""

    number: Seq


class Pong(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pong"):
    """Answers a ping; ``clock`` is its sender's wall clock, so that each side can tell how far the clocks differ."""

    number: Seq
    clock: Annotated[int, Meta(ge=0, lt=1 << 62)]


class Bye(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bye"):
    """The last frame of a side: why it closes."""

    code: Code


# Names of Struct classes cannot be taken from a tuple by a type checker, so the union is written out.
Frame: TypeAlias = (
    Ready | Pending | Refused | Request | Accepted | Confirmed | Declined | TierChanged | Ended
    | Cursors | Records | WantRecords | Events | Ack | Want | Missing | Proof | Pruned
    | Query | Results | Answered | Cancel | Reach
    | Call | CallProgress | CallEnded | CallRefused | CallSigned | CallCancel
    | WantChunks | Chunk | NoChunks | HaveBlob | Presences | CouncilSays | Ping | Pong | Bye
)  # fmt: skip

_BUILTIN = (bytes,)
_NAMES: dict[type, str] = {shape: str(shape.__struct_config__.tag) for shape in Frame.__args__}
# msgspec looks through a union at every call; converting to the one shape is 20 times faster.
_SHAPES: dict[str, type[Frame]] = {name: shape for shape, name in _NAMES.items()}
TYPES = frozenset(_SHAPES)
"""The names of all frames."""


def frame_type(frame: Frame) -> str:
    """Return the name of a frame, its first item on the wire."""
    return _NAMES[type(frame)]


def encode_frame(frame: Frame) -> bytes:
    """Return the canonical bytes; raise ValueError for what ``decode_frame`` would refuse."""
    if type(frame) is CouncilSays and len(frame.council) == ID_BYTES and 0 < len(frame.message) <= COUNCIL_MESSAGE_MAX:
        return encode(["council", frame.council, frame.message])  # it is sent to many, and often
    plain = to_plain(frame)
    if type(frame) is not Events:  # the one that is sent all the time, and has nothing in it to be wrong
        msgspec.convert(plain, type(frame), builtin_types=_BUILTIN)
    data = encode(plain)
    if len(data) > FRAME_PLAINTEXT_MAX:
        raise ValueError(f"a {frame_type(frame)} frame of {len(data)} bytes does not fit {FRAME_PLAINTEXT_MAX}")
    return data


def decode_frame(data: bytes) -> Frame:
    """Return the frame in ``data`` (opened, at most FRAME_PLAINTEXT_MAX bytes).

    Raises NotCanonical, or Malformed with code ``frame_too_large``, ``unknown_frame`` or
    ``malformed_frame``: the session then closes the link.
    """
    if len(data) > FRAME_PLAINTEXT_MAX:
        raise Malformed(f"a frame has at most {FRAME_PLAINTEXT_MAX} bytes", code="frame_too_large")
    value = decode(data)
    if type(value) is not list or not value or type(value[0]) is not str:
        raise Malformed("a frame is a list that begins with its type", code="malformed_frame")
    shape = _SHAPES.get(value[0])
    if shape is None:
        raise Malformed(f"{value[0][:40]!r} is not a frame of version 1", code="unknown_frame")
    try:
        return msgspec.convert(value, shape, builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        raise Malformed(str(error), code="malformed_frame") from None


learn(*_SHAPES.values())
