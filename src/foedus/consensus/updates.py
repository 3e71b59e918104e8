"""Updates, which somebody asks the council to make, and batches of them, which it orders."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import encode, learn, to_plain
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.consensus import merkle
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Id, Signature

Sequence: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
COMMAND_MAX = 32_768
"""Bytes of one command: with its author's words it fits a batch beside others."""
BATCH_UPDATES_MAX = 128
BATCH_BYTES_MAX = 262_144
"""One proposal is one frame of a link (512 KiB) with room to spare."""
LIFE = 1_024
"""Sequence numbers that an update may wait at most: so long the council remembers which it has made."""


class Update(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A command, signed by its author's device (label ``update``). It is made at most once.

    ``until``: the last sequence number at which it may be made; an update that missed it never happens, so its author
    may safely say the same again in a new one. ``auth``: events on which the author's right to ask stands.
    """

    council: Id
    author: Annotated[str, Meta(min_length=1, max_length=128)]
    device: Id
    until: Sequence
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    auth: Annotated[tuple[Id, ...], Meta(max_length=AUTH_MAX)]
    command: Annotated[bytes, Meta(max_length=COMMAND_MAX)]
    signature: Signature

    @cached_property
    def encoded(self) -> bytes:
        """The canonical bytes, with the signature."""
        return encode(to_plain(self))

    @cached_property
    def id(self) -> bytes:
        """The hash of the update as a leaf of its batch: by it the council knows what it has made."""
        return merkle.leaf(self.encoded)

    def signed(self) -> bytes:
        """Return the bytes that the author's device signs (label ``update``): all but the signature."""
        plain = to_plain(self)
        del plain["signature"]
        return signed_bytes("update", encode(plain))


class Batch(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Updates in the order in which they are made. An empty one fills a place of which nothing was prepared."""

    updates: Annotated[tuple[Update, ...], Meta(max_length=BATCH_UPDATES_MAX)]

    @cached_property
    def digest(self) -> bytes:
        """The Merkle root over the updates: what the votes name."""
        return merkle.root([update.id for update in self.updates])

    @cached_property
    def size(self) -> int:
        """Bytes of all updates."""
        return sum(len(update.encoded) for update in self.updates)

    def is_fit(self) -> bool:
        """Whether it is within the bound of bytes and holds no update twice."""
        return self.size <= BATCH_BYTES_MAX and len({update.id for update in self.updates}) == len(self.updates)


NOTHING = Batch(())

learn(Batch)
