"""Reading and editing a document of a room as any editor does: by y-websocket's protocol, with a Yjs document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pycrdt import Doc, Text

from foedus.base.errors import NotFound, Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.sdk.acts import Draft
from foedus.sdk.errors import NoDevice
from foedus.sdk.operation import API
from foedus.sdk.speaking import own, sign
from foedus.state.documents import messages
from foedus.state.documents.update import check, clocks

if TYPE_CHECKING:
    from foedus.sdk.client import Client
    from foedus.sdk.transport import Socket
    from foedus.values.documents import SessionAsk

ANSWER_S = 20.0
"""For the whole of a document to come, and for an edit to be durable."""
DEFAULT_FIELD = "text"


class NoSuchText(UsageError):
    """The text that is to be replaced does not stand in the document exactly once."""

    code = "no_such_text"
    http_status = 409
    remedy = "read the document again, and give a longer piece of it that stands there once"


class Visit:
    """One document, open. ``ours`` has our edits; ``theirs`` is what the node has told, so what is durable."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.ours: Doc[Any] = Doc()
        self._theirs: Doc[Any] = Doc()

    async def begin(self) -> None:
        """Fetch the document as the node has it."""
        await self._socket.send(messages.asks(self.ours.get_state()))
        while not await self._step():
            pass

    def field(self, wanted: str) -> str:
        """Return the name of a text in it: the wanted one, else its only one, else ``text``."""
        names = sorted(self.ours.keys())
        if wanted in names or (wanted and not names):
            return wanted
        if wanted:
            raise NotFound(f"the document has no text {wanted!r}", remedy=f"it has: {', '.join(names)[:400]}")
        if len(names) > 1 and DEFAULT_FIELD not in names:
            raise NotFound("the document has several texts", remedy=f"name one: {', '.join(names)[:400]}")
        return names[0] if len(names) == 1 else DEFAULT_FIELD

    def text(self, field: str) -> str:
        """Return a text."""
        return str(self.ours.get(field, type=Text))

    async def replace(self, field: str, find: str, replacement: str) -> None:
        """Replace what stands there once (nothing: append), and return when that is durable."""
        text = self.ours.get(field, type=Text)
        before = str(text)
        if find and before.count(find) != 1:
            raise NoSuchText(f"this stands in the document {before.count(find)} times")
        place = before.index(find) if find else len(before)
        start = len(before[:place].encode())
        known = self.ours.get_state()
        with self.ours.transaction():
            if find:
                del text[start : start + len(find.encode())]
            if replacement:
                text.insert(start, replacement)
        await self._socket.send(messages.brings(self.ours.get_update(known)))
        while not self._is_durable(field):
            await self._step()

    def _is_durable(self, field: str) -> bool:
        held, wanted = clocks(self._theirs.get_state()), clocks(self.ours.get_state())
        has_all = all(clock <= held.get(client, 0) for client, clock in wanted.items())
        return has_all and str(self._theirs.get(field, type=Text)) == self.text(field)

    async def _step(self) -> bool:
        """Take one message; return whether it is the node's answer to what we asked."""
        message = messages.read(await self._socket.receive())
        if isinstance(message, messages.Asks):
            await self._socket.send(messages.brings(self.ours.get_update(message.state_vector), is_answer=True))
        if not isinstance(message, messages.Brings):
            return False
        check(message.update)
        self._theirs.apply_update(message.update)
        self.ours.apply_update(message.update)
        return message.is_answer


@asynccontextmanager
async def visiting(client: Client, room: str, name: str) -> AsyncIterator[Visit]:
    """Open a document of a room for the time of a block, as whoever the client is; raise Unavailable after a while."""
    ticket = await _ticket(client, room, name)
    target = f"{API}/rooms/{quote(room, safe='')}/documents/{quote(name, safe='')}?ticket={quote(ticket, safe='')}"
    try:
        async with asyncio.timeout(ANSWER_S), client.transport.socket(target) as socket:
            visit = Visit(socket)
            await visit.begin()
            yield visit
    except TimeoutError:
        raise Unavailable("the document did not answer in time", code="too_slow", remedy="try again") from None


async def _ticket(client: Client, room: str, name: str) -> str:
    view = await client.documents.ticket(room, name)
    if view.session is not None:
        await _begin_session(client, view.session)
        view = await client.documents.ticket(room, name)
    return view.ticket


async def _begin_session(client: Client, asked: SessionAsk) -> None:
    """Let the node sign edits for our device, for a day: see docs/documents.md."""
    if client.device is None:
        raise NoDevice("only a device can begin this session")
    mine = await own(client)
    body = {
        "key": parse_id(asked.key),
        "room": parse_id(asked.room),
        "document": parse_id(asked.document),
        "until": asked.until,
    }
    draft = Draft(mine.who.did, f"participant:{mine.who.did}", "document.session", body, (mine.enrolment,))
    await client.participants.act(mine.who.did, await sign(client, mine.device, draft))
