"""Blobs across real nodes: large updates come whole to who may see them, whatever others send, and go when erased."""

from pycrdt import Doc, Text

from foedus.base.cbor import encode, to_plain
from foedus.base.limits import CHUNK_BYTES, DAY
from foedus.log import streams
from foedus.log.documents import DocumentUpload
from foedus.node.room_forms import Said
from foedus.sync.frames.blobs import Chunk, WantChunks
from tests.node.aging import Clock
from tests.node.document_client import editing, folded
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.searching import files_with
from tests.node.test_document_limits import taken
from tests.node.test_documents import equal, pair

LARGE = "".join(f"{number:07} " for number in range(100_000))
"""800,000 characters: more than fits acts, so a blob of 13 chunks."""


def stream_of(running):
    return streams.room(bytes.fromhex(running.service.rooms()[0].room))


def rows(running, kind="document.upload"):
    return [row for row in running.node.log.since(0, 1_000, stream_of(running)) if row.kind == kind]


def blob_of(running, kind="document.upload"):
    (held,) = [it for row in rows(running, kind) if (it := running.node.blobs.held_by(row)) is not None]
    return held


def is_here(running, kind="document.upload"):
    return any(
        running.node.blobs.read(row.stream, it.blob) is not None
        for row in rows(running, kind)
        if (it := running.node.blobs.held_by(row)) is not None
    )


def text_at(running):
    """The text of the document as a node holds it."""
    fold = running.node.documents.held(stream_of(running))
    doc = loaded(fold) if fold is not None and fold.documents else Doc()
    doc["text"] = text = Text()
    return str(text)


def loaded(fold):
    """Return the document of a room, read as one update: what came bit by bit may lie in smaller pieces."""
    doc = Doc()
    doc.apply_update(fold.documents["page"].whole())
    return doc


async def bytes_anew(running):
    """Return the bytes of the document as a node reads it from its log."""
    running.node.documents.forget()
    return loaded(await folded(running, stream_of(running))).get_update()


async def write_large(running, who, text=LARGE):
    async with editing(running, who) as editor:
        await editor.edit(0, text)
        await until(lambda: taken(running) >= len(text), "it is written")


async def test_a_large_update_reaches_another_node_and_is_there_after_a_restart(tmp_path):
    async with pair(tmp_path) as (road, ash, elm):
        async with editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
            await ann.edit(0, LARGE)
            await equal(ann, eve, wanted=LARGE)
            await eve.edit(0, "small ")
            await equal(ann, eve, wanted="small " + LARGE)
        assert [len(row.envelope.body) < 2_000 for row in rows(elm)] == [True]
        again = await road.restart("elm")
        async with editing(again, elm.agent) as late:
            await equal(late, wanted="small " + LARGE)


async def test_ten_megabytes_are_one_document(tmp_path):
    text = "ten megabytes of text, " * 450_000
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        await ann.edit(0, text)
        await until(lambda: len(str(eve)) == len(text), "all of it is there", 60.0)
        assert str(eve) == text
        await eve.edit(0, "and more ")
        await until(lambda: str(ann).startswith("and more ten"), "it goes on", 60.0)


async def test_chunks_that_were_missing_are_asked_for_again_after_a_restart(tmp_path, monkeypatch):
    async with pair(tmp_path) as (road, ash, elm):
        given, real = [], ash.node.blob_carrying._chunk_for

        def three(node, event, number):
            given.append(number)
            return real(node, event, number) if number < 3 else None

        monkeypatch.setattr(ash.node.blob_carrying, "_chunk_for", three)
        await write_large(ash, ash.agent)
        stream = stream_of(ash)
        await until(lambda: set(given) == set(range(13)), "elm has asked for all of it")
        blob = blob_of(elm).blob
        await until(lambda: elm.node.blobs.chunks.missing(stream, blob) == list(range(3, 13)), "three are stored")
        await road.stop("elm")
        given.clear()
        monkeypatch.setattr(ash.node.blob_carrying, "_chunk_for", real)
        again = await road.start("elm")
        await until(lambda: is_here(again), "the rest has come")


