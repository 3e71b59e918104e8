"""What an agent can do, by what it is about."""

from __future__ import annotations

from foedus.surfaces.mcp.tool import Tool
from foedus.surfaces.mcp.tools import consent, documents, federation, knowledge, rooms

TOOLS: dict[str, Tool] = {
    it.name: it for it in (*rooms.TOOLS, *documents.TOOLS, *knowledge.TOOLS, *federation.TOOLS, *consent.TOOLS)
}
