"""Updates, which somebody asks the council to make, and batches of them, which it orders."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from msgspec import Meta, Struct, field

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.consensus import merkle
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Id, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Sequence: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
COMMAND_MAX = 32_768
"""Bytes of one command: with its author's words it fits a batch beside others."""
UPDATE_MAX = COMMAND_MAX + 4_096
"""Bytes of an update: its command, and what else it says."""
BATCH_UPDATES_MAX = 128
BATCH_BYTES_MAX = 262_144
"""One proposal is one frame of a link (512 KiB) with room to spare."""
READ_KEPT = 2_048
"""Updates that are not read again when they come a second time, in their batch: twice what a leader has under way."""
LIFE = 1_024
"""Sequence numbers that an update may wait at most: so long the council remembers which it has made."""


_HEAD = b"\xa7"
"""Of a map of seven: an update without its signature."""
_SIGNATURE_BYTES = 76
"""That stands last in the map, since its name is the longest: 10 bytes of name, 2 of head, 64."""


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
        return self._signed

    @cached_property
    def _signed(self) -> bytes:
        return signed_bytes("update", _HEAD + self.encoded[1:-_SIGNATURE_BYTES])


@lru_cache(READ_KEPT)
def read_update(data: bytes) -> Update:
    """Return the update of which these are the canonical bytes; raise NotCanonical or Malformed."""
    update = decode_as(data, Update)
    update.__dict__["encoded"] = data  # a Struct without defaults has no other bytes
    return update


class Batch(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Updates in the order in which they are made. An empty one fills a place of which nothing was prepared.

    It holds their bytes, which messages and records carry as they are, and reads them when it is asked for them.
    """

    encoded: Annotated[
        tuple[Annotated[bytes, Meta(max_length=UPDATE_MAX)], ...], Meta(max_length=BATCH_UPDATES_MAX)
    ] = field(name="updates")

    @classmethod
    def of(cls, updates: Iterable[Update]) -> Self:
        """Return a batch of these."""
        held = tuple(updates)
        batch = cls(tuple(update.encoded for update in held))
        batch.__dict__["updates"] = held
        return batch

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """The updates; raises NotCanonical or Malformed where one cannot be read (see ``certificates.checks``)."""
        return tuple(map(read_update, self.encoded))

    @cached_property
    def digest(self) -> bytes:
        """The Merkle root over the updates: what the votes name."""
        return merkle.root([update.id for update in self.updates])

    @cached_property
    def size(self) -> int:
        """Bytes of all updates."""
        return sum(map(len, self.encoded))

    def is_fit(self) -> bool:
        """Whether it is within the bound of bytes and holds no update twice."""
        return self.size <= BATCH_BYTES_MAX and len(set(self.encoded)) == len(self.encoded)


NOTHING = Batch(())


def batches(updates: Iterable[Update]) -> Iterator[Batch]:
    """Yield these in batches as large as may be, in their order; of an update that is there twice one."""
    held: dict[bytes, Update] = {}
    size = 0
    for update in updates:
        size += len(update.encoded)
        if held and (len(held) == BATCH_UPDATES_MAX or size > BATCH_BYTES_MAX):
            yield Batch.of(held.values())
            held, size = {}, len(update.encoded)
        held[update.id] = update
    if held:
        yield Batch.of(held.values())


learn(Batch)
