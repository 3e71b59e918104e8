"""What a node can do, as ``{name: {"major": n, parameter: n, ...}}``, and what two nodes have in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Parameter: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Capability: TypeAlias = Annotated[dict[Name, Parameter], Meta(max_length=16)]
Capabilities: TypeAlias = Annotated[dict[Name, Capability], Meta(max_length=64)]
"""Bounded: 64 names of 16 parameters are 70 KB at the very most, and version 1 names a handful."""

MAJOR = "major"


def negotiate(mine: Capabilities, theirs: Capabilities) -> Capabilities:
    """Return what both sides have: names of equal major, and of parameters that both name the smaller.

    A capability without ``major`` matches none. The result is the same whoever computes it.
    """
    return {
        name: _smaller(mine[name], theirs[name])
        for name in sorted(mine.keys() & theirs.keys())
        if MAJOR in mine[name] and mine[name][MAJOR] == theirs[name].get(MAJOR)
    }


def _smaller(mine: Capability, theirs: Capability) -> Capability:
    return {parameter: min(mine[parameter], theirs[parameter]) for parameter in sorted(mine.keys() & theirs.keys())}
