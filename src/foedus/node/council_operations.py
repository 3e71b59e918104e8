"""What surfaces may do with councils, for ``Service``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import convert, decode
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.consensus.board import Board
from foedus.consensus.founding import Founding
from foedus.consensus.machine import KEY_MAX, VALUE_MAX, Get, Put
from foedus.consensus.membership import Membership
from foedus.consensus.replica import Replica
from foedus.consensus.updates import read_update
from foedus.node.composition import Node
from foedus.node.council_driver import CouncilDriver
from foedus.node.council_following import PAGE_PLACES, After, read_cursor
from foedus.node.council_messages import Founded
from foedus.node.council_proving import command_of, proved_view, shown
from foedus.node.council_records import MADE_KEPT, Made
from foedus.node.council_seat import Seat
from foedus.node.council_states import State
from foedus.node.councils import Decided
from foedus.node.lookup import find
from foedus.node.views import Views
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilMemberView,
    CouncilProofView,
    CouncilProvedView,
    CouncilView,
    CouncilWishView,
)
from foedus.values.node import CouncilStatusView

_REMEDY = "see `foedus council list`"


class CouncilOperations:
    """Operations on councils."""

    _node: Node
    _views: Views
    if TYPE_CHECKING:

        def _given_id(self, wanted: str) -> bytes:
            """Return the id of a connected peer: ``PeerOperations`` does."""
            ...

    def councils(self) -> list[CouncilView]:
        """Return the councils of this node, and those that it is asked to join."""
        return [self._council(held) for held in self._node.councils.foundings.all()]

    def council(self, council: str) -> CouncilView:
        """Return one council."""
        return self._council(self._node.councils.foundings.held(self._council_id(council)))

    async def council_create(self, name: str, peers: Sequence[str], *, seal: bool = False) -> CouncilView:
        """Found a council with connected peers, and ask them to join. ``seal``: its members seal checkpoints."""
        nodes = [self._given_id(peer) for peer in peers]
        return self._council(await self._node.councils.foundings.create(name, nodes, seal=seal))

    async def council_join(self, council: str) -> CouncilView:
        """Join a council that this node is asked to join, as its human decided."""
        wanted = self._council_id(council)
        await self._node.councils.join(wanted)
        return self._council(self._node.councils.foundings.held(wanted))

    async def council_put(
        self, council: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key, or delete it (None), if it has the value ``expected`` (where given); wait for the decision."""
        if len(value or b"") > VALUE_MAX or (expected is not None and len(expected[0] or b"") > VALUE_MAX):
            raise UsageError(f"a value has at most {VALUE_MAX} bytes", code="value_too_long")
        put = Put(_checked(key), value, expected)
        return _decision(await self._node.councils.propose(self._council_id(council), put))

    async def council_get(self, council: str, key: str) -> CouncilDecisionView:
        """Read a key in the order of all updates."""
        return _decision(await self._node.councils.propose(self._council_id(council), Get(_checked(key))))

    async def council_submit(self, council: str, updates: Sequence[bytes]) -> list[CouncilDecisionView]:
        """Ask for updates as their authors signed them (canonical bytes), all or none; wait for all decisions."""
        read = [read_update(data) for data in updates]
        decided = await self._node.councils.submit(self._council_id(council), read)
        return [_decision(each) for each in decided]

    def council_held(self, council: str, key: str) -> CouncilDecisionView:
        """Read what this node holds of a key: it may be behind what the council decided."""
        ledger = self._node.councils.driver(self._council_id(council)).replica.ledger
        value = ledger.machine.get(_checked(key))
        return CouncilDecisionView(sequence=ledger.sequence, position=0, outcome="value", value=shown(value))

    def council_log(self, council: str, after: int = 0, limit: int = 100) -> list[CouncilEntryView]:
        """Return the updates at the ``limit`` places after ``after``."""
        made = self._node.councils.made(self._council_id(council), after, limit)
        return [_entry(batch, position) for batch in made for position in range(len(batch.batch.updates))]

    async def council_follow(self, council: str, *, after: str | None = None) -> AsyncIterator[CouncilEntryView]:
        """Yield updates as they are made and durable, after a cursor (None: from now on), in their order."""
        seat = self._node.councils.seat(self._council_id(council))
        with seat.following.reading() as news:
            seen = After(seat.live.replica.ledger.sequence) if after is None else read_cursor(after)
            read = _before(seat, seen)
            while True:
                while read < seat.made:
                    upto = min(read + PAGE_PLACES, seat.made)
                    for made in await asyncio.to_thread(seat.records.made, read, upto):
                        for position in range(len(made.batch.updates)):
                            if seen < (made.certificate.sequence, position):
                                yield _entry(made, position)
                    read = upto
                await news.wait()
                news.clear()

    async def council_proof(self, council: str, sequence: int, position: int = 0) -> CouncilProofView:
        """Return the proof of one update."""
        proof = await self._node.councils.proof(self._council_id(council), sequence, position)
        return CouncilProofView(proof=to_base64url(proof))

    async def council_verify(self, proof: str, council: str = "", *, seals_only: bool = False) -> CouncilProvedView:
        """Check a commit proof (base64url), of the council with this whole id if one is given."""
        data, wanted = from_base64url(proof, "the proof"), parse_id(council) if council else None
        return await asyncio.to_thread(proved_view, data, wanted, seals_only=seals_only)

    def _council_decision(self, decided: Decided) -> CouncilDecisionView:
        return _decision(decided)

    def _council_id(self, wanted: str) -> bytes:
        held = self._node.councils.foundings.all()
        return find(wanted, [(it.founding.id, it.founding.name) for it in held], "council", _REMEDY)

    def _council(self, held: Founded) -> CouncilView:
        founding, councils = held.founding, self._node.councils
        seat = councils.seat(founding.id) if held.is_whole else None
        membership = seat.membership if seat is not None else founding.membership()
        state = self._council_state(held)
        driver = councils.driver(founding.id) if state == "running" else None
        replica = driver.replica if driver is not None else None
        return CouncilView(
            id=founding.id.hex(),
            name=founding.name,
            state=state,
            members=[self._council_member(held, membership, index, driver) for index in range(membership.size)],
            quorum=membership.quorum,
            faults=membership.faults,
            view=replica.view if replica is not None else None,
            made=replica.ledger.sequence if replica is not None else None,
            lag=driver.lag if driver is not None else None,
            waiting=len(replica.pending) if replica is not None else None,
            sealed=_sealed(founding, seat),
            epoch=membership.epoch,
            adds=sorted(node.hex() for node in seat.wishing.adds) if seat is not None else [],
            wishes=_wishes(replica) if replica is not None else [],
            removes=sorted(node.hex() for node in seat.wishing.removes) if seat is not None else [],
        )

    def _council_state(self, held: Founded) -> State:
        councils = self._node.councils
        if held.is_whole:
            return councils.seat(held.founding.id).state()
        return "waiting" if councils.foundings.has_joined(held) else "asked"

    def _council_member(
        self, held: Founded, membership: Membership, index: int, driver: CouncilDriver | None
    ) -> CouncilMemberView:
        node = membership.members[index].node
        is_local = node == self._node.store.node
        peer = self._node.peers.book.peers.get(node)
        return CouncilMemberView(
            known_as=self._views.node_known_as(node),
            looks_like=[] if is_local or peer is None else self._views.node_looks_like(node),
            node=node.hex(),
            name=self._node.store.name if is_local else peer.name if peer is not None else "",
            is_local=is_local,
            has_joined=held.is_whole or index in {signed.member for signed in held.signatures},
            is_connected=is_local or self._node.councils.carrier.link(node) is not None,
            leads=driver is not None and index == driver.replica.leader,
            is_silent=driver is not None and index in driver.silent,
            made=driver.attendance.made(index) if driver is not None else None,
            is_exposed=held.is_whole and node in self._node.councils.seat(held.founding.id).exposed,
        )


