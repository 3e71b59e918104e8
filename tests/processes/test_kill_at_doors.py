"""`kill -9` of a node while agents use it: over MCP, over A2A, with a question under way, with blobs half fetched."""

import asyncio
import signal
import sqlite3
from contextlib import asynccontextmanager, closing
from functools import partial
from types import SimpleNamespace

import aiohttp
import httpx
import pytest
from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import GetTaskRequest, TaskState
from a2a.utils.errors import A2AError
from mcp import MCPError

from foedus.base.errors import Unavailable
from foedus.sdk import Client
from foedus.sdk.asking import Question
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import eventually
from foedus.values.access import TokenView
from foedus.values.calls import CapabilityView
from tests.node.document_client import Editor
from tests.processes.nodes import (
    add_agent,
    assert_verifies,
    connect,
    is_linked,
    node_id,
    node_processes,
    say,
    shared_room,
)
from tests.processes.test_a2a_kill import (
    TAKES,
    WITHIN_S,
    QuickToTrust,
    answer,
    has_no_work,
    rises,
    take,
    trusted,
)
from tests.processes.test_documents import agent_after_foreign
from tests.surfaces.a2a.clients import message, sent
from tests.surfaces.mcp.clients import Called, over_http, over_stdio

pytestmark = pytest.mark.soak
LARGE = "".join(f"{number:07} " for number in range(400_000))
"""3.2 MB: 49 chunks, some of which are fetched when a node dies."""


def token_of(node, did):
    return node.client.post(path_of("participants", did, "token"), TokenView, {"device": ""}).token


async def linked(node, other):
    await asyncio.to_thread(eventually, "they are linked", lambda: is_linked(node, node_id(other)), WITHIN_S)


def texts(read):
    return [it["told"]["content"]["text"] for it in read["messages"]]


