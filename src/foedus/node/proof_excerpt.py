"""What of the streams that an act stands on is about it: who grants for years writes more than a file holds.

A host, too, may write memberships until no file holds them. So where whole streams are too long, a file leaves out
grants and sessions that the act does not cite, memberships of others, and the oldest of the writer's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from foedus.log.bodies import MemberAdd, MemberRemove
from foedus.log.control import ControlEvent
from foedus.log.event import parse_event
from foedus.log.grants import delegation_of, revoked_by
from foedus.log.port import Row

_DEVICES = frozenset({"device.enrol", "device.revoke", "epoch.open"})


def excerpt(rows: Sequence[Row], cited: Collection[bytes], node: bytes, most: int) -> list[Row]:
    """Return, in their order, at most ``most`` rows, or more where more is about an act that cites ``cited``.

    ``node``: whose act it is. The first of each chain is always kept.
    """
    events = {row.id: ControlEvent(parse_event(row.envelope), node) for row in rows if row.kind not in _DEVICES}
    granted = {_cid(events[row.id]) for row in rows if row.kind == "grant.create" and row.id in cited}
    kept = {row.id for row in rows if row.id in cited or row.seq == 1 or row.kind in _DEVICES}
    kept |= {row.id for row in rows if row.kind == "grant.revoke" and revoked_by(events[row.id]) in granted}
    seats = [row.id for row in rows if row.id not in kept and row.id in events and _seats(events[row.id], node)]
    kept |= set(seats[-room:]) if (room := most - len(kept)) > 0 else set()
    return [row for row in rows if row.id in kept]


def _cid(event: ControlEvent) -> bytes | None:
    delegation = delegation_of(event)
    return None if isinstance(delegation, str) else delegation.cid


def _seats(event: ControlEvent, node: bytes) -> bool:
    """Whether an event lets a node, or one of its people, into a room or out of it."""
    return isinstance(event.body, MemberAdd | MemberRemove) and event.body.node == node
