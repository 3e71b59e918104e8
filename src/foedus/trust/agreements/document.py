"""The document of an agreement (docs/protocol.md, section 6): one shape for every version.

What stands once for each of the two nodes is a pair in the order of ``nodes``. Lists are sorted and hold nothing
twice, so that two documents that say the same differ in their salt alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, convert, decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.log.bodies import Did
from foedus.log.event import Id
from foedus.trust.agreements.commands import BORDER_COMMANDS, Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIGNERS_MAX = 64
"""Human signers of one side: a border act names one of them, and a person reads the list before accepting."""
ROOMS_MAX = 128
"""Rooms that a document names: a person reads the list, and they take a quarter of it."""
COMMANDS_MAX = 32
"""Commands of one side, and commands that need several approvals: four times those that there are."""
RATE_MAX = 1_000_000
"""Events a minute: more than a node takes in (docs/performance.md); null says that there is no limit."""
RETENTION_DAYS_MAX = 36_500
"""A century; null says for ever."""
VERSION_MAX = 1_000_000
"""Versions in one line: each takes two humans."""
AGREEMENT_BYTES_MAX = 16_384
"""Bytes of a document: two full lists of signers take two thirds of it; more is refused before it is decoded."""

Assurance: TypeAlias = Literal["oauth-verified", "device-bound", "hardware-attested"]
Direction: TypeAlias = Literal["room", "knowledge", "council"]
Humans: TypeAlias = Literal["enrolled", "named"]
DIRECTIONS: tuple[Direction, ...] = tuple(sorted(get_args(Direction)))
"""Kinds of streams that a node may be let send: ``room`` is a room with its membership. What events are judged by
(``node``, ``participant:``, ``pair:``) always flows."""


class Signer(Struct, frozen=True, forbid_unknown_fields=True):
    """A person who counts as a human signer of a node, and how well it must be known that it is they."""

    did: Did
    assurance: Assurance = "device-bound"


Rooms: TypeAlias = Literal["shared"] | Annotated[tuple[Id, ...], Meta(max_length=ROOMS_MAX)]
Directions: TypeAlias = Annotated[tuple[Direction, ...], Meta(max_length=len(DIRECTIONS))]
Commands: TypeAlias = Annotated[tuple[Command, ...], Meta(max_length=COMMANDS_MAX)]
Rate: TypeAlias = Annotated[int, Meta(ge=1, le=RATE_MAX)] | None
Retention: TypeAlias = Annotated[int, Meta(ge=1, le=RETENTION_DAYS_MAX)] | None
Expires: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)] | None
Signers: TypeAlias = Annotated[tuple[Signer, ...], Meta(max_length=SIGNERS_MAX)]
Approvals: TypeAlias = Annotated[
    dict[Command, Annotated[int, Meta(ge=1, le=SIGNERS_MAX)]], Meta(max_length=COMMANDS_MAX)
]


class Agreement(Struct, frozen=True, forbid_unknown_fields=True):
    """The document. ``nodes`` are sorted; what is a pair is in their order. See docs/protocol.md for each clause."""

    v: Annotated[int, Meta(ge=1, le=1)]
    version: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    base: Id | None
    nodes: tuple[Id, Id]
    rooms: Rooms
    directions: tuple[Directions, Directions]
    commands: tuple[Commands, Commands]
    rates: tuple[Rate, Rate]
    retention: Retention
    expires: Expires
    signers: tuple[Signers, Signers]
    humans: Humans
    approvals: Approvals
    salt: Id

    def side(self, node: bytes) -> int:
        """Return the place of ``node``, one of the two, in every pair."""
        return self.nodes.index(node)

    def signers_of(self, node: bytes) -> tuple[Signer, ...]:
        """Return the human signers of ``node``, one of the two."""
        return self.signers[self.side(node)]

    def dids_of(self, node: bytes) -> frozenset[str]:
        """Return the DIDs of the human signers of ``node``."""
        return frozenset(signer.did for signer in self.signers_of(node))

    def is_expired(self, at: Instant) -> bool:
        """Tell whether its time was over at an instant."""
        return self.expires is not None and at >= self.expires


def starter(nodes: tuple[bytes, bytes], signers: tuple[Sequence[str], Sequence[str]], salt: bytes) -> Agreement:
    """Return the document of version 1: all that is shared, both ways, for ever. Its signers sign on devices."""
    first, second = (tuple(Signer(did) for did in sorted(set(dids))) for dids in signers)
    return Agreement(
        v=1,
        version=1,
        base=None,
        nodes=nodes,
        rooms="shared",
        directions=(DIRECTIONS, DIRECTIONS),
        commands=(BORDER_COMMANDS, BORDER_COMMANDS),
        rates=(None, None),
        retention=None,
        expires=None,
        signers=(first, second),
        humans="enrolled",
        approvals={},
        salt=salt,
    )


def is_starter(agreement: Agreement) -> bool:
    """Tell whether a document is a starter: version 1 with the terms that every version 1 has."""
    dids = tuple([signer.did for signer in side] for side in agreement.signers)
    return agreement == starter(agreement.nodes, (dids[0], dids[1]), agreement.salt)


def read(document: bytes) -> Agreement:
    """Decode a document of any version; raise NotCanonical or Malformed."""
    if len(document) > AGREEMENT_BYTES_MAX:
        raise Malformed(f"an agreement has at most {AGREEMENT_BYTES_MAX} bytes")
    agreement = decode_as(document, Agreement)
    _check(agreement)
    return agreement


def write(agreement: Agreement) -> bytes:
    """Encode a document of our own, which keeps the bounds that its reader checks; raise Malformed."""
    plain = to_plain(agreement)
    convert(plain, Agreement)
    _check(agreement)
    document = encode(plain)
    if len(document) > AGREEMENT_BYTES_MAX:
        raise Malformed(f"an agreement has at most {AGREEMENT_BYTES_MAX} bytes, this one {len(document)}")
    return document


def agreement_id(document: bytes) -> bytes:
    """Return the id by which events and later versions name a document."""
    return sha256(document)


def _check(agreement: Agreement) -> None:
    """Raise Malformed where a list is not sorted or holds something twice, or version and base do not fit."""
    lists: list[tuple[Any, ...]] = [*agreement.directions, *agreement.commands]
    if agreement.rooms != "shared":
        lists.append(agreement.rooms)
    lists += [tuple(signer.did for signer in side) for side in agreement.signers]
    if not all(_is_sorted(items) for items in lists) or not agreement.nodes[0] < agreement.nodes[1]:
        raise Malformed("the lists of an agreement are sorted and hold nothing twice")
    if (agreement.version == 1) != (agreement.base is None):
        raise Malformed("version 1 has no base, and every other version has one")


def _is_sorted(items: Iterable[Any]) -> bool:
    return all(one < other for one, other in pairwise(items))


learn(Agreement)
