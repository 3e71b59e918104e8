"""The messages of y-websocket (y-protocols: sync.js, awareness.js): one in each binary WebSocket message."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from foedus.state.documents.errors import BadMessage
from foedus.state.documents.limits import CLOCK_MAX, PRESENCE_BYTES_MAX, PRESENCES_MAX
from foedus.state.documents.reading import Reader, block, number

_SYNC, _AWARENESS, _QUERY_AWARENESS = 0, 1, 3
_STEP_1, _STEP_2, _UPDATE = 0, 1, 2


class Asks(NamedTuple):
    """Sync step 1: what the sender has; it wants the rest."""

    state_vector: bytes


class Brings(NamedTuple):
    """Sync step 2 (``is_answer``) or an update: what the sender has and we may lack."""

    update: bytes
    is_answer: bool


class Presence(NamedTuple):
    """Who is there, at which clock of its own, as JSON; ``null``: gone."""

    client: int
    clock: int
    state: str


class Shows(NamedTuple):
    """Awareness: presences that changed."""

    presences: tuple[Presence, ...]


class AsksWhoIsThere(NamedTuple):
    """Wants all presences."""


Message: TypeAlias = Asks | Brings | Shows | AsksWhoIsThere
GONE = "null"


def read(data: bytes) -> Message:
    """Return a message; raise BadMessage. An update in it is not looked into."""
    reader = Reader(data, BadMessage)
    kind = reader.number()
    found: Message
    if kind == _SYNC:
        found = _sync(reader)
    elif kind == _AWARENESS:
        inner = Reader(reader.block(), BadMessage)
        found = _shows(inner)
        inner.end()
    elif kind == _QUERY_AWARENESS:
        found = AsksWhoIsThere()
    else:
        raise BadMessage(f"there is no message of kind {kind}")
    reader.end()
    return found


def _sync(reader: Reader) -> Message:
    step = reader.number()
    data = reader.block()
    if step == _STEP_1:
        _check_vector(data)
        return Asks(data)
    if step not in {_STEP_2, _UPDATE}:
        raise BadMessage(f"there is no sync step of kind {step}")
    return Brings(data, step == _STEP_2)


def _check_vector(data: bytes) -> None:
    reader = Reader(data, BadMessage)
    for _ in range(reader.count()):
        reader.number()
        reader.number(CLOCK_MAX)
    reader.end()


def _shows(reader: Reader) -> Shows:
    found = []
    for _ in range(min(reader.count(), PRESENCES_MAX + 1)):
        presence = Presence(reader.number(), reader.number(), reader.text())
        if len(presence.state) > PRESENCE_BYTES_MAX:
            raise BadMessage(f"a presence has at most {PRESENCE_BYTES_MAX} characters")
        try:
            msgspec.json.decode(presence.state)
        except (msgspec.DecodeError, RecursionError):
            raise BadMessage("a presence is not JSON") from None
        found.append(presence)
    return Shows(tuple(found))


def asks(state_vector: bytes) -> bytes:
    """Return a sync step 1."""
    return number(_SYNC) + number(_STEP_1) + block(state_vector)


def brings(update: bytes, *, is_answer: bool = False) -> bytes:
    """Return an update, or a sync step 2."""
    return number(_SYNC) + number(_STEP_2 if is_answer else _UPDATE) + block(update)


def shows(presences: tuple[Presence, ...]) -> bytes:
    """Return presences."""
    parts = [number(it.client) + number(it.clock) + block(it.state.encode()) for it in presences]
    return number(_AWARENESS) + block(number(len(presences)) + b"".join(parts))
