"""The kinds of results of the built-in substrate, and what their bodies hold (docs/query.md)."""

from __future__ import annotations

MESSAGE = "message"
"""``{stream, origin, author, at, text, cut}``: what was said in a room; ``content`` is the event's id."""
PACKET = "packet"
"""``{stream, origin, packet, author, at, type, title, text, cut, confidence, tags}``: knowledge, as it stands;
``content`` is the id of the event that says it, ``packet`` of the one that began it."""
EVENT = "event"
"""``{stream, origin, seq, kind, direction, relation, of, distance}``: an event before or after another."""
CONNECTION = "connection"
"""``{between, tier, link}``: a connection of two nodes; ``content`` is the hash of both ids."""
CAPABILITY = "capability"
"""An offer as ``query.offer`` has it; ``content`` is its id."""

IN_STREAMS = frozenset({MESSAGE, EVENT, PACKET})
"""Kinds whose body names the stream: at the asking node a participant sees those of its own rooms and of knowledge."""
