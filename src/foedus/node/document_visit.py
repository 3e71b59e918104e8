"""One client of one document: y-websocket's protocol over a WebSocket. What it sends harms nobody but itself."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.log import streams
from foedus.node.document_tickets import Seat
from foedus.node.ports import ByteStream
from foedus.state.documents import messages
from foedus.state.documents.document import Document
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.fold import RoomDocuments
from foedus.state.documents.limits import DOCUMENT_BYTES_MAX
from foedus.state.documents.presences import Presences
from foedus.state.documents.replica import ReplicasLost
from foedus.state.documents.update import EMPTY, check

if TYPE_CHECKING:
    from foedus.node.document_desk import DocumentDesk

_T = TypeVar("_T")
log = logging.getLogger("foedus.documents")

IN_BYTES_MAX = 1_048_576
"""Bytes of updates that wait to become durable; beyond it the client is not read."""
CHECKED_HERE_MAX = 65_536
"""Bytes of an update that are checked at once: 20 ms at most. A larger one is checked in a thread."""
BATCH_BYTES_MAX = 32_768
"""Bytes of updates that are joined to one act. While one act is being written the next ones gather."""
OUT_BYTES_MAX = 2 * DOCUMENT_BYTES_MAX
"""Bytes that wait for a client to read: the largest document, and what comes meanwhile. Beyond it the client goes."""
_NORMAL, _REFUSED, _SLOW = 1000, 4403, 4408
_BAD, _LOST = 4400, 1011
_NOTHING = b"\x00"
"""The state vector of a document in which nothing was written."""


class DocumentVisit:
    """Serves one client for the time of its connection."""

    def __init__(self, desk: DocumentDesk, seat: Seat) -> None:
        self.did = seat.did
        self.place = (streams.room(seat.room), seat.name)
        self._desk = desk
        self._seat = seat
        self._in: deque[bytes] = deque()
        self._in_bytes = 0
        self._asked = 0
        """Answers that the client still owes: to see whether one brings anything costs as much as the document."""
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._came = asyncio.Event()
        self._wrote = asyncio.Event()
        self._to_send = asyncio.Event()
        self._ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def run(self, stream: ByteStream) -> tuple[int, str]:
        """Serve a client until it leaves, errs or may no longer edit; return the close code and reason."""
        node = self._desk.node
        try:
            if node.agents.find(self.did).kind == "agent" and self._desk.is_shared(self._seat):
                await node.consent.note_read(self.did)
        except FoedusError as error:
            return _LOST if isinstance(error, Unavailable) else _REFUSED, error.code
        holder = self._seat.holder
        dead = node.access.tokens.watch(holder) if holder is not None else asyncio.Event()
        presences = self._desk.enter(self)
        self.check_seat()  # since the ticket was given
        if dead.is_set():
            self.end(_REFUSED, "unauthorized")
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._read(stream, presences), self._write(stream), self._order(), self._until(dead))
        ]
        try:
            return await self._ended
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if gone := presences.leave(self):
                self._desk.show(self, gone)
            self._desk.leave(self)
            if holder is not None:
                node.access.tokens.unwatch(holder, dead)

    def end(self, code: int, reason: str) -> None:
        """End the connection."""
        if not self._ended.done():
            self._ended.set_result((code, reason))

    def fail(self, error: Exception) -> None:
        """End the connection for what went wrong."""
        if isinstance(error, UsageError):
            self.end(_BAD, error.code)
            return
        if not isinstance(error, FoedusError):
            log.error("a client of a document failed", exc_info=error)
        self.end(_LOST, error.code if isinstance(error, FoedusError) else "internal")

    def check_seat(self) -> None:
        """End it where its participant is no longer in the room, or the session is over: its device was revoked."""
        if clause := self._desk.clause(self._seat):
            self.end(_REFUSED, clause)

    async def _until(self, dead: asyncio.Event) -> None:
        await dead.wait()
        self.end(_REFUSED, "unauthorized")

    # --- out ---------------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Queue a message for the client; end it where it does not read."""
        self._out.append(message)
        self._out_bytes += len(message)
        if self._out_bytes > OUT_BYTES_MAX:
            self.end(_SLOW, "too_slow")
        self._to_send.set()

    async def begin(self) -> None:
        """Send what the document is and ask for what the client has beyond it."""
        whole = await self._of_document(lambda held: held.whole() if held is not None else EMPTY)
        self.send(messages.brings(whole, is_answer=True))
        await self._ask()

    async def _ask(self) -> None:
        has = await self._of_document(lambda held: held.state_vector() if held is not None else _NOTHING)
        self._asked += 1
        self.send(messages.asks(has))

    async def _write(self, stream: ByteStream) -> None:
        with suppress(ConnectionResetError):
            while True:
                while self._out:
                    message = self._out.popleft()
                    await stream.send(message)
                    self._out_bytes -= len(message)
                self._to_send.clear()
                await self._to_send.wait()
        self.end(_NORMAL, "")

    # --- in ----------------------------------------------------------------------------------

    async def _read(self, stream: ByteStream, presences: Presences) -> None:
        try:
            await self._ask()
            if there := presences.all():
                self.send(messages.shows(there))
            while (data := await stream.receive()) is not None:
                await self._handle(messages.read(data), presences)
            self.end(_NORMAL, "")
        except Exception as error:  # noqa: BLE001  # whatever it is, this client is told, and ends alone
            self.fail(error)

    async def _room(self) -> RoomDocuments:
        return await self._desk.node.documents.room(self.place[0])

    async def _of_document(self, ask: Callable[[Document | None], _T]) -> _T:
        """Return what the document answers; where what held it ends just then, what it answers after that."""
        try:
            return await self._asked_of(await self._room(), ask)
        except ReplicasLost:
            return await self._asked_of(await self._room(), ask)

    async def _asked_of(self, room: RoomDocuments, ask: Callable[[Document | None], _T]) -> _T:
        # it is looked up by then, too: what is taken in before may be what makes it
        return await self._desk.node.documents.work(lambda: ask(room.documents.get(self.place[1])))

    async def _handle(self, message: messages.Message, presences: Presences) -> None:
        match message:
            case messages.Asks(state_vector):
                beyond = await self._of_document(lambda held: held.beyond(state_vector) if held is not None else EMPTY)
                self.send(messages.brings(beyond, is_answer=True))
            case messages.Brings(update, is_answer):
                await self._take(update, is_answer=is_answer)
            case messages.Shows(told):
                if news := presences.take(self, told):
                    self._desk.show(self, news)
            case messages.AsksWhoIsThere():
                self.send(messages.shows(presences.all()))

    async def _take(self, update: bytes, *, is_answer: bool) -> None:
        """Let an update wait to be ordered; who brings too much at a time waits, too."""
        is_small = len(update) <= CHECKED_HERE_MAX
        ends = check(update) if is_small else await asyncio.to_thread(check, update)
        is_answer = is_answer and self._asked > 0
        if is_answer:
            self._asked -= 1
            await self._below(1)  # an answer repeats what the client has just sent
        if update == EMPTY or (
            is_answer and await self._of_document(lambda held: held is not None and held.has(update, ends))
        ):
            return
        size = self._in_bytes + len(update)
        if await self._is_full(size):
            raise BadUpdate("the document is as large as this node takes", code="too_large")
        self._in.append(update)
        self._in_bytes += len(update)
        self._came.set()
        await self._below(IN_BYTES_MAX)

    async def _is_full(self, more: int) -> bool:
        held = (await self._room()).documents.get(self.place[1])
        if held is None or not held.may_be_full(more):
            return False
        return await self._of_document(lambda held: held is not None and held.is_full(more))

    async def _below(self, size: int) -> None:
        """Wait until fewer bytes than this wait to become durable."""
        while self._in_bytes >= size:
            self._wrote.clear()
            await self._wrote.wait()

    async def _order(self) -> None:
        """Make durable what came: at once, and what comes meanwhile together."""
        try:
            while True:
                await self._came.wait()
                self._came.clear()
                while self._in:
                    updates = self._batch()
                    await self._desk.order(self._seat, await self._merged(updates))
                    self._in_bytes -= sum(map(len, updates))
                    self._wrote.set()
        except FoedusError as error:
            self.end(_LOST if isinstance(error, Unavailable) else _REFUSED, error.code)
        except Exception as error:  # noqa: BLE001  # as above
            self.fail(error)

    async def _merged(self, updates: list[bytes]) -> bytes:
        if len(updates) == 1:
            return updates[0]
        merged = self._desk.node.documents.replicas.merged
        return await self._of_document(lambda _held: merged(updates))

    def _batch(self) -> list[bytes]:
        updates = [self._in.popleft()]
        size = len(updates[0])
        while self._in and size + len(self._in[0]) <= BATCH_BYTES_MAX:
            updates.append(self._in.popleft())
            size += len(updates[-1])
        return updates
