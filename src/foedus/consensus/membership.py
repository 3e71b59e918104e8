"""Who decides: the members of a council in one epoch, and what follows from their number."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, encode, learn, to_plain
from foedus.base.ids import sha256
from foedus.log.event import Id

MEMBERS_MIN = 4
"""Fewer tolerate no fault at all (n ≥ 3f + 1 with f ≥ 1)."""
MEMBERS_MAX = 31
"""Messages grow as the square of the members; with 31 a block costs some 2,000 of them."""


WINDOW_MAX = 256
"""Places under way at once, at most: a view-change names each of them."""
WINDOW, INTERVAL = 128, 64
"""What a council has if it says nothing else: two checkpoints fit the window, so ordering need not wait for one."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """A node, and the Ed25519 key by which it votes: that of its identity record in force when it joined."""

    node: Id
    ed25519: Id


class Membership(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The members of one epoch, sorted by node. ``council`` is the id of the founding document.

    ``interval``: sequence numbers from one checkpoint to the next; ``window``: between the watermarks.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    council: Id
    epoch: Annotated[int, Meta(ge=0, lt=1 << 32)]
    members: Annotated[tuple[Member, ...], Meta(min_length=MEMBERS_MIN, max_length=MEMBERS_MAX)]
    interval: Annotated[int, Meta(ge=1, le=WINDOW_MAX)] = INTERVAL
    window: Annotated[int, Meta(ge=1, le=WINDOW_MAX)] = WINDOW

    def __post_init__(self) -> None:
        """Raise Malformed where members are not sorted, one node or key is there twice, or the window is too small."""
        if self.window < 2 * self.interval:
            raise Malformed("the window of a council holds two checkpoints")
        nodes = [member.node for member in self.members]
        if nodes != sorted(set(nodes)):
            raise Malformed("the members of a council are sorted by node, each once")
        if len({member.ed25519 for member in self.members}) != len(nodes):
            raise Malformed("two members of a council have one key")

    @cached_property
    def id(self) -> bytes:
        """The hash that every vote binds."""
        return sha256(encode(to_plain(self)))

    @property
    def size(self) -> int:
        """The number of members, n."""
        return len(self.members)

    @property
    def faults(self) -> int:
        """How many members may lie or be away: f = ⌊(n - 1) / 3⌋."""
        return (self.size - 1) // 3

    @property
    def quorum(self) -> int:
        """Distinct members of which any two sets share an honest one: ⌈(n + f + 1) / 2⌉."""
        return (self.size + self.faults + 2) // 2

    def leader(self, view: int) -> int:
        """Return the index of the member that leads a view."""
        return view % self.size

    def index_of(self, node: bytes) -> int | None:
        """Return the index of a node, None where it is no member."""
        return self._indexes.get(node)

    @cached_property
    def _indexes(self) -> dict[bytes, int]:
        return {member.node: index for index, member in enumerate(self.members)}


learn(Membership)
