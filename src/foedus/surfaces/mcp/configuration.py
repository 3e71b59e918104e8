"""What to paste into the configuration of MCP clients. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

ClientName = Literal["claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "other"]

WHERE: Mapping[str, str] = {
    "claude-desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "claude-code": ".mcp.json in the project's folder",
    "cursor": ".cursor/mcp.json in the project's folder, or ~/.cursor/mcp.json",
    "vscode": ".vscode/mcp.json in the project's folder",
    "windsurf": "~/.codeium/windsurf/mcp_config.json",
    "other": "where the client keeps its MCP servers",
}


class Access(NamedTuple):
    """How an agent reaches its node: ``device`` is the folder of its own key, '' where the node keeps it."""

    url: str
    token: str
    device: str


def block(client: ClientName, access: Access, *, http: bool) -> dict[str, Any]:
    """Return the block for a client: over stdio, or (``http``) by the node's own /mcp."""
    server = _over_http(client, access) if http else _over_stdio(client, access)
    return {"servers" if client == "vscode" else "mcpServers": {"foedus": server}}


def _over_stdio(client: ClientName, access: Access) -> dict[str, Any]:
    environment = {"FOEDUS_URL": access.url, "FOEDUS_TOKEN": access.token}
    if access.device:
        environment["FOEDUS_DEVICE"] = access.device
    typed = {"type": "stdio"} if client in {"vscode", "claude-code"} else {}
    return typed | {"command": "foedus", "args": ["mcp"], "env": environment}


def _over_http(client: ClientName, access: Access) -> dict[str, Any]:
    address = {"serverUrl" if client == "windsurf" else "url": f"{access.url}/mcp"}
    typed = {"type": "http"} if client in {"vscode", "claude-code"} else {}
    return typed | address | {"headers": {"Authorization": f"Bearer {access.token}"}}
