"""The acts that cross a border between nodes, as UCAN commands (docs/terms.md, "Border acts").

An act is its own invocation: command and arguments follow from the event and from nothing that can be erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from foedus.log.event import Act

SPEAK = "/foedus/room/speak"
PUBLISH = "/foedus/knowledge/publish"
ASK = "/foedus/query/ask"
CALL = "/foedus/agent/call"
PROPOSE = "/foedus/council/propose"

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        SPEAK: "speak in a room that another node hosts",
        PUBLISH: "publish knowledge to another node",
        "/foedus/knowledge/read": "read knowledge of another node",
        ASK: "ask another node a question",
        CALL: "call an agent of another node",
        "/foedus/agreement/change": "open or change an agreement",
        PROPOSE: "propose to a council",
    },
)
"""Every command of version 1, and what it lets an agent do."""

_IN_ROOMS: Mapping[str, str] = MappingProxyType(
    {"message.text": SPEAK, "crdt.delta": SPEAK, "document.update": SPEAK, "document.upload": SPEAK}
)


_TAKES_BACK = frozenset({"event.erase"})
"""Kinds that cross without a command: a device erases only what its own participant said, and brings nothing."""


UPKEEP = frozenset({"epoch.open", "checkpoint", "room.leave", "event.erase"})
"""Kinds of a node itself that say nothing to anyone: no human need stand behind them."""


class Crossing(NamedTuple):
    """What an act asks of the other side: a command and its arguments, ids as lowercase hex."""

    command: str
    arguments: Mapping[str, str]


def in_room(act: Act, room: str, host: bytes, writer: bytes) -> Crossing | None:
    """Return the crossing of an act in ``room:<room>``; None where it stays at home.

    ``host``: the node that hosts the room; ``writer``: the node that orders the act. Kinds that no command names are
    taken for speech: what a later version adds must not cross unseen.
    """
    if host == writer or act.device is None or act.kind in _TAKES_BACK:
        return None
    arguments = {"room": room, "host": host.hex(), "kind": act.kind, "digest": act.digest.hex()}
    return Crossing(_IN_ROOMS.get(act.kind, SPEAK), arguments)


def in_knowledge(act: Act, domain: str, reader: bytes, writer: bytes) -> Crossing | None:
    """Return the crossing of an act in ``knowledge:<domain>`` as it comes to ``reader``; None at its writer's node.

    Who publishes does so at home; the border is crossed where another node takes it up. ``host`` is therefore that
    node, so that a grant may be for some peers alone.
    """
    if reader == writer or act.device is None or act.kind in _TAKES_BACK:
        return None
    return Crossing(PUBLISH, {"domain": domain, "host": reader.hex(), "kind": act.kind, "digest": act.digest.hex()})
