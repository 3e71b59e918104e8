"""An answer as a model reads it: one line of JSON, and below it what is foreign, between its marks."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from foedus.surfaces.mcp.marking import inert_json, label_of
from foedus.surfaces.mcp.values import Answer, Told


def rendered(answer: Answer) -> str:
    """Return the text of an answer. Nothing but our own marks looks like one, whatever was written where."""
    blocks: list[str] = []
    return "\n".join([inert_json(_plain(answer, blocks)), *blocks])


def _plain(value: Any, blocks: list[str]) -> Any:
    """Return a value without what is foreign, which goes to ``blocks``. Only a Told has such; no content is one."""
    if isinstance(value, Told) and value.foreign_content is not None:
        blocks.append(value.foreign_content)
        return {
            "origin": msgspec.to_builtins(value.origin),
            "foreign_content": f"{label_of(value.foreign_content)}, below",
        }
    if isinstance(value, Struct):
        kept = msgspec.to_builtins(value)  # leaves out what is as ever
        return {name: _plain(getattr(value, name), blocks) for name in kept}
    return [_plain(each, blocks) for each in value] if isinstance(value, list) else value
