"""Who is in which document now, here and at other nodes: cursors and names travel as signed words that nobody keeps.

A node tells them of its own participants, to nodes with a member in the room; the room's host passes them on to those
that are not linked. A client id belongs to whoever brought it first (here a connection, elsewhere a participant) until
they leave, their link is gone, or they were silent for SILENCE_S.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from foedus.base.cbor import Malformed
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import MINUTE
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.log import streams
from foedus.log.memberships import Room
from foedus.node.audience import Audience
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.presence_rights import PresenceRights
from foedus.node.store import Store
from foedus.state.documents.messages import GONE, Presence
from foedus.state.documents.presences import Presences
from foedus.state.documents.statement import Shown, Statement, pages, read, write
from foedus.sync.frames.members import Presences as PresencesFrame
from foedus.sync.pace import TokenBucket

CAPABILITY = "presences"
SILENCE_S = 45.0
"""y-websocket's clients say every 15 s that they are still there; after three times of silence they are not."""
GATHER_S = 0.05
"""Changes of this time go together, so that one document costs 20 frames a second and link at most."""
FRAMES_PER_S = 50
FRAMES_BURST = 200
"""What one link may bring of them; what comes beyond is dropped, and the next says it again."""
PLACES_MAX = 1_024
"""Documents in which somebody of another node is: beyond, those of others are not shown."""
GUESTS_MAX = 1_024
"""Participants of other nodes in documents here: 64 MB at the very most."""
_SPREAD = MINUTE
"""How far the clock of who tells may differ from ours."""

Place = tuple[str, str]
"""(stream of the room, name of the document)"""


class _Guest(NamedTuple):
    """Somebody at another node: the link that they are told of by, and when we heard of them last (loop's time)."""

    via: bytes
    heard_at: float


