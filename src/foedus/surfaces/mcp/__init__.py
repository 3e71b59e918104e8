"""The node for agents that speak MCP: tools and resources, over stdio and at /mcp (docs/mcp.md).

``tool``, ``tools/``, ``resources`` and what they stand on know nothing of the package ``mcp``; only ``server``,
``listening``, ``elicitation`` and ``stdio`` import it, and they are loaded when somebody first speaks MCP.
"""
