"""The node as one participant may use it: what its token reaches.

It has the methods of ``api.NodeService`` that a participant may call, and no others: a route that is opened to
participants by mistake finds nothing to call here. What is forbidden and what is absent get one answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.log import streams
from foedus.log.memberships import Room
from foedus.node.codec import draft_of
from foedus.node.lookup import find
from foedus.node.not_yourself import NotYourself
from foedus.node.participant_calls import ParticipantCalls
from foedus.node.participant_councils import ParticipantCouncils
from foedus.node.participant_documents import ParticipantDocuments
from foedus.node.participant_knowledge import ParticipantKnowledge
from foedus.node.participant_queries import ParticipantQueries
from foedus.node.passkey_operations import ParticipantPasskeys
from foedus.node.room_forms import Said
from foedus.node.tokens import Holder
from foedus.values.access import CallerView, PairCodeView, PairingView, TokenView
from foedus.values.node import IdentityView, ParticipantView, Placed, SignedAct, SigningContext
from foedus.values.rooms import EventsPage, EventView, MessagesPage, MessageView, RoomView

if TYPE_CHECKING:
    from foedus.node.composition import Node


class ParticipantService(
    ParticipantDocuments,
    ParticipantKnowledge,
    ParticipantQueries,
    ParticipantCalls,
    ParticipantCouncils,
    ParticipantPasskeys,
):
    """``node`` is asked for memberships, ``service`` (the whole ``NodeService``) does what is allowed."""

    def __init__(self, node: Node, service: Any, holder: Holder) -> None:
        self._node = node
        self._service = service
        self._holder = holder

    def caller(self) -> CallerView:
        """Return who asks."""
        holder = self._holder
        return CallerView(
            did=holder.did, name=self._name(), kind=holder.kind, device=holder.device.hex(), bound=holder.bound
        )

    def _name(self) -> str:
        return self._node.agents.find(self._holder.did).name

    def identity(self) -> IdentityView:
        """Return what may be told to anyone."""
        found: IdentityView = self._service.identity()
        return found

    def signing_context(self) -> SigningContext:
        """Return what a device binds its acts to."""
        found: SigningContext = self._service.signing_context()
        return found

    # --- participants ------------------------------------------------------------------------

    def participants(self, query: str = "") -> list[ParticipantView]:
        """Return participants. It sees its own devices, and those of this node's agents, whom one grants to."""
        return [
            who if who.is_local and (who.did == self._holder.did or who.kind == "agent") else replace(who, devices=[])
            for who in self._service.participants(query)
        ]

    async def participant_act(self, did: str, act: SignedAct) -> Placed:
        """Order an enrolment or revocation of its own devices, or a grant."""
        self._refuse_other(did)
        self._check_passkey(act)
        placed: Placed = await self._service.participant_act(did, act)
        return placed

    def device_cuts(self, did: str, device: str) -> list[list[Any]]:
        """Return where the chains of its rooms and of knowledge end: acts in others are rejected in any case."""
        self._refuse_other(did)
        own = self._node.store.node
        held = self._node.store.admission.authority.rooms.values()
        rooms = {streams.room(room.id) for room in held if _was_member(room, own, did)}
        chains = {
            streams.chain_id(chain.epoch, chain.stream).hex()
            for chain in self._node.store.admission.chains.of_node(self._node.store.node)
            if chain.kind == "knowledge" or chain.stream in rooms
        }
        return [cut for cut in self._service.device_cuts(did, device) if cut[0] in chains]

    # --- rooms -------------------------------------------------------------------------------

    def _is_in(self, room: Room) -> bool:
        return bool(room.host) and room.of(self._node.store.node, self._holder.did) is not None

    def _room(self, wanted: str) -> str:
        """Return the id (hex) of a room that it is in, by id, name or beginning of its id; raise NotFound."""
        rooms = self._node.store.admission.authority.rooms.values()
        mine = ((room.id, room.name) for room in rooms if self._is_in(room))
        return find(wanted, mine, "room", "see `foedus room list`").hex()

    def rooms(self) -> list[RoomView]:
        """Return the rooms that it is in."""
        held = self._node.store.admission.authority.rooms
        return [view for view in self._service.rooms() if self._is_in(held[parse_id(view.room)])]

    def room(self, room: str) -> RoomView:
        """Return one of them."""
        found: RoomView = self._service.room(self._room(room))
        return found

    async def room_direct(self, participant: str, author: str) -> RoomView:
        """Return its two-party room with another."""
        self._refuse_other(author)
        may_cross = self._holder.kind == "human"
        found: RoomView = await self._service.room_direct(participant, self._holder.did, may_cross=may_cross)
        return found

    async def messages(self, room: str, *, after: str = "", limit: int = 50, before: str = "") -> MessagesPage:
        """Return messages of a room that it is in."""
        page: MessagesPage = self._service.messages(self._room(room), after=after, limit=limit, before=before)
        await self._note_read(page.messages)
        return page

    async def _note_read(self, read: Iterable[MessageView | EventView]) -> None:
        """Remember, before it is shown, that an agent reads what was written at another node."""
        own = self._node.store.node.hex()
        if self._holder.kind == "agent" and any(
            view.node != own and view.stream.startswith(("room:", "knowledge:")) for view in read
        ):
            await self._node.consent.note_read(self._holder.did)

    # --- speaking ----------------------------------------------------------------------------

    def _own(self, message: Said) -> Said:
        """Return a message as the custodial participant itself says it. '' is itself here, never the node."""
        self._refuse_other(message.as_ or self._holder.did)
        return replace(message, as_=self._holder.did)

    def _signed(self, room: str, act: SignedAct) -> SignedAct:
        if draft_of(streams.room(parse_id(room)), act).act.author != self._holder.did:
            raise NotYourself("the act is another participant's")
        return act

    async def say(self, room: str, message: Said) -> Placed:
        """Speak as itself: a custodial agent."""
        placed: Placed = await self._service.say(self._room(room), self._own(message))
        return placed

    async def say_batch(self, room: str, messages: Sequence[Said]) -> list[Placed]:
        """Say several things."""
        where = self._room(room)
        placed: list[Placed] = await self._service.say_batch(where, [self._own(message) for message in messages])
        return placed

    async def say_signed(self, room: str, act: SignedAct) -> Placed:
        """Speak as itself, signed by its device."""
        where = self._room(room)
        placed: Placed = await self._service.say_signed(where, self._signed(where, act))
        return placed

    async def say_signed_batch(self, room: str, acts: Sequence[SignedAct]) -> list[Placed]:
        """Say several signed things."""
        where = self._room(room)
        placed: list[Placed] = await self._service.say_signed_batch(where, [self._signed(where, act) for act in acts])
        return placed

    # --- events ------------------------------------------------------------------------------

    def may_see(self, stream: str) -> bool:
        """Whether a stream is of a room that it is in now, its own, or of knowledge."""
        kind, subject = streams.parse(stream)
        if kind == "participant":
            return subject == self._holder.did
        if kind == "knowledge":
            return True
        if kind not in {"room", "members"}:
            return False
        room = self._node.store.admission.authority.rooms.get(parse_id(subject))
        return room is not None and self._is_in(room)

    async def events(self, *, after: str = "", limit: int = 100, stream: str = "") -> EventsPage:
        """Return the events of a page that it may see; the cursor is of the whole page."""
        page: EventsPage = self._service.events(after=after, limit=limit, stream=stream)
        shown = [event for event in page.events if self.may_see(event.stream)]
        await self._note_read(shown)
        return replace(page, events=shown)

    async def follow(self, *, after: str | None = None, stream: str = "") -> AsyncIterator[EventView]:
        """Yield events that it may see at the time when they come."""
        async for event in self._service.follow(after=after, stream=stream):
            if self.may_see(event.stream):
                await self._note_read([event])
                yield event

    # --- devices -----------------------------------------------------------------------------

    def pair_generate(self, who: str, kind: Literal["human", "agent"], *, architect: bool = False) -> PairCodeView:
        """Open a code for a further device of its own."""
        self._refuse_other("" if architect else who or self._holder.did)
        code: PairCodeView = self._service.pair_generate(self._holder.did, kind)
        return code

    def pairings(self) -> list[PairingView]:
        """Return its own devices that wait."""
        return [view for view in self._service.pairings() if view.did == self._holder.did]

    def pair_withdraw(self, pairing: str) -> None:
        """Turn away a device that waits to be its own."""
        if pairing not in {view.pairing for view in self.pairings()}:
            raise NotFound("no such device waits", code="unknown_pairing", remedy="see `foedus pair list`")
        self._service.pair_withdraw(pairing)

    async def token_issue(self, who: str, device: str) -> TokenView:
        """Change its own token: the one that asks is void then."""
        self._refuse_other(who)
        if device not in {"", self._holder.device.hex()}:
            raise NotYourself("a token is changed from its own device")
        token: TokenView = await self._service.token_issue(self._holder.did, self._holder.device.hex())
        return token

    async def token_revoke(self, who: str, device: str) -> None:
        """End the token of one of its own devices."""
        self._refuse_other(who)
        await self._service.token_revoke(self._holder.did, device or self._holder.device.hex())


def _was_member(room: Room, node: bytes, did: str) -> bool:
    return any(membership.covers(node, did) for membership in room.memberships.values())
