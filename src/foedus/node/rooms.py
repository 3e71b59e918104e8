"""Rooms, as the node offers them: creating, sharing, leaving, speaking, reading."""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode
from foedus.base.clock import Hlc
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id, sha256
from foedus.base.limits import HTTP_PAGE_MAX, TEXT_MAX
from foedus.log import streams
from foedus.log.bodies import MessageText
from foedus.log.chains import Chain
from foedus.log.memberships import Membership, Room
from foedus.log.port import Row
from foedus.log.roles import name_of, right_for
from foedus.node import membership
from foedus.node.approvals import Approval
from foedus.node.author import Draft
from foedus.node.carrying import NeedsApproval
from foedus.node.codec import draft_of
from foedus.node.composition import Node
from foedus.node.home import check_name
from foedus.node.lookup import find, id_of
from foedus.node.room_forms import Said
from foedus.node.views import Views, stored_event
from foedus.trust.evaluator import by_role
from foedus.trust.peer import State
from foedus.trust.tiers import sends_sync
from foedus.values.node import Placed, SignedAct
from foedus.values.rooms import MessagesPage, RoomView

_REMEDY = "see `foedus room list`"


class NotHost(UsageError):
    """Only a room's host writes its membership."""

    code = "not_host"
    http_status = 403
    remedy = "ask the room's host, or make a room of your own with `foedus room create`"


