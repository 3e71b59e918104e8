"""MCP over stdin and stdout: one program, one agent, for as long as its client keeps the pipe open."""

from __future__ import annotations

from mcp.server.stdio import stdio_server

from foedus.sdk.client import Client
from foedus.surfaces.http.other_protocols import ParticipantsOnly
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.server import make_server


async def serve_stdio(client: Client) -> None:
    """Serve until stdin ends; raise what the node says of the token, and ParticipantsOnly for the operator's."""
    caller, node = await client.access.caller(), await client.node.identity()
    if not caller.did:
        raise ParticipantsOnly("an agent acts as its own participant, and this token is the operator's")
    desk = Desk(client, node.node, caller.did)
    server = make_server(lambda _: desk)
    try:
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
    finally:
        await desk.close()