async def test_a_peer_that_lies_is_left_and_another_is_asked(tmp_path, monkeypatch):
    async with street(tmp_path) as road:
        ash, elm, oak = await road.add("ash"), await road.add("elm"), await road.add("oak")
        who = await agent(ash, "ann")
        await connect(elm, ash)
        await connect(oak, ash)
        await connect(elm, oak)
        await share(ash, elm, oak)
        real = ash.node.blob_carrying._chunk_for
        monkeypatch.setattr(
            ash.node.blob_carrying,
            "_chunk_for",
            lambda node, event, number: b"garbage" if node.hex() == elm.id else real(node, event, number),
        )
        await write_large(ash, who)
        await until(lambda: is_here(oak), "oak has it")
        await until(lambda: is_here(elm), "elm got it from oak")
        assert elm.node.ingest.refusals["bad_chunk"] == 1


async def test_what_rests_on_a_blob_and_comes_before_it_is_in_its_place(tmp_path, monkeypatch):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        held_back, real = [], ash.node.blob_carrying._serve
        monkeypatch.setattr(ash.node.blob_carrying, "_serve", lambda *asked: held_back.append(asked))
        await ann.edit(0, LARGE)
        await until(lambda: held_back, "elm has asked for it")
        for _ in range(3):
            await ann.edit(400_000, "amid ")
            del ann.text[8:16]
            await ann.edit(0, "first ")
        wanted = str(ann)
        await until(lambda: text_at(ash) == wanted, "all of it is written and published")
        count = len(rows(ash, "document.update"))
        await until(lambda: len(rows(elm, "document.update")) == count, "the small ones are at elm")
        assert str(eve) != wanted
        for asked in held_back:
            real(*asked)
        monkeypatch.setattr(ash.node.blob_carrying, "_serve", real)
        await equal(ann, eve, wanted=wanted)
        assert await bytes_anew(ash) == await bytes_anew(elm)


async def test_the_host_fetches_it_and_serves_it_to_a_member_who_is_not_linked_with_its_writer(tmp_path):
    async with street(tmp_path) as road:
        ash, elm, oak = await road.add("ash"), await road.add("elm"), await road.add("oak")
        eve = await enrol(elm, "eve")
        for other in (elm, oak):
            await connect(other, ash)
        await share(ash, elm, oak)
        await write_large(elm, eve)
        await until(lambda: is_here(oak), "oak has what eve wrote")


