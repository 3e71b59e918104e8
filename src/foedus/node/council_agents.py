"""Updates in the name of an agent whose key this node keeps, with the grants of people that carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from foedus.base.cbor import encode, to_plain
from foedus.base.limits import AUTH_MAX
from foedus.consensus.machine import Get, Put
from foedus.consensus.updates import Update
from foedus.node.council_judging import council_crossing

if TYPE_CHECKING:
    from foedus.node.composition import Node


def signed_for(node: Node, council: bytes, wanted: str, command: Put | Get) -> Update:
    """Return an update that an agent's key signs; raise NeedsApproval or Refusal where nobody's grant carries it."""
    agents, seat = node.agents, node.councils.seat(council)
    who, data = agents.find(wanted), encode(to_plain(command))
    key, auth = agents.key(who), (agents.enrolment(who),)
    host = next(other for other in seat.membership.members if other.node != node.store.node)
    draft = node.author.node_act("participant:", "council.update", {}, auth)
    draft = draft._replace(act=replace(draft.act, author=who.did, device=key.public))
    grants = node.consent.carrying(draft, council_crossing(council, data, host.node))
    return seat.signed(data, who.did, key, (*auth, *(grant.id for grant in grants))[:AUTH_MAX])
