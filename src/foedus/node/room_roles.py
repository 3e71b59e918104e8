"""Giving roles in a room that this node hosts."""

from __future__ import annotations

from foedus.base.errors import NotFound, UsageError
from foedus.log.memberships import Room
from foedus.node import membership
from foedus.node.composition import Node
from foedus.node.home import check_name
from foedus.node.lookup import find
from foedus.node.membership import Seat


async def give(node: Node, room: Room, who: str, role: int, title: str = "") -> None:
    """Give a member another role from now on; ``who``: a participant (DID or name) or a node in the room.

    Raises NotFound, or UsageError where the name means several or nobody in the room.
    """
    place, participant = _member(node, room, who)
    if place == room.host and participant is None:
        raise UsageError(
            "the host owns its room", code="not_permitted", remedy="give a role to one of its participants"
        )
    seat = Seat(place, participant, role, check_name(title) if title else None)
    await node.governance.require_room(room, "member.add", seat)
    await membership.add(node.store, node.author, room, seat)


def _member(node: Node, room: Room, who: str) -> tuple[bytes, str | None]:
    """Return the node and the participant (None: all of it) in the room that a person means.

    An id or a name given here comes first. What members call themselves decides only where one alone uses the name.
    """
    wanted = node.petnames.id_of(who) or who
    people = node.store.admission.authority.participants.values()
    inside = [it for it in people if it.is_enrolled and room.of(it.node, it.did)]
    named = [(peer.node, peer.name) for peer in node.peers.book.peers.values()] + [(node.store.node, node.store.name)]
    found = [it for it in inside if it.did == wanted]
    if not found:
        found = [it for it in inside if it.name == wanted]
        places = [place.hex() for place, name in named if name == wanted and place in room.present()]
        if len(found) > 1 or (found and places):
            ids = ", ".join([*(it.did for it in found), *places])
            raise UsageError(f"{who[:80]!r} may be any of {ids}", code="ambiguous", remedy="give the DID or id")
    if found:
        return found[0].node, found[0].did
    place = find(wanted, named, "member", "see `foedus room show ROOM`")
    if place not in room.present():
        raise NotFound("it is not in the room", code="not_a_member", remedy="see `foedus room show ROOM`")
    return place, None
