"""Errands as surfaces see them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class ErrandForm(Struct, frozen=True, kw_only=True):
    """What is to be called as soon as it can be, for an agent whose key the node keeps. The ids are hex.

    ``key``: what its sender calls it; the same again is the same errand. ``wait_ms``: until when.
    """

    did: str
    key: str
    context: str
    node: str
    name: str
    offer: str
    input: Any
    note: bytes
    wait_ms: int


class ErrandView(Struct, frozen=True, kw_only=True):
    """How an errand stands. ``why``: the code of what it waits for, or of how it ended; ``words`` say it to people.

    ``outcome``: ``result`` with ``output``, ``error``, ``cancelled``, ``refused`` (nothing was done), ``late`` (nothing
    was done by then), ``unknown`` (it may have been done, and is never run again), or '' while it is under way.
    """

    errand: str
    did: str
    context: str
    node: str
    name: str
    state: Literal["waiting", "called", "over"]
    why: str
    words: str
    outcome: str
    output: Any
    call: str
    at: int
    until: int
    changed: int
    note: bytes


class ErrandNews(Struct, frozen=True, kw_only=True):
    """Something new of an errand: how it stands now, or (``number`` from 1) a word of progress."""

    errand: ErrandView
    number: int = 0
    data: Any = None