class Rooms:
    """What the node does with rooms."""

    def __init__(self, node: Node, views: Views) -> None:
        self._node = node
        self._views = views

    def _held(self) -> dict[bytes, Room]:
        rooms: dict[bytes, Room] = self._node.store.admission.authority.rooms
        return {room_id: room for room_id, room in rooms.items() if room.host}

    def find(self, wanted: str) -> Room:
        """Return a room by id, name or beginning of its id."""
        exact = self._node.store.admission.authority.rooms.get(id_of(wanted))
        if exact is not None and exact.host:
            return exact
        held = self._held()
        return held[find(wanted, ((room_id, room.name) for room_id, room in held.items()), "room", _REMEDY)]

    def all(self) -> list[RoomView]:
        """Return the rooms held here, by name."""
        return sorted(
            (self._views.room(room) for room in self._held().values()), key=lambda view: (view.name, view.room)
        )

    # --- membership --------------------------------------------------------------------------

    async def create(self, name: str) -> Room:
        """Make a room of which this node is the host, open to all its participants."""
        return await self._create(check_name(name), [(self._node.store.node, None)])

    async def _create(self, name: str, members: Sequence[tuple[bytes, str | None]]) -> Room:
        body = encode({"host": self._node.store.node, "name": name, "random": secrets.token_bytes(32)})
        room_id = sha256(body)
        stream = streams.members(room_id)
        author = self._node.author
        adds = [author.node_act(stream, "member.add", membership.Seat(node, who).body([])) for node, who in members]
        await author.order([author.node_act(stream, "room.create", body), *adds])
        return self._held()[room_id]

    def hosted(self, wanted: str) -> Room:
        """Return a room of which this node is the host; raise NotHost."""
        room = self.find(wanted)
        if room.host != self._node.store.node:
            raise NotHost(f"{room.name!r} is hosted by {self._views.node_name(room.host)}")
        return room

    async def share(self, wanted: str, peer_id: bytes, role: int | None = None) -> Room:
        """Let all participants of a connected peer into a room of ours; they get its whole history."""
        room = self.hosted(wanted)
        peer = self._node.peers.book.peer(peer_id)
        if peer.state is not State.CONNECTED:
            raise UsageError(
                f"{peer.name or peer_id.hex()} is not connected: {peer.state.value}",
                code="not_connected",
                remedy="connect first: `foedus peer request URL`",
            )
        if not sends_sync(peer.tier):
            raise UsageError(
                f"a peer of tier {peer.tier.value} gets no rooms",
                code="tier",
                remedy=f"give it another tier: `foedus peer tier {peer_id.hex()} CORE`",
            )
        mine = [entry.role for entry in room.current() if entry.node == peer_id and entry.participant is None]
        if not mine or (role is not None and mine[-1] != role):
            seat = membership.Seat(peer_id, None, role)
            await self._node.governance.require_room(room, "member.add", seat)
            await membership.add(self._node.store, self._node.author, room, seat)
        return self.find(room.id.hex())

    async def unshare(self, wanted: str, peer_id: bytes) -> Room:
        """Remove a peer and all its participants; what they say later is rejected everywhere."""
        room = self.hosted(wanted)
        if not any(entry.node == peer_id for entry in room.current()):
            raise UsageError("that peer is not in the room", code="not_a_member", remedy=_REMEDY)
        await self._node.governance.require_room(room, "member.remove", membership.Seat(peer_id, None))
        await membership.remove(self._node.store, self._node.author, room, peer_id)
        return self.find(room.id.hex())

    async def unshare_all(self, peer_id: bytes) -> None:
        """Remove a peer from every room that this node hosts."""
        store = self._node.store
        for room in list(store.admission.authority.rooms.values()):
            if room.host == store.node and any(entry.node == peer_id for entry in room.current()):
                await membership.remove(store, self._node.author, room, peer_id)

    async def leave(self, wanted: str) -> Room:
        """Ask the host to remove this node; a host removes its own members."""
        room = self.find(wanted)
        own = self._node.store.node
        if own not in room.present():
            raise UsageError("this node is not in the room", code="not_a_member", remedy=_REMEDY)
        if room.host == own:
            await membership.remove(self._node.store, self._node.author, room, own)
        else:
            mine = self._membership(room, None, "room.leave")
            author = self._node.author
            await author.order([author.node_act(streams.room(room.id), "room.leave", {}, [mine.id])])
        return self.find(room.id.hex())

    async def direct(self, author: str, did: str, *, may_cross: bool = True) -> Room:
        """Return the two-party room of a local participant and another, made where there is none.

        ``may_cross``: whether it may be made with a participant of another node. An agent by its own token may not:
        what it says in a room of its own node needs no grant, so a person opens such a room.
        """
        mine = self._node.agents.find(author)
        found = self._node.store.admission.authority.participants
        theirs = [who for (_, other), who in found.items() if other == did and who.is_enrolled]
        if not theirs:
            raise UsageError(
                f"no participant {did[:80]!r} is known",
                code="unknown_participant",
                remedy="see `foedus participant find`",
            )
        other = theirs[0]
        if other.did == mine.did:
            raise UsageError("nobody has a room with themselves alone", code="same_participant", remedy=_REMEDY)
        parties = {(mine.node, mine.did), (other.node, other.did)}
        for room in self._held().values():
            if {(entry.node, entry.participant) for entry in room.current()} == parties:
                return room
        if not may_cross and other.node != self._node.store.node:
            raise UsageError(
                f"a person opens a room with {other.name or did}, who is at another node",
                code="human_required",
                http_status=403,
                remedy="ask a person of this node for `foedus say --to`, or for a room that the other node hosts",
            )
        self._node.standings.check(mine.did, "open")
        return await self._create(f"{mine.name} and {other.name}"[:128], sorted(parties))

    # --- speaking ----------------------------------------------------------------------------

    def _membership(self, room: Room, author: str | None, kind: str = "message.text") -> Membership:
        """Return what an act would stand on; refuse at once what the authority verdict would reject."""
        own = self._node.store.node
        found = room.of(own, author)
        if found is None:
            raise UsageError("you are not a member of this room", code="not_permitted", http_status=403, remedy=_REMEDY)
        self._check_role(room, author, kind, found)
        return found

    def _check_role(self, room: Room, author: str | None, kind: str, found: Membership | None) -> None:
        """Refuse what the author's role forbids before anyone is asked; who is no member has none here."""
        role = self._node.crossings.role_by(room, found, self._node.store.node, author)
        refused = by_role(role, kind)
        if refused is not None and role is not None:
            raise UsageError(
                f"a {name_of(role)} may not {right_for(kind)} in {room.name!r}",
                code=refused.code,
                http_status=403,
                remedy="the room's host gives roles: `foedus room role ROOM WHO ROLE`, run there",
            )

    def standing(self, room: Room, did: str, kind: str) -> bytes:
        """Return the membership that an act of a participant would stand on; raise UsageError where it may not."""
        return self._membership(room, did, kind).id

    def _draft(self, room: Room, message: Said) -> Draft:
        check_text(message.text)
        return self.draft(room, "message.text", {"text": message.text}, message.as_)

    def draft(self, room: Room, kind: str, body: Any, as_: str) -> Draft:
        """Return an act in a room, of a custodial agent or ('') of the node itself."""
        stream = streams.room(room.id)
        author = self._node.author
        if not as_:
            return author.node_act(stream, kind, body, [self._membership(room, None, kind).id])
        who = self._node.agents.find(as_)
        auth = [self._node.agents.enrolment(who), self._membership(room, who.did, kind).id]
        return author.custodial_act(stream, kind, body, auth, who.did, self._node.agents.key(who))

    def proposal(self, wanted: str, name: str, kind: str, body: Any) -> Draft:
        """Return what an agent with a key of its own wants to say or write, not signed: a human is asked for it."""
        room = self.find(wanted)
        who = self._node.agents.find(name)
        device = next((device for device in who.devices.values() if device.cuts is None), None)
        if who.custody == "node" or device is None:
            raise UsageError(
                f"{who.name} has no key of its own", code="not_permitted", remedy="say it: the node asks by itself"
            )
        auth = [device.enrolment, self._membership(room, who.did, kind).id]
        draft = self._node.author.node_act(streams.room(room.id), kind, body, auth)
        return draft._replace(act=replace(draft.act, author=who.did, device=device.key))

    def _signed(self, room: Room, act: SignedAct) -> Draft:
        draft = self.checked(room, draft_of(streams.room(room.id), act))
        if draft.act.kind == "message.text":
            try:
                decode_as(draft.body, MessageText)
            except (NotCanonical, Malformed) as error:
                raise UsageError(f"the body of the message: {error}", code="malformed_event") from None
        return draft

    def checked(self, room: Room, draft: Draft) -> Draft:
        """Return an act that a device signed; raise UsageError at once where its author's role forbids it."""
        if isinstance(draft.act.author, str):
            found = room.of(self._node.store.node, draft.act.author)
            self._check_role(room, draft.act.author, draft.act.kind, found)
        return draft

    async def say(self, wanted: str, messages: Sequence[Said | SignedAct]) -> list[Placed]:
        """Order messages in a room, in this order, all or none."""
        room = self.find(wanted)
        drafts = [
            self._draft(room, message) if isinstance(message, Said) else self._signed(room, message)
            for message in messages
        ]
        return await self.place(drafts)

    async def place(self, drafts: Sequence[Draft]) -> list[Placed]:
        """Order acts in rooms, in this order, all or none; one of an agent may have to wait for a human."""
        self._count_speech(drafts)
        try:
            drafts = self._node.consent.cite(drafts)
        except NeedsApproval as need:
            if len(drafts) > 1 or drafts[0].signer is None:
                raise
            return [waiting(await self._node.consent.ask(drafts[0], need))]
        rows = await self._node.author.order(drafts)
        for draft, row in zip(drafts, rows, strict=True):
            if draft.asig is not None:
                await self._node.consent.said(draft.act, row.id)
        return [placed(row) for row in rows]

    def _count_speech(self, drafts: Sequence[Draft]) -> None:
        spoken: dict[str, int] = {}
        for draft in drafts:
            author = str(draft.act.author)
            spoken[author] = spoken.get(author, 0) + 1
        for author, count in spoken.items():
            self._node.rates.take("speech_per_participant", author, count)

    # --- reading -----------------------------------------------------------------------------

    def read(self, wanted: str, after: str, limit: int, before: str = "") -> MessagesPage:
        """Return a page of messages in the order of their clocks: after a cursor, or the newest.

        ``before``: the id of a message; then the last ones before it.
        """
        room = self.find(wanted)
        limit = max(1, min(limit, HTTP_PAGE_MAX))
        chains = [chain for chain in self._node.store.admission.chains.of_stream(streams.room(room.id)) if chain.seq]
        end = self._place(room, before) if before else None
        rows = self._after(chains, _parse(after), limit) if after else self._newest(chains, limit, end)
        views = [self._views.message(row, stored_event(row)) for row in rows]
        cursor = f"{rows[-1].hlc.us}.{rows[-1].hlc.counter}.{rows[-1].id.hex()}" if rows else after
        return MessagesPage(messages=views, cursor=cursor)

    def _place(self, room: Room, message: str) -> tuple[Hlc, bytes]:
        """Return where in the order of a room a message stands; raise NotFound."""
        row = self._node.log.by_ids([parse_id(message)]).get(parse_id(message))
        if row is None or row.stream != streams.room(room.id):
            raise NotFound("this room holds no such message", code="unknown_event", remedy="take its id from a page")
        return _order(row)

    def _newest(self, chains: Sequence[Chain], limit: int, end: tuple[Hlc, bytes] | None) -> list[Row]:
        """Merge the ends of the chains: the clock grows along each, so no index over all is needed.

        ``end``: only what comes before it.
        """
        found: list[Row] = []
        for chain in chains:
            before = (chain.seq if end is None else self._seek(chain, end)) + 1
            mine: list[Row] = []
            while len(mine) < limit and before > 1:
                page = self._node.log.chain_backwards(chain.epoch, chain.stream, before, limit)
                if not page:
                    break
                mine += [row for row in page if row.kind == "message.text" and (end is None or _order(row) < end)]
                before = page[-1].seq
            found += mine[:limit]
        return sorted(found, key=_order)[-limit:]

    def _after(self, chains: Sequence[Chain], after: tuple[Hlc, bytes], limit: int) -> list[Row]:
        pages = [self._chain_after(chain, after, limit) for chain in chains]
        return list(heapq.merge(*pages, key=_order))[:limit]

    def _chain_after(self, chain: Chain, after: tuple[Hlc, bytes], limit: int) -> list[Row]:
        seq = self._seek(chain, after)
        found: list[Row] = []
        while len(found) < limit:
            page = self._node.log.chain(chain.epoch, chain.stream, seq, limit)
            if not page:
                break
            found += [row for row in page if row.kind == "message.text"]
            seq = page[-1].seq
        return found[:limit]

    def _seek(self, chain: Chain, after: tuple[Hlc, bytes]) -> int:
        """Return the last seq of the chain that is not after the cursor, by bisection."""
        low, high = 0, chain.seq
        while low < high:
            middle = (low + high + 1) // 2
            # The next one that is held: some may be pruned, and the newest may not be durable yet.
            rows = self._node.log.chain(chain.epoch, chain.stream, middle - 1, 1)
            if rows and _order(rows[0]) <= after:
                low = middle
            else:
                high = middle - 1
        return low


def _order(row: Row) -> tuple[Hlc, bytes]:
    return row.hlc, row.id


def _parse(cursor: str) -> tuple[Hlc, bytes]:
    try:
        us, counter, event_id = cursor.split(".")
        return Hlc(int(us), int(counter)), parse_id(event_id)
    except ValueError:
        raise UsageError(
            "that is not a cursor of messages", code="bad_cursor", remedy="take it from an earlier page"
        ) from None


def check_text(text: str) -> None:
    """Raise UsageError where a message is too long."""
    if len(text) > TEXT_MAX:
        raise UsageError(f"a message has at most {TEXT_MAX} characters", code="too_large", http_status=413)


def waiting(approval: Approval) -> Placed:
    """Return that an act waits for a human."""
    return Placed(id="", stream=approval.stream, seq=0, hlc=[0, 0], approval=approval.id)


def placed(row: Row) -> Placed:
    """Return where an act was ordered."""
    return Placed(id=row.id.hex(), stream=row.stream, seq=row.seq, hlc=list(row.hlc))
