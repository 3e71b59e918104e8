"""Writing the membership of a room that this node hosts."""

from __future__ import annotations

from typing import Any, NamedTuple

from foedus.log import streams
from foedus.log.memberships import Room
from foedus.node.author import Author
from foedus.node.store import Store


class Seat(NamedTuple):
    """Who is meant in ``member.add``, and with which role; None: the default of what it is."""

    node: bytes
    participant: str | None
    role: int | None = None
    title: str | None = None

    def body(self, heads: list[list[Any]]) -> dict[str, Any]:
        """Return the body of ``member.add``."""
        return {**self._asdict(), "heads": heads}


async def add(store: Store, author: Author, room: Room, seat: Seat) -> None:
    """Add a member, or give one another role; what its node wrote before stays as it was judged."""
    node = seat.node
    was_member = any(entry.node == node for entry in room.memberships.values())
    heads = ends_of(store, room, node) if was_member else []
    await _order(author, room, "member.add", seat.body(heads))


async def remove(store: Store, author: Author, room: Room, node: bytes) -> None:
    """Remove a node and all its participants: beyond the present heads of its chains events are rejected."""
    body = {"node": node, "participant": None, "cuts": ends_of(store, room, node)}
    await _order(author, room, "member.remove", body)


def ends_of(store: Store, room: Room, node: bytes) -> list[list[Any]]:
    """Return [chain id, seq, event id] of each chain of a node in the room: what cuts and heads name."""
    return [
        [streams.chain_id(chain.epoch, chain.stream), chain.seq, chain.id]
        for chain in store.admission.chains.of_stream(streams.room(room.id))
        if chain.node == node and chain.seq
    ]


async def _order(author: Author, room: Room, kind: str, body: Any) -> None:
    await author.order([author.node_act(streams.members(room.id), kind, body)])
