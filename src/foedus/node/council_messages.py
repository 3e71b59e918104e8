"""What a ``council`` frame carries: what replicas say to each other, and how a council comes about and changes.

A frame names the membership of an epoch where it carries words of its replicas, else the council.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeGuard, get_args

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, check_items, convert, encode, learn, strict
from foedus.base.limits import COUNCIL_MESSAGE_MAX
from foedus.consensus.founding import Founding
from foedus.consensus.membership import Member, Membership
from foedus.consensus.messages import Message, Signatures, plain
from foedus.consensus.proof import EPOCHS_MAX, Renewal
from foedus.consensus.seals import Seals
from foedus.consensus.updates import Sequence
from foedus.log.event import Id, Signature

ITEM_BYTES = 16
"""Of each value in a message: what is signed takes 64 bytes and five values, so honest ones have far fewer."""
ENDS_MAX = 64
"""Ends of epochs in one message, of at most 4 KB each: a frame holds them."""
WANTED_MAX = 16
"""Checkpoints of which one message asks for the seals."""
PIECE_BYTES = COUNCIL_MESSAGE_MAX - 1_024
"""Of a message that no frame holds, in one frame."""
PIECES_MAX = 64
"""32 MiB: more than a new view of 31 members."""


class Founded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="founding"):
    """A founding document, and who has signed it so far: members by index, in that order."""

    founding: Founding
    signatures: Signatures

    @property
    def is_whole(self) -> bool:
        """Whether every founding node has signed: only then the council is."""
        return len(self.signatures) == len(self.founding.members)


class Invited(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="invited"):
    """A council, as all its founders signed it, to whose next epoch a node is asked."""

    founded: Founded


class At(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="at"):
    """The newest epoch that a node knows: who knows more says so."""

    epoch: Annotated[int, Meta(ge=0, le=EPOCHS_MAX)]


class Ends(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ends"):
    """How epochs ended, from ``first`` on."""

    first: Annotated[int, Meta(ge=0, le=EPOCHS_MAX)]
    renewals: Annotated[tuple[Renewal, ...], Meta(max_length=ENDS_MAX)]


class Consent(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="consent"):
    """A node takes a place in the epoch after the one with this membership, with this key."""

    membership: Id
    member: Member
    signature: Signature


class HaveSeals(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have-seals"):
    """Seals of a checkpoint: a member's own as it makes it, or all that a node holds."""

    sequence: Sequence
    seals: Seals


class WantSeals(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want-seals"):
    """Ask for the seals of checkpoints."""

    sequences: Annotated[tuple[Sequence, ...], Meta(max_length=WANTED_MAX)]


class Piece(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="piece"):
    """A part of a message that no frame holds."""

    index: Annotated[int, Meta(ge=0, lt=PIECES_MAX)]
    count: Annotated[int, Meta(ge=2, le=PIECES_MAX)]
    data: Annotated[bytes, Meta(min_length=1, max_length=PIECE_BYTES)]


Beside: TypeAlias = At | Ends | Consent | HaveSeals | WantSeals
"""What is said of a council beside all epochs."""
Said: TypeAlias = Message | Founded | Invited | Beside | Piece


_SHAPES: dict[str, type[Said]] = {str(shape.__struct_config__.tag): shape for shape in get_args(Said)}
"""By the tag: msgspec looks through a union at every call."""


def is_message(said: Said) -> TypeGuard[Message]:
    """Whether a replica says it."""
    return not isinstance(said, Founded | Invited | Beside | Piece)


def write(said: Said) -> bytes:
    """Return the bytes of a message."""
    return encode(plain(said))


def pieces(data: bytes) -> list[bytes]:
    """Return what the frames carry of a message that no frame holds; raise ValueError where it is larger than any."""
    count = -(-len(data) // PIECE_BYTES)
    if count > PIECES_MAX:
        raise ValueError(f"a message of {len(data)} bytes is larger than any")
    return [write(Piece(index, count, data[index * PIECE_BYTES : (index + 1) * PIECE_BYTES])) for index in range(count)]


def message_max(membership: Membership) -> int:
    """Return a bound on the bytes of any honest message in an epoch: of a new view, which shows a quorum's changes."""
    signed = 72 * membership.size
    change = membership.window * (192 + signed) + signed + 512
    return max(COUNCIL_MESSAGE_MAX, membership.size * change + 192 * membership.window + 1_024)


def read(data: bytes) -> Said:
    """Return the message in ``data``; raise NotCanonical or Malformed, whatever the bytes."""
    try:
        check_items(data, max(len(data), COUNCIL_MESSAGE_MAX) // ITEM_BYTES)
        value = strict(data)
        shape = _SHAPES.get(value[0]) if type(value) is list and value and type(value[0]) is str else None
        return convert(value, shape or Said)  # type: ignore[return-value, arg-type]  # msgspec takes a union
    except Malformed as error:
        raise Malformed(str(error), code="malformed_frame") from None


learn(Said)
