"""Who edits which document here now: hands out tickets, keeps session keys, and tells clients what came."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from foedus.base.cbor import encode, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log import streams
from foedus.log.documents import SESSION_US, DocumentUpdate, DocumentUpload, scope
from foedus.log.memberships import Room
from foedus.log.participants import Participant, Session
from foedus.log.port import Row
from foedus.node.author import Draft
from foedus.node.composition import Node
from foedus.node.document_tickets import Seat, Tickets
from foedus.node.document_visit import DocumentVisit
from foedus.node.publisher import Published
from foedus.node.rates import TooOften
from foedus.state.documents.fold import UPDATE, UPLOAD, parts_of
from foedus.state.documents.limits import IN_ACTS_MAX
from foedus.state.documents.messages import Presence, brings, shows
from foedus.state.documents.presences import Presences
from foedus.values.documents import SessionAsk

SESSIONS_MAX = 4_096
"""Session keys that are kept: participants who edit within a day."""
SESSIONS_EACH_MAX = 256
"""Of one participant: who opens more documents in a day signs anew for the first of them, and for nobody else's."""
_AHEAD_US = 3_600_000_000
"""A session that ends within an hour is replaced when a ticket is asked for."""
_WATCHED = frozenset({"member.add", "member.remove", "device.revoke"})

Open = tuple[str, str]
"""(stream of the room, name of the document)"""


