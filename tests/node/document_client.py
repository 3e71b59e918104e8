"""A client of documents over a real WebSocket, by pycrdt: speaks y-websocket's protocol from the other side."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
from pycrdt import Doc, Text

from foedus.state.documents import messages
from tests.node.people import Draft


async def ticket(running, who, name="page", room="plans"):
    """Return a ticket for a custodial agent (DID) or a Person, whose device enrols a session key where it must."""
    did = who if isinstance(who, str) else who.did
    view = await running.service.document_ticket(room, name, did)
    if view.session is not None:
        await enrol_session(who, view.session)
        view = await running.service.document_ticket(room, name, did)
    return view.ticket


async def enrol_session(person, session, **changed):
    """Sign the session that a node asked for."""
    body = {
        "key": bytes.fromhex(session.key),
        "room": bytes.fromhex(session.room),
        "document": bytes.fromhex(session.document),
        "until": session.until,
        **changed,
    }
    act = person.sign(Draft(person.did, f"participant:{person.did}", "document.session", body, (person.enrolment,), ()))
    return await person.running.service.participant_act(person.did, act)


async def folded(running, stream):
    """Return the documents of a room as a node holds them, once it has taken in what it published."""
    room = await running.node.documents.room(stream)
    await running.node.documents.work(lambda: None)
    return room


class Editor:
    """A client with its own Yjs document."""

    def __init__(self, socket):
        self.socket = socket
        self.doc = Doc()
        self.doc["text"] = self.text = Text()
        self.seen = []
        self.presences = {}
        self._sending = []
        self._applying = False
        self._watch = self.doc.observe(self._changed)
        self.reading = asyncio.ensure_future(self._read())

    def __str__(self):
        return str(self.text)

    def _changed(self, event):
        if not self._applying:
            self._sending.append(asyncio.ensure_future(self.send(messages.brings(event.update))))

    async def send(self, data):
        await self.socket.send_bytes(data)

    async def edit(self, place, text):
        self.text.insert(min(place, len(str(self.text).encode())), text)
        await asyncio.gather(*self._sending)
        self._sending.clear()

    async def _read(self):
        await self.send(messages.asks(self.doc.get_state()))
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await self._handle(messages.read(message.data))

    async def _handle(self, message):
        self.seen.append(message)
        if isinstance(message, messages.Asks):
            await self.send(messages.brings(self.doc.get_update(message.state_vector), is_answer=True))
        elif isinstance(message, messages.Brings):
            self._applying = True
            self.doc.apply_update(message.update)
            self._applying = False
        elif isinstance(message, messages.Shows):
            self.presences.update({it.client: it.state for it in message.presences})


@asynccontextmanager
async def editing(running, who, name="page", room="plans"):
    """Open a document as somebody."""
    word = await ticket(running, who, name, room)
    url = f"{running.url.replace('http', 'ws', 1)}/api/v1/rooms/{room}/documents/{name}?ticket={word}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        editor = Editor(socket)
        try:
            yield editor
        finally:
            editor.reading.cancel()
            await asyncio.gather(editor.reading, return_exceptions=True)
