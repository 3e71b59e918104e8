"""Seals: members' ML-DSA-65 signatures over checkpoints. What a council decided can be shown after Ed25519 fell.

Left are hashes and ML-DSA-65 then. The council's id is the hash of the founding document, which names nodes; a node is
the hash of its first identity record, which holds an ML-DSA-65 key (``identity.key_line``). A quorum of such keys says
the root of a state; the root holds the chain of all that was made, and the members of the next epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import encode, learn
from foedus.consensus.certificates import BadVote, distinct
from foedus.consensus.ledger import Parts, linked
from foedus.consensus.membership import MEMBERS_MAX, Member
from foedus.consensus.messages import Index
from foedus.crypto import mldsa
from foedus.crypto.labels import signed_bytes
from foedus.identity.key_line import KeyLine, read_line
from foedus.identity.keys import MlDsaSig
from foedus.log.event import Id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from foedus.consensus.membership import Membership

DIGESTS_MAX = 4_096
"""Places from an update to the sealed checkpoint that covers it: 64 of those that a council makes by itself."""
LINES_MAX = 1_280
"""Keys that one file shows: with 3.3 KB each it holds no more of them."""


class Seal(NamedTuple):
    """A member's ML-DSA-65 signature, by its index."""

    member: Index
    signature: MlDsaSig


Seals: TypeAlias = Annotated[tuple[Seal, ...], Meta(max_length=MEMBERS_MAX)]


class Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    """What shows by seals alone that a batch was made, and who the members were.

    ``parts``: of the state at a checkpoint at or after the batch's place, in its epoch; ``seals``: of that checkpoint;
    ``before``: the chain before the place; ``digests``: of the batches behind it, up to the checkpoint; ``ends``: the
    seals of each checkpoint that ended an epoch; ``keys``: those by which all of them hold, each once.
    """

    parts: Parts
    seals: Seals
    before: Id
    digests: Annotated[tuple[Id, ...], Meta(max_length=DIGESTS_MAX)]
    ends: tuple[Seals, ...]
    keys: Annotated[tuple[KeyLine, ...], Meta(max_length=LINES_MAX)]


def seal_bytes(membership: Membership, sequence: int, root: bytes) -> bytes:
    """Return what a member signs of a checkpoint (label ``council-seal``)."""
    bound = [membership.council, membership.id, membership.epoch, sequence, root]
    return signed_bytes("council-seal", encode(bound))


def keys_of(lines: Iterable[KeyLine]) -> dict[Member, bytes]:
    """Return the ML-DSA-65 keys that lines show, by the member as a membership names it; raise BadVote or BadRecord."""
    found: dict[Member, bytes] = {}
    for line in lines:
        node, keys = read_line(line)
        member = Member(node, keys.ed25519)
        if member in found:
            raise BadVote("the keys of one member are shown twice")
        found[member] = keys.mldsa65
    return found


def holds(seal: Seal, signed: bytes, membership: Membership, keys: Mapping[Member, bytes]) -> bool:
    """Tell whether a seal over ``signed`` (``seal_bytes``) is that of its member."""
    key = keys.get(membership.members[seal.member]) if seal.member < membership.size else None
    return key is not None and mldsa.verify(key, signed, seal.signature)


def sealers(
    seals: Sequence[Seal], checkpoint: Parts, membership: Membership, keys: Mapping[Member, bytes]
) -> tuple[bytes, ...]:
    """Return the nodes that sealed the checkpoint with this state; raise BadVote unless a quorum did."""
    distinct([seal.member for seal in seals], membership)
    signed = seal_bytes(membership, checkpoint.sequence, checkpoint.root())
    if not all(holds(seal, signed, membership, keys) for seal in seals):
        raise BadVote("a seal does not hold, or the key that it holds by is not shown")
    return tuple(membership.members[seal.member].node for seal in seals)


def covers(sealed: Sealed, sequence: int, digest: bytes) -> bool:
    """Tell whether a batch at a place is in the chain of the sealed checkpoint."""
    chain = linked(sealed.before, sequence, digest)
    for place, following in enumerate(sealed.digests, sequence + 1):
        chain = linked(chain, place, following)
    return (sealed.parts.sequence, sealed.parts.chain) == (sequence + len(sealed.digests), chain)


learn(Sealed)
