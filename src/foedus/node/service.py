"""The node as surfaces see it: ``api.NodeService``, over the parts that ``composition`` joins."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from foedus.base.cbor import Malformed
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import HTTP_PAGE_MAX
from foedus.identity.record import SignedRecord
from foedus.log import streams
from foedus.log.port import Row, Verdict
from foedus.node import room_roles
from foedus.node.access_operations import AccessOperations
from foedus.node.agreement_operations import AgreementOperations
from foedus.node.audit_operations import AuditOperations
from foedus.node.call_approving import CallApproving
from foedus.node.call_making import CallMaker
from foedus.node.call_operations import CallOperations
from foedus.node.codec import draft_of
from foedus.node.composition import Node
from foedus.node.consent_operations import ConsentOperations
from foedus.node.council_member_operations import CouncilMemberOperations
from foedus.node.council_operations import CouncilOperations, in_short
from foedus.node.crdt_operations import CrdtOperations
from foedus.node.credential_operations import CredentialOperations
from foedus.node.credentials import Credentials
from foedus.node.document_operations import DocumentOperations
from foedus.node.erase_operations import EraseOperations, Reason
from foedus.node.errand_operations import ErrandOperations
from foedus.node.home import identity_view
from foedus.node.knowledge_operations import KnowledgeOperations
from foedus.node.metrics import render
from foedus.node.name_operations import NameOperations
from foedus.node.nearby_operations import NearbyOperations
from foedus.node.passkey_operations import PasskeyOperations
from foedus.node.query_operations import QueryOperations
from foedus.node.room_forms import Said
from foedus.node.rooms import Rooms, placed
from foedus.node.standing_operations import StandingOperations
from foedus.node.troubles import clock_behind, troubles
from foedus.node.verifier import Verifier
from foedus.node.verify import verify_log
from foedus.node.views import Views
from foedus.node.webhook_operations import WebhookOperations
from foedus.node.work_operations import WorkOperations
from foedus.values.node import (
    IdentityView,
    ParticipantView,
    PeerView,
    Placed,
    PolicyOptionView,
    PruningView,
    RotationView,
    SignedAct,
    SigningContext,
    StatusView,
    Trouble,
    VerifyReport,
)
from foedus.values.rooms import EventsPage, EventView, MessagesPage, RoomView

_FOLLOW_PAGE = 256
_OWN_ACTS = frozenset({"device.enrol", "device.revoke", "document.session", "grant.create", "grant.revoke"})
_LOCAL_DIGITS = 18
"""A local number fits SQLite's 64-bit integers."""