async def test_what_is_no_update_counts_nowhere(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        stream = stream_of(ash)
        token, blob = await ash.node.blobs.keep(stream, b"\xff" * 700_000)
        who = ash.node.agents.find(ash.agent)
        room = ash.node.store.admission.authority.rooms[bytes.fromhex(ash.service.rooms()[0].room)]
        membership = ash.service._rooms.standing(room, who.did, "document.upload")
        body = encode(to_plain(DocumentUpload(document="page", blob=blob)))
        auth = (ash.node.agents.enrolment(who), membership)
        draft = ash.node.author.custodial_act(stream, "document.upload", body, auth, who.did, ash.node.agents.key(who))
        placed = await ash.node.author.order([draft])
        await ash.node.blobs.settle(token, [placed[0].id])
        await until(lambda: is_here(elm), "it came")
        async with editing(elm, elm.human) as eve, editing(ash, ash.agent) as ann:
            await eve.edit(0, "on")
            await equal(eve, ann, wanted="on")
        for it in (ash, elm):
            assert list((await folded(it, stream)).documents) == ["page"]


async def test_an_erased_upload_leaves_no_chunk_at_any_node(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await write_large(ash, ash.agent)
        await until(lambda: is_here(elm), "elm has it")
        event = rows(ash)[0].id
        await ash.service.erase(event.hex(), "moderator")
        for it in (ash, elm):
            await until(lambda it=it: not list(it.node.blobs.chunks.named()), "its name goes")
            await until(lambda it=it: b"0001234 " not in (it.path / "blobs.db").read_bytes(), "its chunks go")
            assert not (await folded(it, stream_of(it))).documents


async def test_who_is_not_in_the_room_gets_no_chunk(tmp_path):
    async with street(tmp_path) as road:
        ash, elm = await road.add("ash"), await road.add("elm")
        who = await agent(ash, "ann")
        await connect(elm, ash)
        await share(ash)
        await write_large(ash, who)
        event, heard = rows(ash)[0].id, []
        elm.node.links.on_blob = lambda _link, frame: heard.append(frame)
        elm.node.links.get(bytes.fromhex(ash.id)).control(WantChunks(event, (0, 1)))
        elm.node.links.get(bytes.fromhex(ash.id)).control(WantChunks(bytes(32), (0,)))
        await until(lambda: len(heard) == 3, "it is answered")
        assert {type(frame).__name__ for frame in heard} == {"NoChunks"}


async def test_a_chunk_that_nobody_asked_for_ends_the_link(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        link = elm.node.links.get(bytes.fromhex(ash.id))
        link.control(Chunk(bytes(32), 0, b"x"))
        await until(lambda: link.session.is_closed, "it is closed")
        assert ash.node.ingest.refusals["unexpected_chunk"] == 1


async def test_who_asks_for_too_much_at_once_is_let_go(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        monkey = elm.node.links.get(bytes.fromhex(ash.id))
        ash_link = ash.node.links.get(bytes.fromhex(elm.id))
        ash_link.when_there_is_room = lambda _send: None  # nothing is answered
        for _ in range(2):
            monkey.control(WantChunks(bytes(32), tuple(range(16))))
        await until(lambda: monkey.session.is_closed, "it is closed")


async def test_a_draft_that_a_crash_left_goes_at_the_next_start(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        stream = stream_of(ash)
        _, blob = await ash.node.blobs.keep(stream, b"x" * (CHUNK_BYTES + 1))
        ash = await road.restart("ash")
        await until(lambda: ash.node.blobs.read(stream, blob) is None, "it goes")


# --- snapshots ---------------------------------------------------------------------------------


async def checkpoint(running):
    await running.service.say_batch("plans", [Said(text=f"words {n}") for n in range(3)])
    await running.node.checkpointer._write((running.node.store.epoch, stream_of(running)), running.node.store.now())


async def test_a_late_node_gets_the_snapshot_and_the_tail(tmp_path):
    async with street(tmp_path) as road:
        clock = Clock()
        ash, elm = await road.add("ash", clock), await road.add("elm", clock)
        ann = await agent(ash, "ann")
        eve = await enrol(elm, "eve")
        await connect(elm, ash)
        await share(ash, elm)
        async with editing(ash, ann) as it:
            await it.edit(0, "old " * 5)
            await until(lambda: taken(ash), "it is written")
            await checkpoint(ash)
        clock.ahead = 10 * DAY
        async with editing(ash, ann) as it, editing(elm, eve) as other:
            await equal(it, other, wanted="old " * 5)  # else both would begin the text, and either could come first
            await it.edit(0, "new ")
            await equal(it, other, wanted="new " + "old " * 5)
            await other.edit(0, "theirs ")
            await equal(it, other)
        assert (await ash.service.retention_run(5, "")).events > 0
        assert not [row for row in rows(ash, "document.update") if row.seq < 2 and row.epoch == ash.node.store.epoch]
        oak = await road.add("oak", clock)
        pat = await enrol(oak, "pat")
        await connect(oak, ash)
        await ash.service.room_share("plans", oak.id)
        await until(lambda: oak.service.rooms() and is_here(oak, "document.snapshot"), "the snapshot came")
        async with editing(oak, pat) as late:
            await equal(late, wanted="theirs new " + "old " * 5)
        assert len({await bytes_anew(running) for running in (ash, elm, oak)}) == 1
        assert len(rows(oak, "document.update")) < len(rows(elm, "document.update"))


async def test_an_erased_update_is_in_no_snapshot_that_stays(tmp_path):
    async with pair(tmp_path) as (road, ash, elm):
        async with editing(ash, ash.agent) as ann:
            await ann.edit(0, "the-secret ")
            await until(lambda: taken(ash), "it is written")
        async with editing(elm, elm.human) as eve:
            await equal(eve, wanted="the-secret ")
        snapshots = ash.node.document_snapshots
        assert await snapshots.write_due(everything=True) == 1
        assert await snapshots.write_due(everything=True) == 0
        await until(lambda: is_here(elm, "document.snapshot"), "elm has it")
        ash.node.eraser.on_erased.clear()  # a crash comes before the next snapshot
        await ash.service.erase(rows(ash, "document.update")[0].id.hex(), "moderator")
        await ash.node.eraser.idle()
        await road.stop("ash")
        again = await road.start("ash")
        await until(lambda: "the-secret" not in chunks(again), "the snapshot goes with it")
        await until(lambda: "the-secret" not in chunks(elm), "at elm, too")
        for it in (again, elm):
            await until(lambda it=it: not files_with(it.path, b"the-secret"), f"{it.name} has it in no file")


def chunks(running):
    """All chunks that a node keeps, as text."""
    store = running.node.blobs.chunks
    found = [store.chunk(named.stream, chunk) or b"" for named in store.named() for chunk in named.blob.chunks]
    return b"".join(found).decode(errors="replace")
