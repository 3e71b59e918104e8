"""What a ticket and a session are good for: their own document, their own participant, and only while that may edit."""

import aiohttp
import pytest

from foedus.base.errors import UsageError
from foedus.node import document_desk
from tests.node.document_client import editing, ticket
from tests.node.nodes import share, street, until
from tests.node.people import agent, enrol
from tests.node.test_documents import pair


async def visit(running, word, name="page", room="plans"):
    """Redeem a ticket; return what the server says first."""
    url = f"{running.url.replace('http', 'ws', 1)}/api/v1/rooms/{room}/documents/{name}?ticket={word}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        return await socket.receive()


async def test_a_ticket_opens_nothing_for_who_was_removed_since(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann:
        await ann.edit(0, "secret")
        async with editing(elm, elm.human) as eve:
            await until(lambda: str(eve) == "secret", "she was in")
        word = await ticket(elm, elm.human)
        await ash.service.room_unshare("plans", elm.id)
        await until(lambda: not _is_in(elm), "elm knows")
        first = await visit(elm, word)
        assert first.type is aiohttp.WSMsgType.CLOSE
        assert first.data == 4403


def _is_in(running):
    room = next(iter(running.node.store.admission.authority.rooms.values()))
    return room.of(running.node.store.node, running.human.did) is not None


async def test_a_ticket_dies_with_the_token_that_got_it(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        participant = ash.node.agents.find(who)
        device = next(iter(participant.devices))
        token = await ash.node.access.tokens.issue(participant, device)
        holder = ash.node.access.tokens.find(token.encode())
        view = await ash.service.document_ticket("plans", "page", who, holder=holder)
        await ash.node.access.tokens.revoke(who, device)
        first = await visit(ash, view.ticket)
        assert first.type is aiohttp.WSMsgType.CLOSE
        assert first.data == 4403


async def test_who_asks_for_many_sessions_ends_nobody_elses(tmp_path, monkeypatch):
    monkeypatch.setattr(document_desk, "SESSIONS_EACH_MAX", 4)
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        eve, mallory = await enrol(ash, "eve"), await enrol(ash, "mallory")
        async with editing(ash, eve) as it:
            await it.edit(0, "one")
            for number in range(12):
                await ash.service.document_ticket("plans", f"page{number}", mallory.did)
            assert len(ash.service._desk._keys) <= 1 + 4
            assert (await ash.service.document_ticket("plans", "page", eve.did)).ticket


async def test_a_ticket_serves_once_and_its_own_document(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        word = await ticket(ash, who)
        with pytest.raises(UsageError, match="does not open"):
            ash.service.document_visit("plans", "another", word)
        with pytest.raises(UsageError, match="does not open"):
            ash.service.document_visit("plans", "page", word)
