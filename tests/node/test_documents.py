"""Documents of rooms across real nodes: edited on both, one document everywhere."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from foedus.base.errors import Unavailable, UsageError
from foedus.node.document_visit import DocumentVisit
from foedus.state.documents import messages
from foedus.state.documents.update import EMPTY
from tests.node.document_client import editing, enrol_session, ticket
from tests.node.nodes import connect, entries, share, street, until
from tests.node.people import agent, enrol, trusted_agent


@asynccontextmanager
async def pair(folder):
    """Two connected nodes in one room, ``plans``, with an agent at each that may write there."""
    async with street(folder) as road:
        ash, elm = await road.add("ash"), await road.add("elm")
        ash.agent = await agent(ash, "ann")
        elm.human = await enrol(elm, "eve")
        elm.agent = await trusted_agent(elm, "emil")
        await connect(elm, ash)
        await share(ash, elm)
        yield road, ash, elm


async def equal(*editors, wanted=None):
    """Wait until all show the same text."""
    try:
        await until(
            lambda: len({str(it) for it in editors}) == 1 and (wanted is None or str(editors[0]) == wanted), "one text"
        )
    except AssertionError as error:
        raise AssertionError(f"{error} of {[str(it)[:200] for it in editors]}") from None


async def test_edits_at_two_nodes_become_one_document(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        async with editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
            await ann.edit(0, "hello")
            await equal(ann, eve, wanted="hello")
            await asyncio.gather(ann.edit(0, "A"), eve.edit(5, "E"))
            await equal(ann, eve)
            assert len(str(ann)) == 7
        async with editing(elm, elm.human) as late:
            await equal(late, ann)


async def test_two_who_open_a_new_document_at_once_are_in_sync(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        one, other = await agent(ash, "one"), await agent(ash, "other")
        async with editing(ash, one) as first, editing(ash, other) as second:
            await asyncio.gather(first.edit(0, "x"), second.edit(0, "y"))
            await equal(first, second)
            assert sorted(str(first)) == ["x", "y"]


async def test_a_document_is_there_after_a_restart(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as first:
            await first.edit(0, "kept" * 30_000)
            await until(
                lambda: any(isinstance(it, messages.Brings) and len(it.update) > 9 for it in first.seen), "echo"
            )
        ash = await road.restart("ash")
        async with editing(ash, who) as second:
            await equal(second, wanted="kept" * 30_000)


async def test_what_is_repeated_is_not_written_again(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as first, editing(ash, who) as second:
            await first.edit(0, "word")
            await equal(second, wanted="word")
            held = entries(ash.node)
            await second.send(messages.brings(second.doc.get_update(), is_answer=True))
            await second.send(messages.brings(EMPTY))
            await second.edit(0, "a")
            await equal(first, wanted="aword")
            assert entries(ash.node) == held + 1


@pytest.mark.parametrize(
    "bad", [b"", b"\xff" * 40, messages.brings(bytes.fromhex("cbb8811aa6dc90cdaac83a0d8fed3ae83df2cd96c5")), "text"]
)
async def test_bad_bytes_end_their_client_alone(tmp_path, bad):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as good, editing(ash, who) as evil:
            await (evil.socket.send_str(bad) if isinstance(bad, str) else evil.send(bad))
            await until(lambda: evil.socket.closed, "it is closed")
            await good.edit(0, "on")
            async with editing(ash, who) as other:
                await equal(good, other, wanted="on")


async def test_a_client_that_dies_while_it_sends_harms_nobody(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as good:
            async with editing(ash, who) as dying:
                await dying.edit(0, "last words ")
                dying.socket._response.connection.transport.abort()
            await good.edit(0, "on ")
            async with editing(ash, who) as other:
                await equal(good, other)
                assert "on " in str(other)


async def test_presences_are_shown_and_end(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as here:
            async with editing(ash, who) as other:
                await other.send(messages.shows((messages.Presence(7, 1, '{"name":"ann"}'),)))
                await until(lambda: here.presences.get(7) == '{"name":"ann"}', "she is seen")
            await until(lambda: here.presences.get(7) == "null", "she is gone")


async def test_a_mistake_of_the_node_ends_the_client_and_not_its_document(tmp_path, monkeypatch):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as good:
            await until(lambda: good.seen, "it is served")
            with monkeypatch.context() as broken:
                broken.setattr(DocumentVisit, "_room", lambda _self: 1 / 0)
                async with editing(ash, who) as unlucky:
                    await until(lambda: unlucky.socket.closed, "it is closed")
            await good.edit(0, "on")
            async with editing(ash, who) as other:
                await equal(good, other, wanted="on")


async def test_a_full_disk_refuses_a_client(tmp_path, monkeypatch):
    async with pair(tmp_path) as (_, ash, _):

        async def full(_did):
            raise Unavailable("no space left", code="disk_full")

        monkeypatch.setattr(ash.node.consent, "note_read", full)
        async with editing(ash, ash.agent) as it:
            await until(lambda: it.socket.closed, "it is refused")
            assert it.socket.close_code == 1011


# --- who may -----------------------------------------------------------------------------------


async def test_a_ticket_opens_one_document_once(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        word = await ticket(ash, who)
        with pytest.raises(UsageError, match="does not open"):
            ash.service.document_visit("plans", "other", word)
        with pytest.raises(UsageError, match="does not open"):
            ash.service.document_visit("plans", "page", word)
        word = await ticket(ash, who)
        url = f"{ash.url}/api/v1/rooms/plans/documents/page?ticket={word}"
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
            assert refused.value.status == 401


async def test_tickets_that_nobody_uses_run_out_for_who_took_them_alone(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        one, other = await agent(ash, "one"), await agent(ash, "other")
        for _ in range(64):
            await ticket(ash, one)
        with pytest.raises(Unavailable):
            await ticket(ash, one)
        assert await ticket(ash, other)


async def test_a_session_lasts_a_day_at_most(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        eve = await enrol(ash, "eve")
        asked = (await ash.service.document_ticket("plans", "page", eve.did)).session
        with pytest.raises(UsageError, match="not_permitted"):
            await enrol_session(eve, asked, until=asked.until + 3_600_000_000)


async def test_an_edit_names_the_person_whose_device_opened_the_session(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        async with editing(elm, elm.human) as eve, editing(ash, ash.agent) as ann:
            await eve.edit(0, "mine")
            await equal(ann, eve, wanted="mine")
        found = [event for event in ash.service.events(limit=1000).events if event.kind == "document.update"]
        assert [(it.author, it.verdict) for it in found] == [(elm.human.did, "accepted")]


async def test_an_agent_edits_at_another_node_by_a_grant_alone(tmp_path):
    async with pair(tmp_path) as (_, _, elm):
        bare = await agent(elm, "bare")
        async with editing(elm, bare) as it:
            await it.edit(0, "no")
            await until(lambda: it.socket.closed, "it is refused")
            assert it.socket.close_code == 4403
