"""Which way questions and calls go to a peer: its link, else the exchanges by HTTP, where there are any.

An exchange is one request and its answer, each with a parcel (``sync.parcels``). What a parcel brings goes the same way
as what a link brings: to the same judges, counted by the same rates, and written down by the same audit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from foedus.adapters.federation_client import Query as HttpQuery
from foedus.adapters.federation_client import Refused
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, UsageError
from foedus.base.limits import KEEPALIVE_TIMEOUT, SECOND
from foedus.identity.record import parse_signed_record
from foedus.node.fallback_doors import ROOT, PeerDoors
from foedus.node.federation_values import PARCEL_TYPE
from foedus.node.http_line import HttpLine, Line
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import Records
from foedus.sync.frames.questions import Answered, Cancel, Query, Results
from foedus.sync.parcels import CARRIED, Parcel, TalkBroken, decode_parcel, encode_parcel, read_frames
from foedus.trust.peer import State

if TYPE_CHECKING:
    from foedus.node.composition import Node

HOLD_MAX_S = 20
"""How long an exchange is held open: proxies cut what is silent for 30 to 60 s, and a request lasts 30 s."""
TALK_EVERY = SECOND
"""Between two talks that one peer begins: with each it is told again how its calls ended."""
_OWN_MISTAKES = frozenset({400, 409, 413})
"""Answers after which saying the same again would not help."""


class TooManyExchanges(UsageError):
    """The peer brings the next parcel before its last one was taken, or begins one talk after the other."""

    code = "rate_limited"
    http_status = 429
    remedy = "send one parcel after the other"


class Lines:
    """Every way to a peer. ``on_opened`` and ``on_ended`` tell of those by HTTP."""

    def __init__(self, node: Node) -> None:
        self.on_opened: Callable[[Line], None] = lambda _line: None
        self.on_ended: Callable[[Line], None] = lambda _line: None
        self._node = node
        self._http: dict[bytes, HttpLine] = {}
        self._last_name: Instant = 0
        self._begun: dict[bytes, Instant] = {}
        """When peers last began a talk."""

    def get(self, peer: bytes) -> Line | None:
        """Return the link with a peer, else its line by HTTP, if it is open."""
        if self.is_linked(peer):
            return self._node.links.get(peer)
        line = self._http.get(peer)
        return line if line is not None and line.is_open else None

    def is_linked(self, peer: bytes) -> bool:
        """Tell whether a link with a peer is open."""
        link = self._node.links.get(peer)
        return link is not None and link.session.is_open

    def http(self, peer: bytes) -> HttpLine:
        """Return the line by HTTP with a peer, which may have to be opened yet."""
        line = self._http.get(peer)
        if line is None:
            self._last_name = max(self._node.store.now(), self._last_name + 1)
            line = self._http[peer] = HttpLine(peer, self._last_name, self.end)
            line.last_heard = self._node.store.now()
        return line

    def end(self, line: HttpLine) -> None:
        """End a line: what was asked over it is lost."""
        if self._http.get(line.node) is not line:
            return
        del self._http[line.node]
        line.over()
        if line.is_open:
            self.on_ended(line)

    def linked(self, peer: bytes) -> None:
        """Leave HTTP alone: a link opened."""
        if (line := self._http.get(peer)) is not None:
            self.end(line)

    def look(self) -> None:
        """End the lines of peers that are silent, or connected no more."""
        since = self._node.store.now() - KEEPALIVE_TIMEOUT
        for line in list(self._http.values()):
            is_connected = self._node.peers.book.peer(line.node).state is State.CONNECTED
            if not is_connected or line.last_heard < since:
                self.end(line)

    # --- what the peer brings ----------------------------------------------------------------

    async def receive(self, peer: bytes, parcel: Parcel) -> HttpLine:
        """Take what a peer brought in a request, and return the line of its talk.

        Raises TalkBroken, TooManyExchanges, or what reading it finds; then the line is ended.
        """
        if self.is_linked(peer):
            raise TalkBroken("there is a link")
        line = self.http(peer)
        if line.talk.theirs is None or parcel.talk > line.talk.theirs:
            self._count_talk(peer)
            if line.talk.theirs is not None:  # it began anew, and knows nothing of ours
                self.end(line)
                line = self.http(peer)
        if parcel.frames and line.taking.locked():
            raise TooManyExchanges("the last parcel is being taken")
        try:
            await self._take(line, parcel)
        except TalkBroken:
            raise
        except FoedusError:
            self.end(line)
            raise
        return line

    def _count_talk(self, peer: bytes) -> None:
        now = self._node.store.now()
        self._begun = {each: at for each, at in self._begun.items() if at > now - TALK_EVERY}
        if peer in self._begun:
            raise TooManyExchanges("a talk was begun a moment ago")
        self._begun[peer] = now

    def answer(self, line: HttpLine) -> bytes:
        """Return what goes back in the answer to a request; raise TalkBroken where the line ended meanwhile."""
        if self._http.get(line.node) is not line:
            raise TalkBroken("the talk has ended")
        return encode_parcel(line.talk.parcel())

    async def exchange(self, line: HttpLine, doors: PeerDoors, hold_s: int = 0) -> int:
        """Bring a peer what it has not heard, or wait ``hold_s`` for what it says; return how many frames came.

        Raises what the doors raise; the line is ended where the other side means no talk with us, or a wrong one.
        """
        parameters = {"hold": str(hold_s)} if hold_s else {}
        body = encode_parcel(line.talk.parcel(is_full=not hold_s))
        try:
            answer = await doors.call(HttpQuery("POST", f"{ROOT}/frames", parameters, body, PARCEL_TYPE))
        except Refused as error:
            if error.http_status in _OWN_MISTAKES:
                self.end(line)
            raise
        if self._http.get(line.node) is not line or self.is_linked(line.node):
            return 0
        try:
            return await self._take(line, decode_parcel(answer.body))
        except FoedusError:
            self.end(line)
            raise

    async def _take(self, line: HttpLine, parcel: Parcel) -> int:
        """Take a parcel of the other side; return how many frames were new."""
        frames = line.talk.hear(parcel, read_frames(parcel))
        line.last_heard = self._node.peers.last_seen[line.node] = self._node.store.now()
        line.go_on()
        if not line.is_open:
            line.is_open = True
            self.on_opened(line)
        async with line.taking:
            for frame in frames:
                await self._give(line, frame)
        return len(frames)

    async def _give(self, line: HttpLine, frame: Frame) -> None:
        match frame:
            case Records(records=records):
                await self._node.records.learn([parse_signed_record(record) for record in records], carrier=line.node)
            case Query() | Results() | Answered() | Cancel():
                self._node.links.on_query(line, frame)
            case _ if isinstance(frame, CARRIED):
                self._node.links.on_call(line, frame)
