"""Frames of questions and calls without a link: numbered, so that what is lost on the way is sent again and taken once.

Each side of a *talk* gives its frames the numbers 1, 2, 3 … and sends them in parcels, again and again until the other
has said that it heard them. A side that forgot (it was restarted, or heard nothing for long) begins another talk.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, convert, decode, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.limits import FRAME_MAX
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.codec import FRAME_PLAINTEXT_MAX, Frame, decode_frame, frame_type
from foedus.sync.frames.events import Records
from foedus.sync.frames.fields import Seq
from foedus.sync.frames.questions import Answered, Cancel, Query, Results

CARRIED = (
    *(Query, Results, Answered, Cancel, Records),
    *(Call, CallProgress, CallEnded, CallRefused, CallSigned, CallCancel),
)
"""Frames that go without a link: questions, calls, and the identities of who signed them."""
SPEAKS = frozenset({"queries", "calls"})
"""The capabilities (§5), of major 1, that whoever has this door has."""
FRAMES_MAX = 1_024
"""Frames of one parcel: as many as wait to be written on a link."""
PARCEL_FRAMES_BYTES = FRAME_MAX
"""Bytes of frames in one parcel: any one fits, and a receiver holds no more than of a link."""
PARCEL_MAX = PARCEL_FRAMES_BYTES + 16 * 1_024
"""Bytes of a parcel: 5 beside each frame, and 100 at the beginning."""

Number: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 53)]
TalkName: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
FrameBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=FRAME_PLAINTEXT_MAX)]


class Heard(NamedTuple):
    """How far a side has what the other said: all up to ``number`` of the other's ``talk``."""

    talk: TalkName
    number: Seq


class Parcel(Struct, frozen=True, forbid_unknown_fields=True):
    """``talk`` is the sender's: when it began, µs. ``first`` is the number of the first frame, or of the next to be."""

    talk: TalkName
    first: Number
    frames: Annotated[tuple[FrameBytes, ...], Meta(max_length=FRAMES_MAX)]
    heard: Heard | None


class TalkBroken(UsageError):
    """The two sides do not mean the same talk any more."""

    code = "talk_broken"
    http_status = 409
    remedy = "begin another talk: docs/protocol.md, section 9"


def encode_parcel(parcel: Parcel) -> bytes:
    """Return the canonical bytes."""
    return encode(to_plain(parcel))


def decode_parcel(data: bytes) -> Parcel:
    """Return the parcel in ``data``; raise NotCanonical or Malformed."""
    if len(data) > PARCEL_MAX:
        raise Malformed(f"a parcel has at most {PARCEL_MAX} bytes", code="too_large")
    return convert(decode(data), Parcel)


def read_frames(parcel: Parcel) -> list[Frame]:
    """Return the frames of a parcel; raise Malformed, also for one that goes on links alone."""
    frames = [decode_frame(data) for data in parcel.frames]
    for frame in frames:
        if not isinstance(frame, CARRIED):
            raise Malformed(f"a {frame_type(frame)} frame goes on links alone", code="not_permitted")
    return frames


class Talk:
    """One side of a talk. ``name``: when it began; a later one of the same side takes its place."""

    def __init__(self, name: Instant) -> None:
        self.name = name
        self.theirs: Instant | None = None
        """The other side's name of it, once it said something."""
        self.size = 0
        """Bytes of frames that the other side has not heard."""
        self._heard = 0
        self._first = 1
        self._frames: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Say a frame."""
        self._frames.append(frame)
        self.size += len(frame)

    def parcel(self, *, is_full: bool = True) -> Parcel:
        """Return what the other side has not heard, the oldest first, as much as fits; nothing unless ``is_full``."""
        some: list[bytes] = []
        size = 0
        for frame in self._frames if is_full else ():
            size += len(frame)
            if size > PARCEL_FRAMES_BYTES or len(some) == FRAMES_MAX:
                break
            some.append(frame)
        heard = None if self.theirs is None else Heard(self.theirs, self._heard)
        return Parcel(self.name, self._first, tuple(some), heard)

    def hear(self, parcel: Parcel, frames: list[Frame]) -> list[Frame]:
        """Return those of a parcel's ``frames`` that were not heard before; drop what the other side has heard.

        Raises TalkBroken, and changes nothing, where it is of another talk, or something between was never heard.
        """
        if self.theirs not in {None, parcel.talk}:
            raise TalkBroken("the other side began another talk")
        if parcel.first > self._heard + 1:
            raise TalkBroken("what came before was never heard here")
        self.theirs = parcel.talk
        if parcel.heard is not None and parcel.heard.talk == self.name:
            self._drop(parcel.heard.number)
        new = frames[self._heard + 1 - parcel.first :]
        self._heard += len(new)
        return new

    def _drop(self, number: int) -> None:
        while self._frames and self._first <= number:
            self.size -= len(self._frames.popleft())
            self._first += 1


learn(Parcel)
