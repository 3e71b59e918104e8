"""How councils, their members and what they decide are shown on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from foedus.surfaces.cli.output import Line, Part, pairs
from foedus.surfaces.cli.text import inert, named, short
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilMemberView,
    CouncilMotionView,
    CouncilView,
    CouncilWishView,
)
from foedus.values.node import CouncilStatusView, StatusView

if TYPE_CHECKING:
    from foedus.consensus import Proved

_STATES = {
    "asked": "asks this node to join",
    "waiting": "waits for others to join",
    "running": "decides",
    "down": "stopped here: the disk failed",
    "fetching": "fetches its state",
    "key_changed": "waits until the others take this node over with its new keys",
    "removed": "goes on without this node",
}


def council_lines(view: CouncilView) -> Iterable[Line]:
    """Return how far a council is, line by line."""
    rows: list[tuple[str, Part]] = [
        ("council", (inert(view.name), "bold")),
        ("id", view.id),
        ("state", _STATES[view.state]),
        ("members", ", ".join(_member(it) for it in view.members)),
        ("bears", f"{view.faults} that are away or lie; {view.quorum} decide"),
    ]
    missing = [_member(it) for it in view.members if not it.has_joined]
    if missing:
        rows.append(("not joined", ", ".join(missing)))
    if view.made is not None:
        leader = next((_member(it) for it in view.members if it.leads), "")
        made = f"{view.made}, {view.lag} behind" if view.lag else str(view.made)
        rows += [("made", made), ("waiting", str(view.waiting)), ("leader", f"{leader}, view {view.view}")]
    if view.sealed is not None:
        rows.append(("sealed", f"up to place {view.sealed}" if view.sealed else "nothing yet"))
    silent = [_member(it) for it in view.members if it.is_silent]
    if silent:
        rows.append(("silent", (", ".join(silent), "yellow")))
    away = [_member(it) for it in view.members if not it.is_connected]
    if away:
        rows.append(("not connected", (", ".join(away), "yellow")))
    if view.adds:
        rows.append(("to come", ", ".join(_node(view, it) for it in view.adds)))
    if view.removes:
        rows.append(("to go", ", ".join(_node(view, it) for it in view.removes)))
    rows += [("wishes", f"{_node(view, it.node)}: {_wish(view, it)}") for it in view.wishes]
    exposed = [_member(it) for it in view.members if it.is_exposed]
    if exposed:
        rows.append(("lied", (", ".join(exposed), "red")))
    return pairs(rows)


def in_short(council: CouncilStatusView, status: StatusView) -> str:
    """Return in one line its view, who leads, how far this node is behind, and who is silent."""
    if council.made is None:
        return _STATES.get(council.state, council.state)
    names = {peer.node: named(peer.known_as, peer.name) for peer in status.peers}
    names[status.identity.node] = "this node"
    leader = names.get(council.leader or "", short(council.leader or ""))
    silent = ", ".join(names.get(node, short(node)) for node in council.silent)
    said = f"view {council.view}, {leader} leads, {council.made} made, {council.lag or 0} behind"
    return f"{said}; silent: {silent}" if silent else said


def council_row(view: CouncilView) -> list[Part]:
    """Return the cells of a council in a list: name, id, number of members, state."""
    return [inert(view.name), short(view.id), str(len(view.members)), _STATES[view.state]]


def member_name(it: CouncilMemberView) -> str:
    """Return who a member is, in one cell."""
    return "this node" if it.is_local else named(it.known_as, it.name)


def _member(it: CouncilMemberView) -> str:
    return "this node" if it.is_local else named(it.known_as, it.name, it.node)


def _node(view: CouncilView, node: str) -> str:
    return next((_member(it) for it in view.members if it.node == node), short(node))


def _wish(view: CouncilView, it: CouncilWishView) -> str:
    changes = [f"add {_node(view, node)}" for node in it.adds] + [f"remove {_node(view, node)}" for node in it.removes]
    return ", ".join(changes) or "new keys"


def motion_text(it: CouncilMotionView) -> str:
    """Return what a motion asks of whom, in one line."""
    match it.op:
        case "room":
            whom = inert(it.participant) or short(it.node)
            role = f" with role {it.role}" if it.role is not None else ""
            return f"{short(it.host)}: {inert(it.kind)} {whom}{role} in room {short(it.subject)}"
        case "agreement":
            return f"{short(it.host)}: agreement {short(it.agreement)} with {short(it.subject)}"
        case "release":
            return f"{short(it.host)}: no longer govern {inert(it.subject)}"
    return "something that this node does not know"


def joined_text(it: CouncilMemberView) -> str:
    """Return whether a member has joined."""
    return "joined" if it.has_joined else "not joined"


def seen_text(it: CouncilMemberView) -> str:
    """Return how a member is seen from here: it leads, is connected, silent, or away."""
    if it.leads:
        return "leads"
    return "not connected" if not it.is_connected else "silent" if it.is_silent else "connected"


def place_text(it: CouncilEntryView) -> str:
    """Return the place of an entry: its sequence number, then its position in the batch."""
    return f"{it.sequence} {it.position}"


def update_text(it: CouncilEntryView) -> str:
    """Return what an update does to the ordered state, in one line."""
    if it.key is None:
        return "another command"
    if it.is_read:
        return f"read {inert(it.key)}"
    return f"{inert(it.key)} = {value_text(it.value)}" if it.value is not None else f"delete {inert(it.key)}"


def value_text(value: str) -> str:
    """Return a value (base64url) as inert text."""
    from foedus.base.base64url import from_base64url

    return inert(from_base64url(value).decode(errors="replace"))


def decision_lines(view: CouncilDecisionView) -> Iterable[Line]:
    """Return what came of an update: its outcome, its place, and what stood there before."""
    before = "nothing" if view.value is None else value_text(view.value)
    return pairs([("outcome", (view.outcome, "bold")), ("place", f"{view.sequence} {view.position}"), ("was", before)])


def proved_text(proved: Proved) -> str:
    """Return what a commit proof shows, in one line."""
    size = len(proved.members)
    by = [f"{len(proved.signers)} of its {size} members signed that"] if proved.signers else []
    if proved.sealed_by:
        by.append(f"sealed by {len(proved.sealed_by)} members" + ("" if by else f" of its {size}"))
    elif proved.checkpoint is not None:
        by.append(f"not sealed yet: take the proof again once place {proved.checkpoint} is sealed")
    return f" the council {inert(proved.name)!r} decided the update at place {proved.sequence}: {', '.join(by)}"
