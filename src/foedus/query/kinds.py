"""The kinds of results of the built-in substrate, and what their bodies hold (docs/query.md)."""

from __future__ import annotations

MESSAGE = "message"
"""``{stream, origin, author, at, text, cut}``: what was said in a room; ``content`` is the event's id."""
EVENT = "event"
"""``{stream, origin, seq, kind, direction, relation, of, distance}``: an event before or after another."""
CONNECTION = "connection"
"""``{between, tier, link}``: a connection of two nodes; ``content`` is the hash of both ids."""

IN_STREAMS = frozenset({MESSAGE, EVENT})
"""Kinds whose body names the stream: at the asking node a participant is shown those of its own rooms alone."""
