"""What surfaces may do with the members of councils, and in the name of agents, for ``Service``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.errors import UsageError
from foedus.consensus.machine import Put
from foedus.consensus.motions import motion_id
from foedus.log import streams
from foedus.node.composition import Node
from foedus.node.council_attendance import silence_in
from foedus.node.council_misconduct import troubles_of
from foedus.node.council_motions import motion_view
from foedus.node.councils import Decided
from foedus.node.lookup import find
from foedus.node.rooms import Rooms
from foedus.values.councils import CouncilDecisionView, CouncilMotionView, CouncilView
from foedus.values.node import Trouble

if TYPE_CHECKING:
    from foedus.node.council_seat import Seat


class CouncilMemberOperations:
    """Operations on members of councils."""

    _node: Node
    _rooms: Rooms
    if TYPE_CHECKING:

        def _council_id(self, wanted: str) -> bytes: ...

        def _given_id(self, wanted: str) -> bytes: ...

        def council(self, council: str) -> CouncilView:
            """Return one council: ``CouncilOperations`` does."""
            ...

        def _council_decision(self, decided: Decided) -> CouncilDecisionView: ...

    async def council_add(self, council: str, peer: str) -> CouncilView:
        """Wish a peer to be a member; it comes once a quorum of the members wishes that and its human joins."""
        return await self._council_wish(council, self._given_id(peer), add=True)

    async def council_remove(self, council: str, member: str) -> CouncilView:
        """Wish a member to go; it does once a quorum of the members wishes that."""
        seat = self._node.councils.seat(self._council_id(council))
        known = [(it.node, self._member_name(it.node)) for it in seat.membership.members]
        invited = [(node, self._member_name(node)) for node in seat.wishing.adds]
        node = find(member, [*known, *invited], "member", "see `foedus council members`")
        return await self._council_wish(council, node, add=False)

    async def _council_wish(self, council: str, node: bytes, *, add: bool) -> CouncilView:
        seat = self._node.councils.seat(self._council_id(council))
        self._check_member(seat)
        await seat.wishing.wish(node, add=add)
        return self.council(council)

    def _check_member(self, seat: Seat) -> None:
        if seat.membership.index_of(self._node.store.node) is None:
            raise UsageError(
                "this node is no member of the council",
                code="no_member",
                remedy="its members decide who comes and goes",
            )

    def council_motions(self, council: str) -> list[CouncilMotionView]:
        """Return what waits for members to approve it."""
        replica = self._node.councils.driver(self._council_id(council)).replica
        members = replica.membership.members
        return [
            motion_view(motion, [members[index].node.hex() for index in by])
            for motion, by in replica.ledger.machine.motions.open()
        ]

    async def council_approve(self, council: str, motion: str) -> CouncilView:
        """Approve an open motion (its id, or 8 digits of it) in this node's name."""
        wanted = self._council_id(council)
        motions = self._node.councils.driver(wanted).replica.ledger.machine.motions
        held = {motion_id(data): data for data, _ in motions.open()}
        name = find(motion, [(it, "") for it in held], "motion", "see `foedus council motions`")
        await self._node.councils.approve(wanted, held[name])
        return self.council(council)

    async def council_govern(self, council: str, room: str, peer: str, *, release: bool = False) -> CouncilView:
        """Change a room's members, or the agreement with a peer, only once the council approved it.

        ``release``: no more; the council approves that first.
        """
        if bool(room) == bool(peer):
            raise UsageError("name a room or a peer", code="bad_subject")
        wanted = self._council_id(council)
        subject = streams.room(self._rooms.hosted(room).id) if room else f"pair:{self._given_id(peer).hex()}"
        if release:
            await self._node.governance.release(subject)
        else:
            await self._node.governance.govern(wanted, subject)
        return self.council(council)

    async def council_put_as(
        self, council: str, agent: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key in the name of an agent whose key this node keeps; a person's grant must carry it."""
        wanted = self._council_id(council)
        return self._council_decision(await self._node.council_agents.ask(wanted, agent, Put(key, value, expected)))

    def _member_name(self, node: bytes) -> str:
        peer = self._node.peers.book.peers.get(node)
        return self._node.store.name if node == self._node.store.node else peer.name if peer is not None else ""

    def _council_troubles(self) -> list[Trouble]:
        return [
            trouble
            for seat in self._node.councils.seats()
            for trouble in (*troubles_of(seat, self._member_name), *silence_in(seat, self._member_name))
        ]
