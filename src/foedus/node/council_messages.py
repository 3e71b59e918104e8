"""What a ``council`` frame carries: what replicas say to each other, and the founding document with its signatures."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from foedus.base.cbor import Malformed, check_items, convert, encode, learn, strict
from foedus.base.limits import COUNCIL_MESSAGE_MAX
from foedus.consensus.founding import Founding
from foedus.consensus.messages import Message, Signatures, plain

ITEMS_MAX = COUNCIL_MESSAGE_MAX // 16
"""Values in a message: what is signed takes 64 bytes and five values, so honest ones have far fewer."""


class Founded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="founding"):
    """A founding document, and who has signed it so far: members by index, in that order."""

    founding: Founding
    signatures: Signatures

    @property
    def is_whole(self) -> bool:
        """Whether every founding node has signed: only then the council is."""
        return len(self.signatures) == len(self.founding.members)


Said: TypeAlias = Message | Founded


def write(said: Said) -> bytes:
    """Return the bytes of a message; raise ValueError where no frame holds them."""
    data = encode(plain(said))
    if len(data) > COUNCIL_MESSAGE_MAX:
        raise ValueError(f"a message of {len(data)} bytes does not fit a frame")
    return data


def read(data: bytes) -> Said:
    """Return the message in ``data``; raise NotCanonical or Malformed, whatever the bytes."""
    try:
        check_items(data, ITEMS_MAX)
        return convert(strict(data), Said)  # type: ignore[arg-type]  # msgspec takes a union
    except Malformed as error:
        raise Malformed(str(error), code="malformed_frame") from None


learn(Said)
