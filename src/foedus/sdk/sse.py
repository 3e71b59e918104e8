"""Server-sent events (WHATWG HTML, section 9.2) from chunks of bytes. Pure."""

from __future__ import annotations

from typing import NamedTuple

from foedus.base.limits import ENVELOPE_MAX
from foedus.sdk.errors import BadAnswer

LINE_MAX = 16 * ENVELOPE_MAX
"""Bytes in a line: one event in JSON, each byte escaped."""


class Message(NamedTuple):
    """One event of a stream. ``name`` '' where it has none; ``cursor``: the last id until now."""

    name: str
    cursor: str
    data: bytes


class Parser:
    """Takes chunks as they come, and gives the events that they complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._cursor = self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Message]:
        """Return what the chunk completes; raise BadAnswer where a line has no end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_MAX:
            raise BadAnswer(f"a line of the stream has over {LINE_MAX} bytes")
        return [message for line in lines if (message := self._line(line.removesuffix(b"\r")))]

    def _line(self, line: bytes) -> Message | None:
        if not line:
            return self._complete()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"id":
            self._cursor = value.decode("utf-8", "replace")
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _complete(self) -> Message | None:
        data, name = b"\n".join(self._data), self._name
        self._data, self._name = [], ""
        return Message(name, self._cursor, data) if data or name else None