class DocumentDesk:
    """One per node, on the event loop's thread. ``membership``: (room, DID, kind) → the id to cite, or a UsageError."""

    def __init__(self, node: Node, membership: Callable[[Room, str, str], bytes]) -> None:
        self.node = node
        self.tickets = Tickets()
        self._membership = membership
        self._keys: dict[tuple[str, bytes, str], tuple[Ed25519Key, Instant]] = {}
        """Session keys and until when they may be enrolled to sign. A restart forgets them: new ones are enrolled."""
        self._visits: dict[Open, dict[DocumentVisit, None]] = {}
        """In the order in which they came, which is that in which they are told."""
        self._tasks: set[asyncio.Task[None]] = set()
        node.presences.is_open = lambda place: place in self._visits
        node.presences.on_news = lambda place, news: self.tell(place, shows(news))
        node.documents.is_open = lambda stream: any(at[0] == stream for at in self._visits)
        node.documents.on_update = self._updated
        node.documents.on_dropped = self._dropped
        node.publisher.bookkeepers.append(self._published)

    # --- sessions ----------------------------------------------------------------------------

    def session_needed(self, who: Participant, room: bytes, name: str) -> SessionAsk | None:
        """Return what a device of the participant has to sign before it edits; None where it may edit."""
        if who.custody == "node" or self._session(who, room, name, self.node.store.now() + _AHEAD_US) is not None:
            return None
        now = self.node.store.now()
        self._keys = {place: held for place, held in self._keys.items() if held[1] > now}
        mine = [place for place in self._keys if place[0] == who.did]
        if len(mine) >= SESSIONS_EACH_MAX or len(self._keys) >= SESSIONS_MAX:
            del self._keys[(mine or list(self._keys))[0]]
        held = self._keys.get((who.did, room, name))
        if held is None or who.has_session(held[0].public):
            held = (Ed25519Key(secrets.token_bytes(32)), now + SESSION_US - _AHEAD_US // 60)
            self._keys[who.did, room, name] = held
        key, until = held
        return SessionAsk(key=key.public.hex(), room=scope(room).hex(), document=scope(room, name).hex(), until=until)

    def _session(self, who: Participant, room: bytes, name: str, now: Instant) -> tuple[Ed25519Key, Session] | None:
        """Return the session key in force for a document."""
        held = self._keys.get((who.did, room, name))
        session = who.sessions.get(held[0].public) if held is not None else None
        if held is None or session is None or session.until <= now or session.issuer.cuts is not None:
            return None
        return (held[0], session) if session.document == scope(room, name) else None

    # --- editing -----------------------------------------------------------------------------

    async def order(self, seat: Seat, update: bytes) -> None:
        """Order an update as an act of whoever has the seat; it is durable when this returns, and was passed on.

        Raises what ``Author.order`` does, and NeedsApproval: nobody is asked for single edits.
        """
        await self._in_turn(seat.did)
        who = self.node.agents.find(seat.did)
        room = self.node.store.admission.authority.rooms[seat.room]
        membership = self._membership(room, seat.did, UPDATE)
        key, enrolment = self._signer(who, seat)
        stream = streams.room(seat.room)

        def drafts(kind: str, bodies: Sequence[bytes]) -> list[Draft]:
            auth = (enrolment, membership)
            made = [self.node.author.custodial_act(stream, kind, body, auth, seat.did, key) for body in bodies]
            return self.node.consent.cite(made)

        if len(update) <= IN_ACTS_MAX:
            rows = await self.node.author.order(drafts(UPDATE, _bodies(seat.name, update)))
        else:
            rows = await self._upload(stream, seat.name, update, partial(drafts, UPLOAD))
        self.node.presences.spoke(stream, seat.did, rows[-1].id)

    async def _upload(
        self, stream: str, name: str, update: bytes, drafts: Callable[[Sequence[bytes]], list[Draft]]
    ) -> list[Row]:
        """Keep an update as a blob, then order the act that names it. Who is cancelled leaves it to the next start."""
        token, blob = await self.node.blobs.keep(stream, update)
        try:
            rows = await self.node.author.order(drafts([encode(to_plain(DocumentUpload(document=name, blob=blob)))]))
        except FoedusError:
            await self.node.blobs.settle(token, [])
            raise
        await self.node.blobs.settle(token, [row.id for row in rows])
        return rows

    async def _in_turn(self, did: str) -> None:
        """Wait until a participant may speak: an edit counts as a message does. What is typed meanwhile gathers."""
        while True:
            try:
                self.node.rates.take("speech_per_participant", did)
            except TooOften as error:
                await asyncio.sleep(error.retry_after_s)
            else:
                return

    def _signer(self, who: Participant, seat: Seat) -> tuple[Ed25519Key, bytes]:
        if who.custody == "node":
            return self.node.agents.key(who), self.node.agents.enrolment(who)
        found = self._session(who, seat.room, seat.name, self.node.store.now())
        if found is None:
            raise UsageError(
                "the session of this document has ended",
                code="session_ended",
                http_status=403,
                remedy="get a new ticket; the device enrols a new session key for it",
            )
        return found[0], found[1].enrolment

    # --- who is there ------------------------------------------------------------------------

    def enter(self, visit: DocumentVisit) -> Presences:
        """Let a client hear what comes to its document."""
        self._visits.setdefault(visit.place, {})[visit] = None
        return self.node.presences.at(visit.place)

    def leave(self, visit: DocumentVisit) -> None:
        """Forget a client."""
        there = self._visits.get(visit.place, {})
        there.pop(visit, None)
        if not there:
            self._visits.pop(visit.place, None)
            self.node.presences.left(visit.place)

    def show(self, visit: DocumentVisit, news: tuple[Presence, ...]) -> None:
        """Tell the other clients of a document, here and at other nodes, what one shows."""
        self.tell(visit.place, shows(news), but=visit)
        self.node.presences.tell(visit.place, visit.did, news)

    def tell(self, place: Open, message: bytes, but: DocumentVisit | None = None) -> None:
        """Send a message to all clients of a document, or all but one."""
        for visit in tuple(self._visits.get(place, ())):
            if visit is not but:
                visit.send(message)

    def clause(self, seat: Seat) -> str:
        """Return why whoever has a seat may no longer sit there, or ''."""
        room = self.node.store.admission.authority.rooms.get(seat.room)
        if room is None or room.of(self.node.store.node, seat.did) is None:
            return "not_permitted"
        try:
            self._signer(self.node.agents.find(seat.did), seat)
        except FoedusError as error:
            return error.code
        return ""

    def is_shared(self, seat: Seat) -> bool:
        """Whether other nodes may write in the room."""
        return bool(set(self.node.store.admission.authority.rooms[seat.room].present()) - {self.node.store.node})

    # --- what came ---------------------------------------------------------------------------

    def _updated(self, stream: str, name: str, update: bytes) -> None:
        if (stream, name) in self._visits:
            self.tell((stream, name), brings(update))

    def _dropped(self, stream: str) -> None:
        if any(at[0] == stream for at in self._visits):
            task = asyncio.ensure_future(self._resync(stream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _resync(self, stream: str) -> None:
        """Fold a room anew; send its documents to their clients, and ask for what they have beyond it."""
        there = [visit for place, visits in self._visits.items() if place[0] == stream for visit in visits]
        try:
            for visit in there:
                await visit.begin()
        except FoedusError as error:
            for visit in there:
                visit.fail(error)

    def _published(self, published: Published) -> None:
        if self._visits and (published.kinds & _WATCHED or published.commit.verdicts):
            for visits in list(self._visits.values()):
                for visit in tuple(visits):
                    visit.check_seat()


def _bodies(name: str, update: bytes) -> list[bytes]:
    return [
        encode(to_plain(DocumentUpdate(document=name, part=part, parts=parts, update=data)))
        for part, parts, data in parts_of(update)
    ]
