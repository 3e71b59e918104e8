"""What a node tells others of who is in a document at it, signed by the node. Nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.limits import NAME_MAX, PRESENCE_STATEMENT_MAX
from foedus.log.event import Id
from foedus.state.documents.limits import NUMBER_MAX, PRESENCE_CROSSING_MAX
from foedus.state.documents.messages import Presence

_BYTES_OF_ONE = 256
"""What a presence takes beside its state: a DID, an id, two numbers and their headers."""
_HEAD_BYTES = 512
"""What a statement takes beside its presences."""
SHOWN_MAX = 256


class Shown(NamedTuple):
    """A presence: the Yjs client and clock, the state as JSON (``null``: gone), whose it is, and by what right.

    ``by``: an act of theirs in this room, which they might only write if they may speak there; or None.
    """

    client: Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
    clock: Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
    state: Annotated[str, Meta(max_length=PRESENCE_CROSSING_MAX)]
    did: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    by: Id | None

    @property
    def presence(self) -> Presence:
        """It as clients tell it."""
        return Presence(self.client, self.clock, self.state)


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is in a document of a room at the node of ``epoch``: those that changed. ``at`` grows with each."""

    at: Annotated[Instant, Meta(ge=0, lt=1 << 62)]
    epoch: Id
    room: Id
    document: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    shown: Annotated[tuple[Shown, ...], Meta(min_length=1, max_length=SHOWN_MAX)]


learn(Statement)


def pages(shown: Iterable[Shown]) -> Iterator[tuple[Shown, ...]]:
    """Cut presences so that each page fits a statement; those that are too large to cross are left out."""
    page: list[Shown] = []
    left = PRESENCE_STATEMENT_MAX - _HEAD_BYTES
    for each in shown:
        if len(each.state) > PRESENCE_CROSSING_MAX:
            continue
        size = len(each.state.encode()) + _BYTES_OF_ONE
        if page and (size > left or len(page) == SHOWN_MAX):
            yield tuple(page)
            page, left = [], PRESENCE_STATEMENT_MAX - _HEAD_BYTES
        page.append(each)
        left -= size
    if page:
        yield tuple(page)


def write(statement: Statement) -> bytes:
    """Return the bytes that are signed."""
    return encode(to_plain(statement))


def read(data: bytes) -> Statement:
    """Return a statement; raise NotCanonical or Malformed, also where a state is no JSON."""
    statement = decode_as(data, Statement)
    for each in statement.shown:
        try:
            msgspec.json.decode(each.state)
        except (msgspec.DecodeError, RecursionError):
            raise Malformed("a presence is not JSON") from None
    return statement
