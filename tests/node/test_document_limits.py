"""What documents withstand: sessions that sign more than they may, devices that go, erasures, and what is too much."""

from contextlib import suppress

import aiohttp
import pytest

from foedus.base.errors import FoedusError
from foedus.log import streams
from foedus.node import document_visit
from foedus.state.documents import document, messages
from tests.node.document_client import editing, folded
from tests.node.nodes import share, street, until
from tests.node.people import Draft, agent, enrol
from tests.node.test_documents import equal, pair


def session_key(running, person, room, name="page"):
    return running.service._desk._keys[person.did, room, name][0]


def updates(running):
    return [event for event in running.service.events(limit=1000).events if event.kind == "document.update"]


async def test_a_session_key_signs_nothing_else_and_nowhere_else(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        await share(ash, room="other")
        eve = await enrol(ash, "eve")
        async with editing(ash, eve) as it:
            await it.edit(0, "hers")
            await until(lambda: updates(ash), "it is written")
        rooms = {view.name: bytes.fromhex(view.room) for view in ash.service.rooms()}
        key = session_key(ash, eve, rooms["plans"])
        who = ash.node.agents.find(eve.did)
        session = who.sessions[key.public].enrolment
        body = {"document": "page", "part": 0, "parts": 1, "update": b"\x00\x00"}
        author = ash.node.author
        for room, kind, said in (("plans", "message.text", {"text": "x"}), ("other", "document.update", body)):
            auth = (session, eve.membership(room))
            with pytest.raises(FoedusError, match="not_permitted"):
                await author.order([author.custodial_act(streams.room(rooms[room]), kind, said, auth, eve.did, key)])
        draft = author.custodial_act(
            streams.room(rooms["plans"]),
            "document.update",
            {**body, "document": "another", "update": b"\x01\x01\x05\x00\x04\x01\x01t\x01x\x00"},
            (session, eve.membership()),
            eve.did,
            key,
        )
        await author.order([draft])
        held = await folded(ash, streams.room(rooms["plans"]))
        assert list(held.documents) == ["page"]


async def test_a_revoked_device_ends_its_sessions_and_what_they_signed_beyond_the_cut(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        eve = elm.human
        async with editing(elm, eve) as it, editing(ash, ash.agent) as ann:
            await it.edit(0, "before")
            await equal(it, ann, wanted="before")
            body = {"device": eve.key.public, "cuts": []}
            act = eve.sign(Draft(eve.did, f"participant:{eve.did}", "device.revoke", body, (eve.enrolment,), ()))
            await elm.service.participant_act(eve.did, act)
            await until(lambda: updates(ash)[0].verdict == "rejected", "what it signed is cut")
            await until(lambda: it.socket.closed, "what she still has is not taken from her")
            assert it.socket.close_code == 4403
            assert not (await elm.service.document_ticket("plans", "page", eve.did)).ticket


async def test_an_erased_update_is_in_no_replica_of_a_node(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        async with editing(ash, ash.agent) as ann:
            await ann.edit(0, "secret")
            await until(lambda: len(updates(elm)) == 1, "it came")
        room = streams.room(bytes.fromhex(ash.service.rooms()[0].room))
        assert (await folded(elm, room)).documents
        await ash.service.erase(updates(ash)[0].id, "moderator")
        await until(lambda: elm.node.documents.held(room) is None, "elm forgets it")
        for it in (ash, elm):
            assert not (await folded(it, room)).documents


async def test_a_person_signs_a_new_session_after_a_restart(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        eve = await enrol(ash, "eve")
        async with editing(ash, eve) as it:
            await it.edit(0, "one")
            await until(lambda: updates(ash), "it is written")
        assert (await ash.service.document_ticket("plans", "page", eve.did)).ticket
        ash = eve.running = await road.restart("ash")
        assert (await ash.service.document_ticket("plans", "page", eve.did)).session
        async with editing(ash, eve) as it:
            await equal(it, wanted="one")


async def test_a_member_who_is_removed_reads_no_further(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(elm, elm.human) as eve:
        await eve.edit(0, "x")
        await until(lambda: updates(ash), "it came")
        await ash.service.room_unshare("plans", elm.id)
        await until(lambda: eve.socket.closed, "she is out")
        assert eve.socket.close_code == 4403


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(document_visit, "OUT_BYTES_MAX", 3_000_000)
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as good, editing(ash, who) as deaf:
            deaf.reading.cancel()
            deaf.socket._response.connection.transport.pause_reading()
            await until(lambda: good.seen, "it is asked what it has before that is too much to say at once")
            for _ in range(40):
                if _visitors(ash) == 1:
                    break
                await good.edit(0, "x" * 250_000)
            await until(lambda: _visitors(ash) == 1, "it is let go")
            await good.edit(0, "end")
            assert not good.socket.closed


def _visitors(running):
    return sum(len(visits) for visits in running.service._desk._visits.values())


async def test_a_document_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "DOCUMENT_BYTES_MAX", 1_000_000)
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as big:
            await until(lambda: big.seen, "it is asked what it has before that is too much to say at once")
            edits = 0
            while not big.socket.closed:
                before, edits = taken(ash), edits + 1
                with suppress(ConnectionError):
                    await big.edit(0, "x" * 100_000)
                await until(lambda before=before: big.socket.closed or taken(ash) != before, "it is taken or refused")
            assert 8 <= edits <= 11
            assert big.socket.close_code == 4400


def taken(running, name="page"):
    """Bytes of the updates of a document that were published."""
    fold = running.node.documents.held(streams.room(bytes.fromhex(running.service.rooms()[0].room)))
    return fold.documents[name].bytes_taken if fold is not None and name in fold.documents else 0


async def test_a_message_larger_than_any_ends_its_client_alone(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as good, editing(ash, who) as huge:
            with suppress(aiohttp.ClientError, ConnectionError):
                await huge.send(messages.brings(b"\x01" * 17_000_000))
            await until(lambda: huge.socket.closed, "it is closed")
            await good.edit(0, "on")
            await until(lambda: updates(ash), "others go on")
