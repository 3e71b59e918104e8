"""Yjs updates of the right form that say what cannot be: pycrdt panics, or frees memory twice, and a node lives on."""

import asyncio
import signal
from contextlib import suppress

import aiohttp
import pytest

from foedus.adapters import document_keeper
from foedus.state.documents import messages
from foedus.state.documents.update import check
from tests.node.document_client import editing, ticket
from tests.node.nodes import share, street, until
from tests.node.people import agent
from tests.node.test_documents import equal, pair
from tests.red_team.lying_updates import HARM, PANIC


async def send(running, who, name, updates):
    """Send updates as a client that holds no document itself, as long as it is let."""
    word = await ticket(running, who, name)
    url = f"{running.url.replace('http', 'ws', 1)}/api/v1/rooms/plans/documents/{name}?ticket={word}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.receive()  # it is asked what it has
        reading = asyncio.ensure_future(_read(socket))
        with suppress(aiohttp.ClientError, ConnectionError):
            for number, update in enumerate(updates, 1):
                await socket.send_bytes(messages.brings(update))
                await until(lambda number=number: reading.done() or held(running) >= number, "it is held, or the end")
        reading.cancel()


async def _read(socket):
    async for _ in socket:
        pass


def held(running):
    return sum(event.kind == "document.update" for event in running.service.events(limit=1000).events)


async def updates_at(running, count):
    await until(lambda: held(running) >= count, f"{count} updates came")


@pytest.mark.parametrize("updates", [PANIC, HARM], ids=["panic", "harm"])
async def test_a_client_whose_updates_end_the_library_ends_no_node(tmp_path, updates):
    for update in updates:
        check(update)
    async with pair(tmp_path) as (_, ash, elm):
        async with editing(elm, elm.human, "page") as eve:
            await until(lambda: eve.seen, "elm holds the room, and takes in what comes")
            await send(ash, ash.agent, "lies", updates)
            await updates_at(elm, 1)
        async with editing(elm, elm.human, "page") as one, editing(ash, ash.agent, "page") as other:
            await one.edit(0, "still here")
            await equal(one, other, wanted="still here")


async def test_a_process_that_stands_still_stops_nothing_but_its_documents_and_loses_nothing(tmp_path):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        await ann.edit(0, "first ")
        await equal(ann, eve, wanted="first ")
        child = elm.node.documents.replicas._process
        child.send_signal(signal.SIGSTOP)
        await ann.edit(0, "second ")
        await updates_at(elm, 2)  # durable at a node that goes on
        await ann.edit(0, "third ")
        await updates_at(elm, 3)
        assert str(eve) == "first "
        child.send_signal(signal.SIGCONT)
        await equal(ann, eve, wanted="third second first ")
        assert elm.node.documents.replicas._process is child


async def test_what_came_while_a_process_stood_still_for_too_long_is_there_in_the_next(tmp_path, monkeypatch):
    async with pair(tmp_path) as (_, ash, elm), editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
        await ann.edit(0, "first ")
        await equal(ann, eve, wanted="first ")
        child = elm.node.documents.replicas._process

        def wait_on(patience, real=document_keeper._Patience.wait_on):
            if patience._pid == child.pid:
                raise document_keeper._Stalled("it stood still for ever")
            real(patience)

        monkeypatch.setattr(document_keeper._Patience, "wait_on", wait_on)
        child.send_signal(signal.SIGSTOP)
        await ann.edit(0, "second ")
        await until(lambda: child.returncode is not None, "it is ended")
        await ann.edit(0, "third ")
        await equal(ann, eve, wanted="third second first ")


async def test_a_document_outlives_the_process_that_held_it(tmp_path):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "one")
        async with editing(ash, who) as it:
            await it.edit(0, "before")
            await updates_at(ash, 1)
            ash.node.documents.replicas._process.kill()
            await it.edit(0, "after, ")
            await updates_at(ash, 2)
        async with editing(ash, who) as again:
            await equal(again, wanted="after, before")