async def test_an_mcp_program_outlives_its_node(tmp_path):
    with node_processes(tmp_path, "oak") as (oak,):
        scout, room = add_agent(oak, "scout").did, shared_room(oak)
        async with over_stdio(SimpleNamespace(url=oak.url, path=tmp_path), token_of(oak, scout)) as client:
            call = Called(client)
            await call("say", room=room, text="before")
            hearing = asyncio.create_task(client.call_tool("wait_for_messages", {"room": room, "wait_s": 50}))
            oak.kill()
            assert '"no_answer"' in await call.refused("say", room=room, text="lost")
            await asyncio.to_thread(oak.start)
            await call("say", room=room, text="after")
            say(oak, room, add_agent(oak, "tally").name, "heard after all")
            heard = await hearing
            if heard.is_error:  # it had not begun to listen
                assert '"no_answer"' in heard.content[0].text
            else:
                assert texts(heard.structured_content) == ["heard after all"]
            assert texts(await call("read_room", room=room)) == ["before", "after", "heard after all"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_what_was_answered_over_http_stands_and_a_lost_session_is_told(tmp_path, mode):
    with node_processes(tmp_path, "oak") as (oak,):
        scout, room = add_agent(oak, "scout").did, shared_room(oak)
        at, token = SimpleNamespace(url=oak.url), token_of(oak, scout)
        async with over_http(at, token, mode=mode) as client:
            await Called(client)("say", room=room, text="before")
            oak.kill()
            await asyncio.to_thread(oak.start)
            if mode == "legacy":
                with pytest.raises(MCPError, match="Session not found"):
                    await client.call_tool("say", {"room": room, "text": "lost"})
            else:
                await Called(client)("say", room=room, text="after")
        async with over_http(at, token, mode=mode) as client:
            shown = texts(await Called(client)("read_room", room=room))
        assert shown == (["before"] if mode == "legacy" else ["before", "after"])


async def test_tasks_outlive_the_node_of_their_caller(tmp_path):
    with node_processes(tmp_path, "north", "south", kind=QuickToTrust) as (north, south):
        scout, clerk = trusted(north, "scout"), add_agent(south, "clerk").did
        connect(north, south)
        south.client.post("/capabilities", CapabilityView, {"name": "shout", "agent": clerk, "takes": TAKES})
        say(north, shared_room(south, north), scout, "here I am")
        eventually("its act counts", lambda: rises(south, "scout"), WITHIN_S)
        headers = {"Authorization": f"Bearer {token_of(north, scout)}"}
        async with httpx.AsyncClient(headers=headers, timeout=70) as http:
            factory = ClientFactory(ClientConfig(httpx_client=http, streaming=False))
            client = await factory.create_from_url(f"{north.url}/a2a/{node_id(south)}/{clerk}/")

            async def send(name, text):
                request = message(text, id_=name)
                request.configuration.return_immediately = True
                return (await sent(client, request)).task.id

            async def is_done(task):
                return (await client.get_task(GetTaskRequest(id=task))).status.state == TaskState.TASK_STATE_COMPLETED

            begun = await send("m1", "one")
            work = await asyncio.to_thread(take, south, clerk)
            waits = await send("m2", "two")
            waiting = asyncio.create_task(sent(client, message("three", id_="m3")))
            await asyncio.sleep(0.2)  # whether the third arrives before the kill may be either way
            north.kill()
            with pytest.raises((A2AError, httpx.HTTPError)):
                await waiting
            south.client.tell("POST", f"/calls/{work.call}/result", {"output": {"text": "ONE"}, "agent": clerk})
            await asyncio.to_thread(north.start)
            tasks = [begun, waits, await send("m3", "three")]
            for _ in range(2):
                await asyncio.to_thread(answer, south, clerk)
            async with asyncio.timeout(WITHIN_S):
                while not all([await is_done(task) for task in tasks]):  # noqa: ASYNC110  # as clients ask
                    await asyncio.sleep(0.1)
            assert [await send(name, "again") for name in ("m1", "m2", "m3")] == tasks
            assert has_no_work(south, clerk)


async def test_a_question_ends_whichever_node_is_killed(tmp_path):
    with node_processes(tmp_path, "a", "b") as (a, b):
        connect(a, b)
        own, other = node_id(a), node_id(b)

        def asked(client):
            return asyncio.create_task(client.queries.ask(Question(text="lamp", wait_s=30)))

        def outcomes(answers):
            return {it.node: it.outcome for it in answers.nodes}

        async with Client(a.url, a.home.token()) as client:
            b._running().send_signal(signal.SIGSTOP)
            lost = asked(client)
            await asyncio.sleep(0.5)
            b.kill()
            ended = outcomes(await lost)
            assert (ended[own], ended.get(other, "lost")) == ("answered", "lost"), "it may not have been asked yet"
            await asyncio.to_thread(b.start)
            await linked(a, b)
            b._running().send_signal(signal.SIGSTOP)
            lost = asked(client)
            await asyncio.sleep(0.5)
            a.kill()
            b._running().send_signal(signal.SIGCONT)
            with pytest.raises(Unavailable):
                await lost
            await asyncio.to_thread(a.start)
            await linked(a, b)
            assert outcomes(await asked(client)) == {own: "answered", other: "answered"}


@asynccontextmanager
async def editing(node, who, room):
    async with Client(node.url, node.home.token()) as client:
        ticket = (await client.documents.ticket(room, "page", as_=who)).ticket
    url = f"{node.url.replace('http', 'ws', 1)}/api/v1/rooms/{room}/documents/page?ticket={ticket}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        editor = Editor(socket)
        try:
            yield editor
        finally:
            editor.reading.cancel()
            await asyncio.gather(editor.reading, return_exceptions=True)


def chunks(node):
    with closing(sqlite3.connect(f"file:{node.home.blobs}?mode=ro", uri=True)) as disk:
        return disk.execute("SELECT count(*) FROM chunks").fetchone()[0]


def come(writer, reader, held):
    """Whether more chunks came, or all have."""
    return chunks(reader) > held or 0 < chunks(writer) <= chunks(reader)


async def length(editor, wanted):
    async with asyncio.timeout(WITHIN_S):
        while len(str(editor)) < wanted:  # noqa: ASYNC110  # the editor tells nobody
            await asyncio.sleep(0.05)


async def test_a_blob_is_whole_in_the_end_whoever_is_killed_while_it_is_fetched(tmp_path):
    with node_processes(tmp_path, "a", "b") as (a, b):
        ann, ben = agent_after_foreign(a, "ann"), agent_after_foreign(b, "ben")
        connect(a, b)
        room = shared_room(a, b)
        async with editing(a, ann, room) as editor:
            await editor.edit(0, LARGE)
            for killed in (b, a):
                await asyncio.to_thread(eventually, "chunks come", partial(come, a, b, chunks(b)), WITHIN_S)
                killed.kill()
                await asyncio.to_thread(killed.start)
        async with editing(b, ben, room) as editor:
            await length(editor, len(LARGE))
            assert str(editor) == LARGE
        assert chunks(a) == chunks(b)
        for node in (a, b):
            node.stop()
            assert_verifies(node)
            assert "Traceback" not in node.complaint()
