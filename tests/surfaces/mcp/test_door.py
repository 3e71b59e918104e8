"""Who gets in at /mcp, and what a node holds in memory before anybody does."""

import json
import subprocess
import sys

import aiohttp
import pytest
from mcp.client.subscriptions import SubscriptionLost

from tests.node.nodes import street
from tests.node.paired import paired
from tests.surfaces.mcp.clients import custodial, over_http

pytestmark = pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
"""Clients of before subscribe so."""
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def post(running, token, body=HELLO, **headers):
    """Return status, headers and JSON (of an error) that /mcp answers with."""
    named = ACCEPT | ({"Authorization": f"Bearer {token}"} if token else {}) | headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{running.url}/mcp", data=json.dumps(body), headers=named | {"Content-Type": "application/json"}
        ) as response,
    ):
        text = await response.text()
        return response.status, response.headers, json.loads(text) if text.startswith("{") else text


async def test_only_a_participant_comes_in_and_only_as_itself(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        laptop = await paired(oak, "ada")
        refused = {token: (await post(oak, token))[::2] for token in ("", "wrong", oak.node.home.token(), laptop.token)}
        assert [(status, body["code"]) for status, body in refused.values()] == [
            (401, "unauthorized"),
            (401, "unauthorized"),
            (403, "participants_only"),
            (401, "token_not_bound"),
        ]


async def test_a_session_is_its_participants_and_ends_with_the_token(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        scout, token = await custodial(oak)
        _, other = await custodial(oak, "tally")
        status, headers, _ = await post(oak, token)
        assert status == 200
        session = {"Mcp-Session-Id": headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await post(oak, token, listing, **session))[0] == 200
        assert (await post(oak, other, listing, **session))[0] == 404
        await oak.service.token_revoke(scout, "")
        assert (await post(oak, token, listing, **session))[0] == 401


async def test_a_stream_ends_with_its_token(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        room = await oak.service.room_create("home")
        did, token = await custodial(oak)
        resource = f"foedus://rooms/{room.room}"
        async with over_http(oak, token) as client, client.listen(resource_subscriptions=[resource]) as changes:
            await oak.service.token_revoke(did, "")
            with pytest.raises(SubscriptionLost):
                await anext(changes)


async def test_a_server_that_stops_ends_open_sessions(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        room = await oak.service.room_create("home")
        _, token = await custodial(oak)
        async with over_http(oak, token, mode="legacy") as client:
            await client.subscribe_resource(f"foedus://rooms/{room.room}")
            await nodes.stop("oak")


@pytest.mark.parametrize("module", ["foedus.surfaces.serve", "foedus.surfaces.cli.main"])
def test_a_node_holds_nothing_of_mcp_until_somebody_speaks_it(module):
    looking = (
        f"import sys, {module}; print([it for it in ('mcp', 'pydantic', 'starlette', 'a2a') if it in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", looking], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