class Service(
    ConsentOperations,
    AccessOperations,
    NameOperations,
    CredentialOperations,
    AuditOperations,
    StandingOperations,
    CrdtOperations,
    DocumentOperations,
    KnowledgeOperations,
    QueryOperations,
    CallOperations,
    WorkOperations,
    WebhookOperations,
    ErrandOperations,
    CouncilOperations,
    CouncilMemberOperations,
    PasskeyOperations,
    NearbyOperations,
):
    """Answers the surfaces. One per running node."""

    def __init__(self, node: Node) -> None:
        views = Views(node)
        self._rooms = Rooms(node, views)
        super().__init__(node, views, self._rooms)
        self.credentials = Credentials(node)
        self.verifier = Verifier(node, self.credentials.kept, self.credentials.principals)
        self._call_maker = CallMaker(node)
        self._call_approving = CallApproving(node, self._call_maker)
        self._erasing = EraseOperations(node, views)
        self.agreements = AgreementOperations(node, self._peer_id, views.node_name)
        self._token = node.home.ensure_token()
        node.errands.join(self.call_follow, self._call_approving.propose)

    @property
    def token(self) -> str:
        """The operator's bearer token."""
        return self._token

    def check_rate(self, caller: str, address: str) -> None:
        """Count a request of a caller or of an address; raise TooOften."""
        if caller:
            self._node.rates.take("api_per_token", caller)
        if address:
            self._node.rates.take_address("api_per_address", address)

    # --- this node ---------------------------------------------------------------------------

    def identity(self) -> IdentityView:
        """Return what may be told to anyone."""
        store = self._node.store
        return identity_view(store.record, store.name, list(self._node.peers.advertised))

    def policy(self) -> list[PolicyOptionView]:
        """Return the options of the policy in force."""
        return self._node.policy.options()

    def signing_context(self) -> SigningContext:
        """Return what a device binds its acts to."""
        store = self._node.store
        return SigningContext(node=store.node.hex(), epoch=store.epoch.hex(), now=store.now())

    def status(self) -> StatusView:
        """Return how the node does: what is wrong first."""
        node = self._node
        chains = list(node.store.admission.chains)
        return StatusView(
            troubles=self._troubles(),
            identity=self.identity(),
            started_at=node.started_at,
            uptime_us=node.store.now() - node.started_at,
            home=str(node.home.path),
            events=sum(chain.seq for chain in chains) - node.store.admission.gaps.events(),
            chains=sum(1 for chain in chains if chain.seq),
            contested_chains=sum(1 for chain in chains if chain.is_contested),
            forks=sum(1 for chain in chains if chain.contested),
            authoring=not node.author.stopped and not clock_behind(node),
            pending_requests=len(node.peers.book.pending()),
            peers=self.peers(),
            memory_bytes=_memory_bytes(),
            refused=dict(node.ingest.refusals),
            last_local=node.log.last_local,
            store_id=node.log.store_id.hex(),
            councils=[in_short(view) for view in self.councils()],
        )

    def _troubles(self) -> list[Trouble]:
        found = troubles(self._node, self._views.node_name, self.approvals())
        return [
            *found,
            *self.agreements.troubles(),
            *self._audit_troubles(),
            *self._knowledge_troubles(),
            *self._council_troubles(),
        ]

    # --- participants ------------------------------------------------------------------------

    def participants(self, query: str = "") -> list[ParticipantView]:
        """Return local participants and those of peers, by name."""
        wanted = query.casefold()
        found = self._node.store.admission.authority.participants.values()
        views = [
            self._views.participant(who)
            for who in found
            if who.is_enrolled and any(wanted in text.casefold() for text in self._views.texts_of(who))
        ]
        return sorted(views, key=lambda view: (not view.is_local, view.name, view.did))

    async def participant_add_custodial(self, name: str) -> ParticipantView:
        """Make an agent whose key this node keeps."""
        return self._views.participant(await self._node.agents.add(name))

    async def participant_act(self, did: str, act: SignedAct) -> Placed:
        """Order a signed enrolment or revocation."""
        draft = draft_of(streams.participant(did), act)
        streams.parse(draft.stream)
        if draft.act.kind not in _OWN_ACTS or draft.act.author != did:
            raise UsageError("only the participant's own enrolments and grants go here", code="not_permitted")
        self._node.agents.check_enrolment(did, draft.body, draft.act.kind)
        self._node.standings.check_act(did, draft.act.kind, draft.body)
        (row,) = await self._node.author.order([draft])
        if row.verdict is not Verdict.ACCEPTED:
            raise UsageError(f"the act was ordered, but is {row.reason}", code=row.reason, http_status=403)
        return placed(row)

    def device_cuts(self, did: str, device: str) -> list[list[Any]]:
        """Return where the chains of this node end in which the device may have acted."""
        self._node.agents.find(did)
        parse_id(device)
        return self._room_cuts()

    # --- rooms -------------------------------------------------------------------------------

    def rooms(self) -> list[RoomView]:
        """Return the rooms held here."""
        return self._rooms.all()

    def room(self, room: str) -> RoomView:
        """Return one room."""
        return self._views.room(self._rooms.find(room))

    async def room_create(self, name: str) -> RoomView:
        """Make a room."""
        return self._views.room(await self._rooms.create(name))

    async def room_share(self, room: str, peer: str, role: int | None = None) -> RoomView:
        """Let a peer in."""
        return self._views.room(await self._rooms.share(room, self._given_id(peer), role))

    async def room_role(self, room: str, who: str, role: int, title: str = "") -> RoomView:
        """Give a member another role."""
        hosted = self._rooms.hosted(room)
        await room_roles.give(self._node, hosted, who, role, title)
        return self._views.room(self._rooms.find(hosted.id.hex()))

    async def room_unshare(self, room: str, peer: str) -> RoomView:
        """Take a peer out."""
        return self._views.room(await self._rooms.unshare(room, self._peer_id(peer)))

    async def peer_disconnect(self, peer: str, reason: str = "") -> PeerView:
        """End the connection, and take the peer out of the rooms that this node hosts: nobody carries for it there."""
        view = await super().peer_disconnect(peer, reason)
        await self._rooms.unshare_all(parse_id(view.node))
        return view

    async def room_leave(self, room: str) -> RoomView:
        """Leave a room."""
        return self._views.room(await self._rooms.leave(room))

    async def room_direct(self, participant: str, author: str, *, may_cross: bool = True) -> RoomView:
        """Return the two-party room of two participants."""
        return self._views.room(await self._rooms.direct(author, participant, may_cross=may_cross))

    async def say(self, room: str, message: Said) -> Placed:
        """Order one message."""
        return (await self._rooms.say(room, [message]))[0]

    async def say_batch(self, room: str, messages: Sequence[Said]) -> list[Placed]:
        """Order messages, all or none."""
        return await self._rooms.say(room, messages)

    async def say_signed(self, room: str, act: SignedAct) -> Placed:
        """Order one message that a device signed."""
        return (await self._rooms.say(room, [act]))[0]

    async def say_signed_batch(self, room: str, acts: Sequence[SignedAct]) -> list[Placed]:
        """Order signed messages, all or none."""
        return await self._rooms.say(room, acts)

    def messages(self, room: str, *, after: str = "", limit: int = 50, before: str = "") -> MessagesPage:
        """Return a page of messages."""
        return self._rooms.read(room, after, limit, before)

    # --- events ------------------------------------------------------------------------------

    def _local(self, cursor: str) -> int:
        """Return the local number of a cursor; 410 where it is another store's."""
        store_id, _, local = cursor.partition(".")
        if not local.isdecimal() or len(local) > _LOCAL_DIGITS:
            raise UsageError("that is not a cursor", code="bad_cursor", remedy="take it from an earlier answer")
        if store_id != self._node.log.store_id.hex():
            raise UsageError(
                "the cursor is of another store",
                code="foreign_cursor",
                http_status=410,
                remedy="begin again without a cursor",
            )
        return int(local)

    def events(self, *, after: str = "", limit: int = 100, stream: str = "") -> EventsPage:
        """Return a page of events in admission order."""
        if stream:
            _check_stream(stream)
        start = self._local(after) if after else 0
        rows = self._node.log.since(start, max(1, min(limit, HTTP_PAGE_MAX)), stream)
        end = rows[-1].local if rows else start
        return EventsPage(events=[self._views.event(row) for row in rows], cursor=self._views.cursor(end))

    async def follow(self, *, after: str | None = None, stream: str = "") -> AsyncIterator[EventView]:
        """Yield events as they become durable, after a cursor, without a gap."""
        if stream:
            _check_stream(stream)
        reached = self._node.log.last_local if after is None else self._local(after) if after else 0
        async for row in self._rows(reached, stream):
            yield self._views.event(row)

    async def _rows(self, reached: int, stream: str) -> AsyncIterator[Row]:
        """Yield the stored rows, then the live ones; a subscriber that fell behind reads from the log again."""
        while True:
            subscription = self._node.publisher.subscribe()
            try:
                while page := self._node.log.since(reached, _FOLLOW_PAGE, stream):
                    for row in page:
                        reached = row.local
                        yield row
                    await asyncio.sleep(0)
                async for row in subscription.rows():
                    if row.local > reached and stream in {"", row.stream}:
                        reached = row.local
                        yield row
            finally:
                self._node.publisher.unsubscribe(subscription)

    def event(self, event: str) -> EventView:
        """Return one held event by its id."""
        return self._erasing.event(event)

    async def erase(self, event: str, reason: Reason) -> Placed:
        """Erase an event: as its author where the node keeps that key, else as the room's host."""
        return await self._erasing.erase(event, reason)

    async def erase_signed(self, event: str, act: SignedAct) -> Placed:
        """Order an erasure of an event that a device signed."""
        return await self._erasing.erase_signed(event, act)

    async def retention_run(self, days: int | None, room: str) -> PruningView:
        """Prune now: by these days (of one room, or ''), or where that is None as the policy says."""
        key = self._rooms.find(room).id.hex() if room else "room"
        retention = self._node.retention
        pruned = await retention.prune(retention.days if days is None else {key: days})
        return PruningView(chains=pruned.chains, events=pruned.events)

    async def retention_skip(self, room: str) -> PruningView:
        """Go on without what peers no longer have of a room."""
        stream = streams.room(self._rooms.find(room).id)
        chains = sum(1 for _, lacking in self._node.pruned.lacking if lacking == stream)
        return PruningView(chains=chains, events=await self._node.pruned.skip(stream))

    async def verify(self) -> VerifyReport:
        """Check the whole log from disk again, in a worker thread."""
        return await asyncio.to_thread(verify_log, self._node.home.database)

    # --- keys --------------------------------------------------------------------------------

    async def key_rotate(self) -> RotationView:
        """Open an epoch with new keys."""
        return rotation_view(await self._node.epochs.rotate())

    async def key_recover(self, words: str) -> RotationView:
        """Take the identity back with the recovery words."""
        return rotation_view(await self._node.epochs.recover(words))

    def metrics(self) -> bytes:
        """Return the counters in Prometheus' text format."""
        return render(self._node)


def _check_stream(name: str) -> None:
    """Raise UsageError where a person or program asks for what cannot be a stream."""
    try:
        streams.parse(name)
    except Malformed as error:
        raise UsageError(str(error), code="bad_stream", remedy="see the streams in `foedus log list`") from None


def rotation_view(record: SignedRecord) -> RotationView:
    """Return what is told of a new epoch."""
    return RotationView(
        node=record.node.hex(), epoch=record.id.hex(), epoch_number=record.record.n, cause=record.record.cause
    )


def _memory_bytes() -> int:
    """Return the resident memory of this process now (Linux), else its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()
