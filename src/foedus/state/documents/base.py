"""What the documents of a room were after a part of its log: a fold goes on from there, where that part is the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, learn, to_plain
from foedus.base.ids import sha256

BASE_BYTES_MAX = 64 * 1_048_576
"""Bytes of all documents of a room beyond which none is kept: four of the largest."""
_TALLY_BYTES = 32


class HeldPart(Struct, frozen=True):
    """A part of an update of which others are still to come (``fold.Part``)."""

    document: str
    epoch: bytes
    seq: int
    author: str
    number: int
    parts: int
    data: bytes


class Base(Struct, frozen=True):
    """The documents of ``stream`` as the updates up to the local number ``local`` make them.

    ``tally``: of the updates that counted then (``Tally``). ``documents``: name → its state, and what waits in it.
    """

    stream: str
    local: int
    tally: bytes
    documents: dict[str, tuple[bytes, ...]]
    parts: tuple[HeldPart, ...]


class Bases(Protocol):
    """Where they are kept: one for each room, for this node alone. Each may be dropped, and is made again."""

    def read(self, stream: str) -> bytes | None:
        """Return what was written last; None where there is nothing, or it cannot be read."""
        ...

    def write(self, stream: str, data: bytes) -> None:
        """Keep this instead of what was kept. Raises Unavailable."""
        ...

    def drop(self, stream: str) -> None:
        """Keep nothing of a room; nothing of it can be read from the disk then."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        ...

    def clear(self) -> None:
        """Drop all."""
        ...

    def close(self) -> None:
        """End well: where that is missing, nothing is left at the next start."""
        ...


class Tally:
    """Which updates of a room count, in the order of the log: equal sets have equal digests, and others have not."""

    def __init__(self, start: bytes = bytes(_TALLY_BYTES), local: int = 0) -> None:
        self.digest = start
        self.local = local
        """Up to which local number."""
        self.count = 0
        """How many were added since it was last set to 0: none once it is broken."""
        self._is_broken = False

    def add(self, local: int, ids: Iterable[bytes], *, is_next: bool = True) -> None:
        """Count the next updates, which stand up to ``local``; with others than the next it is broken for good."""
        self._is_broken |= not is_next
        if self._is_broken:
            self.count = 0
            return
        for each in ids:
            self.digest = sha256(self.digest + each)
            self.count += 1
        self.local = local


def encode_base(base: Base) -> bytes:
    """Return the bytes to keep, with what shows that they are whole."""
    data = encode(to_plain(base))
    return sha256(data) + data


def decode_base(data: bytes) -> Base | None:
    """Return what was kept, None where it is damaged."""
    digest, rest = data[:_TALLY_BYTES], data[_TALLY_BYTES:]
    try:
        return decode_as(rest, Base) if sha256(rest) == digest else None
    except (NotCanonical, Malformed):
        return None


learn(Base)