def in_short(view: CouncilView) -> CouncilStatusView:
    """Return what the status of the node says of a council."""
    return CouncilStatusView(
        id=view.id,
        name=view.name,
        state=view.state,
        view=view.view,
        leader=next((member.node for member in view.members if member.leads), None),
        made=view.made,
        lag=view.lag,
        silent=[member.node for member in view.members if member.is_silent],
    )


def _wishes(replica: Replica[Board]) -> list[CouncilWishView]:
    """Return what members asked the council for."""
    machine, members = replica.ledger.machine, replica.membership.members
    now = {member.node for member in members}
    asked = [(member.node, machine.wish(index)) for index, member in enumerate(members)]
    return [
        CouncilWishView(
            node=node.hex(),
            adds=[it.node.hex() for it in wish if it.node not in now],
            removes=sorted(it.hex() for it in now - {it.node for it in wish}),
        )
        for node, wish in asked
        if wish is not None
    ]


def _sealed(founding: Founding, seat: Seat | None) -> int | None:
    sealing = seat.sealing if seat is not None else None
    return sealing.sealed if sealing is not None else 0 if founding.seal else None


def _checked(key: str) -> str:
    if not 1 <= len(key) <= KEY_MAX:
        raise UsageError(f"a key has 1 to {KEY_MAX} characters", code="key_too_long")
    return key


def _result(data: bytes) -> tuple[str, bytes | None]:
    return convert(decode(data), tuple[str, bytes | None])


def _decision(decided: Decided) -> CouncilDecisionView:
    outcome, value = _result(decided.result)
    return CouncilDecisionView(
        sequence=decided.sequence, position=decided.position, outcome=outcome, value=shown(value)
    )


def _before(seat: Seat, seen: After) -> int:
    """Return the place after which a follower reads: the one of its cursor is read again, for what comes behind it."""
    oldest = max(0, seat.made - MADE_KEPT)
    if 0 < seen.sequence < oldest:
        raise UsageError(
            f"this node holds only what was made after place {oldest}",
            code="cursor_gone",
            http_status=410,
            remedy="follow without a cursor, and take the rest from a member that holds it",
        )
    return max(oldest, seen.sequence - 1)


def _entry(made: Made, position: int) -> CouncilEntryView:
    update = made.batch.updates[position]
    command = command_of(update)
    return CouncilEntryView(
        sequence=made.certificate.sequence,
        position=position,
        id=update.id.hex(),
        author=update.author,
        key=command.key if command is not None else None,
        value=shown(command.value) if isinstance(command, Put) else None,
        is_read=isinstance(command, Get),
        outcome=_result(made.results[position])[0],
    )
