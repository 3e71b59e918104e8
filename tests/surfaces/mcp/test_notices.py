"""Resources and their change notices, and forms at the client, in both generations of the protocol."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import ElicitResult, ResourceUpdatedNotification

from tests.node.nodes import connect, share, street, until
from tests.node.people import enrol
from tests.surfaces.mcp.clients import TRANSPORTS, Called, custodial, over_http

pytestmark = pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
"""Clients of before subscribe so."""


@asynccontextmanager
async def harbour(folder):
    async with street(folder) as nodes:
        oak = await nodes.add("oak")
        _, token = await custodial(oak)
        room = await oak.service.room_create("home")
        yield oak, token, f"foedus://rooms/{room.room}"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_change_of_a_room_is_told(tmp_path, transport):
    async with harbour(tmp_path) as (oak, token, uri), TRANSPORTS[transport](oak, token) as client:
        async with client.listen(resource_subscriptions=[uri], resources_list_changed=True) as changes:
            await oak.say("six boats", room="home")
            assert await anext(changes) == ResourceUpdated(uri=uri)
            packet = await Called(client)("publish_knowledge", domain="harbour", title="tides")
            assert await anext(changes) == ResourcesListChanged()
        listed = {it.uri for it in (await client.list_resources()).resources}
        assert listed == {uri, f"foedus://packets/{packet['packet']}"}
        (content,) = (await client.read_resource(uri)).contents
        assert "six boats" in content.text
        (content,) = (await client.read_resource(f"foedus://packets/{packet['packet']}")).contents
        assert "tides" in content.text


async def test_a_change_is_told_to_a_client_of_before(tmp_path):
    told = []

    async def hear(message):
        if isinstance(message, ResourceUpdatedNotification):
            told.append(message.params.uri)

    async with (
        harbour(tmp_path) as (oak, token, uri),
        over_http(oak, token, mode="legacy", message_handler=hear) as client,
    ):
        await client.subscribe_resource(uri)
        await oak.say("six boats", room="home")
        await until(lambda: told == [uri], "it is told")
        await client.unsubscribe_resource(uri)
        await oak.say("seven boats", room="home")
        await Called(client)("read_room", room="home")
        assert told == [uri]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_person_at_the_client_is_told_and_may_wait(tmp_path, mode):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        _, token = await custodial(oak)
        await connect(oak, elm)
        await share(elm, oak)
        asked = []

        async def show(_context, params):
            asked.append(params.message)
            if len(asked) > 1:
                return ElicitResult(action="decline")
            asyncio.get_running_loop().call_soon(lambda: allowing.append(asyncio.create_task(allow())))
            return ElicitResult(action="accept", content={"wait_s": 40})

        async def allow():
            await ada.allow(oak.service.approvals()[0].id)

        allowing = []
        async with over_http(oak, token, mode=mode, elicitation_callback=show) as client:
            call = Called(client)
            done = await call("say", room="plans", text="may I?")
            assert (done["state"], bool(done["event"])) == ("done", True)
            assert oak.service.approvals()[0].id in asked[0]
            waits = await call("say", room="plans", text="and this?")
            assert waits["state"] == "waiting"
        await asyncio.gather(*allowing)
        await until(lambda: elm.texts() == ["may I?"], "it is said once")
        assert len(asked) == 2
        assert len(oak.service.approvals()) == 2
