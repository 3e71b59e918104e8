"""Documents in a simulation: clients type, and in the end all replicas are equal, and hold each character once.

A client is what a browser with y-websocket is: it keeps its own Yjs document, connects again when its line breaks, and
goes on typing meanwhile. Each character is written once in a whole simulation, so that it can be asked for by itself.
"""

import asyncio
import weakref
from contextlib import suppress

from pycrdt import Doc, Text

from foedus.base.cbor import decode_as
from foedus.log import streams
from foedus.log.documents import DocumentUpdate, DocumentUpload
from foedus.log.event import parse_event
from foedus.log.port import Verdict
from foedus.state.documents import messages
from foedus.state.documents.fold import UPDATE, UPLOAD
from foedus.state.documents.replica import merged
from foedus.state.documents.update import clocks
from tests.node.document_client import enrol_session
from tests.simulation.checks import rooms_of
from tests.simulation.line import Line

_NAMES = ("page", "list")
_FIRST = 0x4E00
_WIDTH = 3
"""Bytes of each character that is typed, in UTF-8: places in a text are counted in bytes."""
_EDITORS_MAX = 12
_FILLER = "x"
_LARGE = 60_000 * _FILLER
"""What one act cannot hold."""
_BAD, _REFUSED = 4400, 4403
_REFUSALS_MAX = 8
_IN_SYNC_S = 5.0


class Editor:
    """One client of one document."""

    def __init__(self, editing, place, person, did, where):
        self._editing = editing
        self.place = place
        self.person = person
        """Whether a human's device signs its sessions; else it is an agent in the node's custody."""
        self.did = did
        self.room, self.name = where
        self.doc = Doc(client_id=editing.next_client())
        self.doc["text"] = self.text = Text()
        itself = weakref.ref(self)  # what yrs holds no collector sees: one reference would keep the whole world
        self._watch = self.doc.observe(lambda event: itself()._changed(event))
        self._server = Doc()
        self._server["text"] = self._shown = Text()
        self._line = None
        self._is_hearing = False
        self._refusals = 0
        self._since = 0.0
        self.is_over = False

    def __str__(self):
        return f"client {self.doc.client_id} at {self.place} of {self.name} in {self.room[:8]}"

    @property
    def is_connected(self):
        """Whether it has been connected for long enough to be in sync, or to be refused."""
        return self._line is not None and self._editing.scenario.now > self._since + _IN_SYNC_S

    # --- typing ----------------------------------------------------------------------------------

    def type(self):
        draw, length = self._editing.draw, len(str(self.text))
        if length > 2 and draw.random() < 0.25:
            start = draw.randrange(length)
            end = min(length, start + draw.randint(1, 3))
            self._editing.model.deleted.update(str(self.text)[start:end])
            width = [len(it.encode()) for it in str(self.text)]
            del self.text[sum(width[:start]) : sum(width[:end])]
        else:
            more = self._editing.model.characters(draw.randint(1, 4), (self.room, self.name))
            self.text.insert(self._at(draw.randint(0, length)), more)

    def paste(self):
        """Bring more than fits one act."""
        self.text.insert(0, _LARGE)

    def _at(self, place):
        return len(str(self.text)[:place].encode())

    def _changed(self, event):
        if not self._is_hearing and self._line is not None:
            self._line.say(messages.brings(event.update))

    # --- the connection --------------------------------------------------------------------------

    async def live(self):
        """Connect, and again when it breaks, until this client ends or may not edit any more."""
        while not self.is_over and not self._editing.scenario.is_over:
            await self._visit()
            await asyncio.sleep(0.5 + 3.0 * self._editing.draw.random())

    async def _visit(self):
        scenario = self._editing.scenario
        ticket = await scenario.do(self.place, self._ticket)
        if ticket is None or not self.place.up or self.is_over:
            self._refused()
            return
        life = self.place.life
        line = self._line = Line(scenario.world.network)
        visit = life.service.document_visit(self.room, self.name, ticket)
        life.lines[line] = None
        self._since = scenario.now
        serving = life.spawn(visit.run(line))
        serving.add_done_callback(lambda _: line.end())
        line.say(messages.asks(self.doc.get_state()))
        while (data := await line.hear()) is not None:
            self._hear(messages.read(data))
        self._line = None
        life.lines.pop(line, None)
        with suppress(asyncio.CancelledError):
            code, reason = await serving
            scenario.world.trace(f"{self} ends with {code} {reason}")
            if code == _BAD:
                scenario.world.failed(f"{self} was told that what it sent is {reason}")
            if code == _REFUSED:
                self._refused()

    def _refused(self):
        """Give up where it may not edit any more; while everything goes wrong that may be for a moment."""
        self._refusals += not self._editing.scenario.is_busy
        self.is_over = self.is_over or self._refusals == _REFUSALS_MAX

    async def _ticket(self, service):
        view = await service.document_ticket(self.room, self.name, self.did)
        if view.session is not None and self.person:
            await enrol_session(self._editing.scenario.human(self.place), view.session)
            view = await service.document_ticket(self.room, self.name, self.did)
        return view.ticket or None

    def hang_up(self):
        """Break the line; what is on its way is lost."""
        if self._line is not None:
            self._line.end()

    def _hear(self, message):
        match message:
            case messages.Asks(state_vector):
                self._line.say(messages.brings(self.doc.get_update(state_vector), is_answer=True))
            case messages.Brings(update):
                self._is_hearing = True
                self.doc.apply_update(update)
                self._is_hearing = False
                before = set(str(self._shown))
                self._server.apply_update(update)
                self._editing.model.saw(self, before, set(str(self._shown)))


