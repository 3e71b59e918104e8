"""What a ticket and a session are good for: their own document, their own participant, and only while that may edit."""

import aiohttp

from foedus.node import document_desk
from foedus.node.rates import TooOften
from foedus.state.documents import messages
from foedus.state.documents.document import Document
from tests.node.document_client import editing, ticket
from tests.node.nodes import share, street, until
from tests.node.people import agent, enrol
from tests.node.test_documents import pair
from tests.red_team.test_documents_that_lie import updates_at


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


DELETES = b"\x00\x01\x05\x01\x00\x01"
"""An update that deletes what nobody wrote."""


async def test_an_answer_that_was_not_asked_for_is_compared_with_nothing(tmp_path, monkeypatch):
    looked = []
    has = Document.has
    monkeypatch.setattr(Document, "has", lambda self, *args: looked.append(self) or has(self, *args))
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as it:
            await it.edit(0, "x")
            await updates_at(ash, 1)
            for _ in range(20):
                await it.send(messages.brings(DELETES, is_answer=True))
            await it.edit(0, "y")
            await updates_at(ash, 2)
        assert len(looked) <= 1, "it was asked once"


async def test_who_types_faster_than_a_participant_may_speak_waits_and_loses_nothing(tmp_path, monkeypatch):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        turns, take = [], ash.node.rates.take

        def rarely(kind, by, cost=1):
            if kind == "speech_per_participant":
                turns.append(by)
                if len(turns) % 2 == 0:
                    raise TooOften(kind, "1/second", 0.01)
            take(kind, by, cost)

        monkeypatch.setattr(ash.node.rates, "take", rarely)
        async with editing(ash, who) as it, editing(ash, who) as other:
            for letter in "hello":
                await it.edit(0, letter)
            await until(lambda: str(other) == "olleh", "all of it came")
        assert set(turns) == {who}