class PresenceBook:
    """One per node, on the event loop's thread. ``on_news``: what the clients of a document here are to be told."""

    def __init__(self, store: Store, links: Links, audience: Audience, rights: PresenceRights) -> None:
        self.on_news: Callable[[Place, tuple[Presence, ...]], None] = lambda _place, _news: None
        self.is_open: Callable[[Place], bool] = lambda _place: False
        """Whether a client here has a document open."""
        self.door: Callable[[bytes, str, Instant], str] = lambda _origin, _stream, _at: ""
        self._store = store
        self._links = links
        self._audience = audience
        self._rights = rights
        self._places: dict[Place, Presences] = {}
        self._own: dict[Place, dict[int, Shown]] = {}
        """What clients here show now."""
        self._due: dict[Place, dict[int, Shown]] = {}
        self._spoke: dict[tuple[str, str], bytes] = {}
        """(stream, DID) → the last act there of a participant of this node."""
        self._guests: dict[tuple[Place, Hashable], _Guest] = {}
        self._told_at: dict[tuple[bytes, Place], Instant] = {}
        """(node, document) → ``at`` of its newest statement."""
        self._said_at: Instant = 0
        self._pace: dict[bytes, TokenBucket] = {}
        self._timer: asyncio.TimerHandle | None = None

    def at(self, place: Place) -> Presences:
        """Return who is in a document, as far as it is known here."""
        return self._places.setdefault(place, Presences())

    def left(self, place: Place) -> None:
        """Let go of a document that nobody here has open any more, where nobody is in it."""
        if place in self._places and not self.is_open(place) and not self._places[place].all():
            del self._places[place]

    def spoke(self, stream: str, did: str, event: bytes) -> None:
        """Remember an act of a participant of this node in a room: by it they may be shown at others."""
        self._spoke.pop((stream, did), None)
        self._spoke[stream, did] = event
        while len(self._spoke) > GUESTS_MAX:
            del self._spoke[next(iter(self._spoke))]

    # --- out ---------------------------------------------------------------------------------

    def tell(self, place: Place, did: str, news: Sequence[Presence]) -> None:
        """Tell other nodes what a client here shows, a moment later."""
        if place not in self._due:
            asyncio.get_running_loop().call_later(GATHER_S, self._flush, place)
        own, due = self._own.setdefault(place, {}), self._due.setdefault(place, {})
        for client, clock, state in news:
            due[client] = Shown(client, clock, state, did, self._spoke.get((place[0], did)))
            if state == GONE:
                own.pop(client, None)
            else:
                own[client] = due[client]
        if not own:
            del self._own[place]

    def _flush(self, place: Place) -> None:
        due = self._due.pop(place, {})
        self._send(place, list(due.values()), self._hearers(place[0], self._store.node))

    def _send(self, place: Place, shown: Sequence[Shown], links: Sequence[Link]) -> None:
        room = self._room(place[0])
        if room is None or not links:
            return
        allowed = [each for each in shown if self._rights.may_show(room, self._store.node, each)]
        for page in pages(allowed):
            self._said_at = max(self._store.now(), self._said_at + 1)
            statement = Statement(self._said_at, self._store.epoch, room.id, place[1], page)
            data = write(statement)
            frame = PresencesFrame(data, self._store.keys.ed25519.sign(signed_bytes("presence", data)))
            for link in links:
                link.when_there_is_room(lambda link=link, frame=frame: link.control(frame))  # type: ignore[misc]

    def _hearers(self, stream: str, origin: bytes) -> list[Link]:
        return [
            link
            for link in self._links.open()
            if CAPABILITY in link.peer.capabilities
            and link.node != origin
            and self._audience.may_hear(link.node, origin, stream)
        ]

    def _room(self, stream: str) -> Room | None:
        return self._store.admission.authority.rooms.get(streams.room_of(stream) or b"")

    # --- links -------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Tell a peer that came who is here."""
        self._pace[link.node] = TokenBucket(FRAMES_PER_S, FRAMES_BURST)
        for place, own in list(self._own.items()):
            if link in self._hearers(place[0], self._store.node):
                self._send(place, list(own.values()), [link])

    def ended(self, link: Link) -> None:
        """Forget those whom a peer that went told of."""
        self._pace.pop(link.node, None)
        self._go([key for key, guest in self._guests.items() if guest.via == link.node])

    # --- in ----------------------------------------------------------------------------------

    def frame(self, link: Link, frame: PresencesFrame) -> None:
        """Take a statement; close the link where it is none."""
        bucket = self._pace.get(link.node)
        if bucket is None or not bucket.take(self._store.now()):
            self._links.ingest.refusals["too_many_presences"] += 1
            return
        try:
            statement = read(frame.statement)
            node = self._signer(statement, frame)
        except PeerViolation as error:
            link.close(error.code, str(error))
            return
        if node is not None and self._is_for_us(link, node, statement) and self._take(link, node, statement):
            self._pass_on(link, node, statement, frame)

    def _signer(self, statement: Statement, frame: PresencesFrame) -> bytes | None:
        """Return whose statement it is; None where its epoch is unknown here, or no more in force."""
        node = self._store.identities.node_of(statement.epoch)
        newest = self._store.identities.newest(node) if node is not None else None
        if newest is None or newest.id != statement.epoch or node == self._store.node:
            return None
        message = signed_bytes("presence", frame.statement)
        if not ed25519.verify(newest.record.keys.ed25519, message, frame.sig):
            raise Malformed("who says who is there did not sign it", code="invalid_signature")
        return node

    def _is_for_us(self, link: Link, node: bytes, statement: Statement) -> bool:
        """Whether it is new, and may come this way: from its node itself, or by the host of the room."""
        stream = streams.room(statement.room)
        room, now, place = self._room(stream), self._store.now(), (stream, statement.document)
        is_new = statement.at > self._told_at.get((node, place), 0) and abs(statement.at - now) <= _SPREAD
        if room is None or not is_new or link.node not in {node, room.host}:
            return False
        if self._audience.may_carry(link.node, stream) or self.door(node, stream, now):
            return False
        self._told_at.pop((node, place), None)
        self._told_at[node, place] = statement.at
        while len(self._told_at) > GUESTS_MAX:
            del self._told_at[next(iter(self._told_at))]
        return True

    def _take(self, link: Link, node: bytes, statement: Statement) -> bool:
        """Show who may be shown; return whether anybody may."""
        place = (streams.room(statement.room), statement.document)
        room = self._room(place[0])
        if room is None or (place not in self._places and len(self._places) >= PLACES_MAX):
            return False
        news: list[Presence] = []
        allowed = [each for each in statement.shown if self._rights.may_show(room, node, each)]
        for each in allowed:
            news += self._show(place, link.node, (node, each.did), each.presence)
        if news:
            self.on_news(place, tuple(news))
        self.left(place)
        self._watch()
        return bool(allowed)

    def _show(self, place: Place, via: bytes, owner: Hashable, presence: Presence) -> tuple[Presence, ...]:
        key = (place, owner)
        if key not in self._guests and (presence.state == GONE or len(self._guests) >= GUESTS_MAX):
            return ()
        self._guests[key] = _Guest(via, asyncio.get_running_loop().time())
        return self.at(place).take(owner, (presence,))

    def _pass_on(self, link: Link, node: bytes, statement: Statement, frame: PresencesFrame) -> None:
        """Pass on what a node says itself in a room of ours, to members that are not linked with it."""
        stream = streams.room(statement.room)
        room = self._room(stream)
        if link.node == node and room is not None and room.host == self._store.node:
            for other in self._hearers(stream, node):
                other.when_there_is_room(lambda other=other: other.control(frame))  # type: ignore[misc]

    # --- going -------------------------------------------------------------------------------

    def _go(self, keys: Sequence[tuple[Place, Hashable]]) -> None:
        for place, owner in keys:
            self._guests.pop((place, owner), None)
            if gone := self.at(place).leave(owner):
                self.on_news(place, gone)
            self.left(place)

    def _watch(self) -> None:
        if self._guests and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SILENCE_S / 3, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        before = asyncio.get_running_loop().time() - SILENCE_S
        self._go([key for key, guest in self._guests.items() if guest.heard_at < before])
        self._watch()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
