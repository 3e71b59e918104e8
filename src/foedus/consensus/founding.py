"""How a council begins: a document that every founding node signs. Its hash is the council's id for ever."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import encode, learn, to_plain
from foedus.base.ids import sha256
from foedus.base.limits import NAME_MAX
from foedus.consensus.membership import INTERVAL, MEMBERS_MAX, MEMBERS_MIN, WINDOW, WINDOW_MAX, Member, Membership
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Id

if TYPE_CHECKING:
    from collections.abc import Sequence


class Founding(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Who founds a council, under which name. ``salt``: so that two councils of the same members are two.

    ``seal``: its members seal checkpoints by ML-DSA-65 (``seals``). The id says so, and nobody can deny it later.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    name: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    salt: Id
    members: Annotated[tuple[Member, ...], Meta(min_length=MEMBERS_MIN, max_length=MEMBERS_MAX)]
    interval: Annotated[int, Meta(ge=1, le=WINDOW_MAX)] = INTERVAL
    window: Annotated[int, Meta(ge=1, le=WINDOW_MAX)] = WINDOW
    seal: bool = False

    @cached_property
    def id(self) -> bytes:
        """The council's id: the hash of this document."""
        return sha256(encode(to_plain(self)))

    def membership(self) -> Membership:
        """Return the membership of epoch 0; raise Malformed where these can be none."""
        return Membership(1, self.id, 0, self.members, self.interval, self.window)

    def signed(self) -> bytes:
        """Return the bytes that each founding node signs (label ``council``)."""
        return signed_bytes("council", encode(to_plain(self)))


def successor(membership: Membership, members: Sequence[Member]) -> Membership:
    """Return the membership of the next epoch; raise Malformed where these can be none."""
    chosen = tuple(sorted(members, key=lambda it: it.node))
    return Membership(1, membership.council, membership.epoch + 1, chosen, membership.interval, membership.window)


learn(Founding)
