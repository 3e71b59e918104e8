"""What this node does only once a council approved it: to change the members of a room of its own, or an agreement.

It is this node's own promise, kept at this node: a council cannot write another node's streams, and what it approved
anybody can prove. The motion says exactly what is to be done, and after which state of it, so no approval serves twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.base.cbor import encode
from foedus.base.errors import UsageError
from foedus.consensus.motions import motion_id
from foedus.log import streams
from foedus.log.memberships import Room
from foedus.log.port import Value
from foedus.node.membership import Seat as RoomSeat

if TYPE_CHECKING:
    from foedus.node.councils import Councils
    from foedus.node.store import Store

SPACE = "council_governed"
GOVERNED_MAX = 1_024
"""Rooms and agreements of one node that councils govern."""


class CouncilDecides(UsageError):
    """A council has to approve it first."""

    code = "council_decides"
    http_status = 409
    remedy = "a quorum of its members runs `foedus council approve`; then do it again"


class Governance:
    """Which council governs what of this node."""

    def __init__(self, store: Store, councils: Councils) -> None:
        self._store = store
        self._councils = councils
        self._governed: dict[str, bytes] = {}

    def load(self) -> None:
        """Take up what is kept."""
        self._governed = {key.decode(): council for key, council in self._store.log.values(SPACE).items()}

    def of(self, council: bytes) -> list[str]:
        """Return what a council governs here: ``room:<id>``, ``pair:<peer>``."""
        return sorted(subject for subject, by in self._governed.items() if by == council)

    async def govern(self, council: bytes, subject: str) -> None:
        """Let a council govern, as the human of this node decided. What another one governs it has to let go first."""
        self._councils.driver(council)  # raises where this node is no member
        held = self._governed.get(subject)
        if held not in {None, council}:
            raise UsageError("another council governs that", code="governed", http_status=409)
        if len(self._governed) >= GOVERNED_MAX:
            raise UsageError(f"councils govern {GOVERNED_MAX} things here", code="too_many_governed")
        await self._store.put(Value(SPACE, subject.encode(), council))
        self._governed[subject] = council

    async def release(self, subject: str) -> None:
        """Let a council govern no more: it approves that, unless this node is none of its members any more."""
        council = self._governed.get(subject)
        if council is None:
            return
        if self._councils.seat(council).my_index() is not None:
            await self.require(subject, {"op": "release", "host": self._store.node, "subject": subject})
        await self._store.put(Value(SPACE, subject.encode(), None))
        del self._governed[subject]

    async def require_room(self, room: Room, kind: str, seat: RoomSeat) -> None:
        """Raise CouncilDecides where a council has to approve a change of a room's members."""
        motion = {
            "op": "room",
            "host": self._store.node,
            "room": room.id,
            "kind": kind,
            **seat._asdict(),
            "after": self._last(streams.members(room.id)),
        }
        await self.require(streams.room(room.id), motion)

    async def require_agreement(self, peer: bytes, agreement: bytes) -> None:
        """Raise CouncilDecides where a council has to approve a version of the agreement with a peer."""
        motion = {"op": "agreement", "host": self._store.node, "peer": peer, "agreement": agreement}
        await self.require(f"pair:{peer.hex()}", motion)

    async def require(self, subject: str, motion: dict[str, Any]) -> None:
        """Pass where nobody governs a subject, or its council approved the motion; else put it before the council."""
        council = self._governed.get(subject)
        if council is None:
            return
        data = encode(motion)
        motions = self._councils.driver(council).replica.ledger.machine.motions
        if motions.is_approved(motion_id(data)) or await self._councils.approve(council, data) == "approved":
            return
        name = self._councils.seat(council).founded.founding.name
        raise CouncilDecides(f"the council {name!r} has to approve motion {motion_id(data).hex()} first")

    def _last(self, stream: str) -> bytes:
        """Return the id of the last event in a stream that this node alone writes."""
        chain = self._store.admission.chains.get((self._store.epoch, stream))
        return chain.id if chain is not None else bytes(32)