class Model:
    """What was typed, what the nodes said is durable, and what was taken out."""

    def __init__(self):
        self.typed = {}
        """Character → (room, document)."""
        self.deleted = set()
        """By any client, whether its node ever heard of it or not."""
        self.durable = {}
        """Character → (room, document, place that said so)."""
        self.gone = set()
        """(character, place): shown by the node there no more, after it had been."""

    def characters(self, number, where):
        """Return characters that nobody typed before."""
        new = [chr(_FIRST + len(self.typed) + each) for each in range(number)]
        self.typed.update(dict.fromkeys(new, where))
        return "".join(new)

    def saw(self, editor, before, now):
        """Take what a node has just shown a client."""
        before, now = before - {_FILLER}, now - {_FILLER}
        for character in now - before - self.durable.keys():
            self.durable[character] = (editor.room, editor.name, editor.place)
        self.gone |= {(character, editor.place) for character in before - now}


class Editing:
    """What the people and agents of a scenario type."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.draw = scenario.draw
        self.model = Model()
        self.editors = []
        self._tasks = set()
        self._clients = 0

    def next_client(self):
        self._clients += 1
        return self._clients

    async def edit(self):
        """Somebody types, in a document that is open or in another one; now and then a client ends or breaks off."""
        editors = [it for it in self.editors if not it.is_over]
        if not editors or (len(editors) < _EDITORS_MAX and self.draw.random() < 0.3):
            await self._open()
            return
        editor = self.draw.choice(editors)
        chance = self.draw.random()
        if chance < 0.05:
            self.scenario.world.trace(f"{editor} ends")
            editor.is_over = True
            editor.hang_up()
        elif chance < 0.15:
            editor.hang_up()
        elif chance < 0.16:
            editor.paste()
        else:
            editor.type()

    async def _open(self):
        scenario = self.scenario
        here = [(place, room) for place in scenario.world.places if place.up for room in scenario._rooms_of(place)]
        if not here:
            return
        place, room = self.draw.choice(here)
        is_person = self.draw.random() < 0.5
        did = await self._person(place) if is_person else await self._agent(place)
        if did and place.up:
            editor = Editor(self, place, is_person, did, (room, self.draw.choice(_NAMES)))
            scenario.world.trace(f"{editor} begins")
            editor.type()
            self.editors.append(editor)
            task = scenario.world.loop.create_task(editor.live())
            self._tasks.add(task)

    async def _person(self, place):
        person = await self.scenario.enrolled_human(place)
        return person.did if person is not None else ""

    async def _agent(self, place):
        name = f"agent of {place}"
        if not any(who.name == name for who in place.life.node.agents.local()):
            await self.scenario.trusted_agent(place, name)
        found = [who.did for who in place.life.node.agents.local() if who.name == name] if place.up else []
        return found[0] if found else ""

    @property
    def is_settled(self):
        """Whether each client is connected, or has ended."""
        return all(it.is_connected or it.is_over for it in self.editors)


async def check(editing):
    """Report replicas that differ: from each other, from their own log, from their clients, from what was typed."""
    world, compared = editing.scenario.world, 0
    for room, members in rooms_of(world).items():
        stream = streams.room(room)
        folds = {place: await _checked(world, place, stream) for place in members}
        for name in sorted({name for fold in folds.values() for name in fold.documents}):
            held = {place: fold.documents[name] for place, fold in folds.items() if name in fold.documents}
            compared += len(held)
            _check_equal(world, members, held, f"{name} in {stream[:14]}")
            _check_clients(editing, held, (room.hex(), name))
            for place, document in held.items():
                _check_characters(editing, place, document, (room.hex(), name))
    world.trace(f"{compared} replicas of documents are equal")


def canonical(update):
    """Return what an update makes as it is written by who reads it for the first time."""
    doc = Doc()
    doc.apply_update(update)
    return doc.get_update(), clocks(doc.get_state())


def _check_equal(world, members, held, what):
    first, *others = [(place, canonical(document.whole())) for place, document in held.items()]
    for place in members:
        if place not in held:
            world.failed(f"{place} lacks the document {what}")
    for place, found in others:
        if found != first[1]:
            world.failed(f"{first[0]} and {place} differ in the document {what}")


def _check_clients(editing, held, where):
    for editor in editing.editors:
        document = held.get(editor.place)
        if (editor.room, editor.name) != where or not editor.is_connected or document is None:
            continue
        if canonical(editor.doc.get_update()) != canonical(document.whole()):
            editing.scenario.world.failed(f"{editor} shows another text than its node holds")


def _check_characters(editing, place, document, where):
    world, model = editing.scenario.world, editing.model
    doc = Doc()
    doc.apply_update(document.whole())
    doc["text"] = text = Text()
    there = str(text).replace(_FILLER, "")
    if len(set(there)) != len(there) or any(model.typed.get(it) != where for it in there):
        world.failed(f"{place} shows characters twice, or some that nobody typed there, in {where[1]}")
    whole = {source for source in rooms_of(world)[bytes.fromhex(where[0])] if _all_count(source, where[0])}
    if place not in whole:
        return
    if set(there) & {character for character, source in model.gone if source in whole and not source.is_doubtful}:
        world.failed(f"{place} shows characters again that were deleted in {where[1]}")
    for character, (room, name, source) in model.durable.items():
        is_due = (room, name) == where and character not in model.deleted
        is_due = is_due and source in whole and not source.is_doubtful
        if is_due and character not in there:
            world.failed(f"{place} lost a character of {name} that {source} had said is durable")
            return


def _all_count(place, room):
    """Whether each update of a room counts at a place, and none was forgotten with a backup."""
    node = place.life.node
    for row in place.life.disk.log.since(0, 1 << 30, f"room:{room}"):
        if row.kind in {UPDATE, UPLOAD} and not _counts(node, row):
            return False
    return True


def _counts(node, row):
    event = parse_event(row.envelope).event
    writer = node.store.identities.node_of(row.epoch)
    is_here = row.verdict is Verdict.ACCEPTED and row.envelope.body is not None
    return is_here and not node.withholding.clause(row, event, writer)


async def _checked(world, place, stream):
    """Return what a node holds of a room, folded from its log, once it is what it kept and what the twin finds."""
    documents = place.life.node.documents
    kept = _states(await documents.room(stream))
    documents.forget()
    fold = await documents.room(stream)
    if kept != _states(fold):
        world.failed(f"{place} keeps other documents of {stream[:14]} than its log gives")
    twin = _twin(place, stream)
    for name, document in fold.documents.items():
        if not document._waiting.bytes and canonical(document.whole()) != canonical(merged(twin[name])):
            world.failed(f"{place}: {name} in {stream[:14]} is not what its log has")
    return fold


def _states(fold):
    return {name: canonical(document.whole()) for name, document in fold.documents.items()}


def _twin(place, stream):
    """Return by name the updates that count, by a plain walk of the log."""
    node, parts, found = place.life.node, {}, {}
    for row in place.life.disk.log.since(0, 1 << 30, stream):
        if row.kind == UPDATE and _counts(node, row):
            body = decode_as(row.envelope.body, DocumentUpdate)
            parts[row.epoch, row.seq - body.part, body.part] = body
        if row.kind == UPLOAD and _counts(node, row):
            body = decode_as(row.envelope.body, DocumentUpload)
            found.setdefault(body.document, []).append(node.blobs.read(stream, body.blob))
    for (epoch, first, part), body in parts.items():
        whole = [parts.get((epoch, first, number)) for number in range(body.parts)]
        if part == 0 and all(whole):
            found.setdefault(body.document, []).append(b"".join(each.update for each in whole))
    return found
