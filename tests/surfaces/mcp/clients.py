"""The official MCP client, over both transports, for tests with real nodes in this process."""

import os
import sys
from contextlib import asynccontextmanager

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from foedus.adapters.device_folder import DeviceFolder
from foedus.adapters.device_profiles import Profile, save_profile
from tests.node.people import agent


async def custodial(running, name="scout"):
    """Make an agent whose key its node keeps; return its DID and its token."""
    did = await agent(running, name)
    return did, (await running.service.token_issue(did, "")).token


@asynccontextmanager
async def over_http(running, token, **options):
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=http), **options) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(running, token, *, device="", **options):
    environment = {
        "FOEDUS_URL": running.url,
        "FOEDUS_TOKEN": token,
        "FOEDUS_DEVICE": str(device or running.path / "no-device"),
        "FOEDUS_HOME": str(running.path / "no-home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    arguments = ["-m", "foedus.surfaces.cli.main", "mcp"]
    program = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    async with Client(program, **options) as client:
        yield client


TRANSPORTS = {"http": over_http, "stdio": over_stdio}


async def device_of(running, person, folder):
    """Put the key of an agent into a device folder, paired with its node; return its token."""
    kept = DeviceFolder(folder)
    node = running.node.store.node
    kept.add(person.name, person.did, node, "agent", person.key.seed, None)
    token = (await running.service.token_issue(person.did, "")).token
    profile = Profile(running.url, node.hex(), person.did, person.key.public.hex(), person.name, token)
    save_profile(kept.path, profile)
    return token


class Called:
    """Calls tools, and remembers which."""

    def __init__(self, client):
        self.client = client
        self.names = set()

    async def __call__(self, name, /, **arguments):
        """Return what a tool answered; it did."""
        result = await self.client.call_tool(name, arguments)
        assert not result.is_error, result.content[0].text
        self.names.add(name)
        return result.structured_content

    async def text(self, name, /, **arguments):
        """Return what a model reads."""
        return (await self.client.call_tool(name, arguments)).content[0].text

    async def refused(self, name, /, **arguments):
        """Return the error of a tool."""
        result = await self.client.call_tool(name, arguments)
        assert result.is_error
        return result.content[0].text
