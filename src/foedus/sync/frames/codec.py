"""A frame and its bytes. Decoding is strict: one encoding per value, every length and number bounded, nothing extra."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from foedus.base.cbor import Malformed, decode, encode, learn, to_plain
from foedus.base.ids import ID_BYTES
from foedus.base.limits import COUNCIL_MESSAGE_MAX, FRAME_MAX
from foedus.crypto.aead import TAG_BYTES
from foedus.sync.frames.blobs import Chunk, HaveBlob, NoChunks, WantChunks
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.events import Ack, Cursors, Events, Missing, Proof, Pruned, Records, Want, WantRecords
from foedus.sync.frames.keeping import Bye, Ping, Pong
from foedus.sync.frames.members import CouncilSays, Presences
from foedus.sync.frames.peering import (
    Accepted,
    Confirmed,
    Declined,
    Ended,
    Pending,
    Ready,
    Refused,
    Request,
    TierChanged,
)
from foedus.sync.frames.questions import Answered, Cancel, Query, Reach, Results

FRAME_PLAINTEXT_MAX = FRAME_MAX - TAG_BYTES
"""Bytes of a frame before it is sealed: the message on the wire has at most FRAME_MAX."""

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
