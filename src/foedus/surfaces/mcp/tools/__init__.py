"""What an agent can do, by what it is about."""

from __future__ import annotations

from foedus.surfaces.mcp.tool import Tool
from foedus.surfaces.mcp.tools import consent, councils, documents, federation, knowledge, rooms

_PARTS = (rooms, documents, knowledge, federation, councils, consent)
TOOLS: dict[str, Tool] = {it.name: it for part in _PARTS for it in part.TOOLS}
