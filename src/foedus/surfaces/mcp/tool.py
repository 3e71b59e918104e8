"""A tool: what it takes, what it answers, and what runs. Its schemas come from its types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct

from foedus.base.errors import UsageError
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.values import Answer

_DEFINITIONS = "#/$defs/"


class BadArguments(UsageError):
    """The arguments of a tool are not as its schema says."""

    code = "bad_arguments"
    remedy = "compare them with the tool's input schema"


class Takes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tool takes."""


class Tool:
    """One tool. ``reads``: it changes nothing, anywhere."""

    def __init__(
        self, takes: type[Takes], answer: type[Answer], run: Callable[[Desk, Any], Awaitable[Answer]], *, reads: bool
    ) -> None:
        self.name = run.__name__
        self.title = self.name.replace("_", " ").capitalize()
        self.about = " ".join((run.__doc__ or "").split())
        self.reads = reads
        self._takes = takes
        self.answer = answer
        self._run = run

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of what it takes."""
        return schema_of(self._takes)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """The JSON Schema of what it answers."""
        return schema_of(self.answer)

    async def call(self, desk: Desk, arguments: dict[str, Any]) -> Answer:
        """Run it; raise BadArguments, or what the node says."""
        try:
            taken = msgspec.convert(arguments, self._takes)
        except msgspec.ValidationError as error:
            raise BadArguments(f"{self.name}: {error}") from None
        return await self._run(desk, taken)


def tool(
    takes: type[Takes], answer: type[Answer], *, reads: bool = False
) -> Callable[[Callable[[Desk, Any], Awaitable[Answer]]], Tool]:
    """Make a tool of a coroutine function: its name is the tool's, its docstring what an agent reads."""
    return lambda run: Tool(takes, answer, run, reads=reads)


def schema_of(kind: type[Struct]) -> dict[str, Any]:
    """Return a JSON Schema whose root is the object itself, as MCP wants it."""
    _, components = msgspec.json.schema_components([kind], ref_template=f"{_DEFINITIONS}{{name}}")
    root = dict(components.pop(kind.__name__))
    return root | {"$defs": components} if components else root
