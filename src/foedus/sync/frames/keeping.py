"""Frames that keep a link alive, and the one that ends it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.sync.frames.fields import Code, Seq


class Ping(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ping"):
    """Asks for a pong with the same number."""

    number: Seq


class Pong(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pong"):
    """Answers a ping; ``clock`` is its sender's wall clock, so that each side can tell how far the clocks differ."""

    number: Seq
    clock: Annotated[int, Meta(ge=0, lt=1 << 62)]


class Bye(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bye"):
    """The last frame of a side: why it closes."""

    code: Code
