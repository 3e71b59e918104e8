"""Stream names: a stream is a named sequence with one audience; its name says who may write."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from foedus.base.cbor import Malformed
from foedus.base.ids import sha256
from foedus.base.limits import STREAM_NAME_MAX

StreamKind: TypeAlias = Literal["node", "participant", "members", "room", "pair", "knowledge", "sketch"]

NODE = "node"

_FORMS = re.compile(
    r"(?P<node>node)"
    r"|participant:(?P<participant>did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44})"
    r"|members:(?P<members>[0-9a-f]{64})"
    r"|room:(?P<room>[0-9a-f]{64})"
    r"|pair:(?P<pair>[0-9a-f]{64}:[0-9a-f]{64})"
    r"|knowledge:(?P<knowledge>(?=.{1,64}\Z)[a-z0-9]+(?:[.-][a-z0-9]+)*)"
    r"|sketch:(?P<sketch>(?=.{1,64}\Z)[a-z0-9]+(?:[.-][a-z0-9]+)*)",
)


class Stream(NamedTuple):
    """A parsed stream name: its kind and what follows the colon ('' for ``node``)."""

    kind: StreamKind
    subject: str

    @property
    def is_control(self) -> bool:
        """All streams but rooms and knowledge: few events, that a store can read apart from the many."""
        return self.kind not in {"room", "knowledge", "sketch"}

    @property
    def is_folded(self) -> bool:
        """Whether who may do what follows from it: ``authority`` holds these streams in memory."""
        return self.kind in {"participant", "members"}


NAMES_CACHED = 16_384
"""Streams and chains in use at one time; with its name an entry takes some 500 bytes."""


@lru_cache(maxsize=NAMES_CACHED)
def parse(name: str) -> Stream:
    """Return the parsed name; raise Malformed where no form fits."""
    match = _FORMS.fullmatch(name) if len(name) <= STREAM_NAME_MAX else None
    if match is None or match.lastgroup is None:
        message = f"{name[:80]!r} is not the name of a stream"
        raise Malformed(message)
    kind = match.lastgroup
    subject = "" if kind == NODE else match[kind]
    if kind == "pair" and not subject[:64] < subject[65:]:
        message = "the ids of a pair are sorted and differ"
        raise Malformed(message)
    return Stream(kind, subject)  # type: ignore[arg-type]  # the groups of the pattern are the kinds


@lru_cache(maxsize=NAMES_CACHED)
def room_of(name: str) -> bytes | None:
    """Return the id of the room whose stream has this name, None where it is of another kind."""
    stream = parse(name)
    return bytes.fromhex(stream.subject) if stream.kind == "room" else None


def participant(did: str) -> str:
    """Return the name of a participant's stream."""
    return f"participant:{did}"


def members(room: bytes) -> str:
    """Return the name of a room's membership stream."""
    return f"members:{room.hex()}"


def room(room_id: bytes) -> str:
    """Return the name of a room's stream."""
    return f"room:{room_id.hex()}"


def pair(one: bytes, other: bytes) -> str:
    """Return the name of the stream of two nodes."""
    low, high = sorted((one, other))
    return f"pair:{low.hex()}:{high.hex()}"


def knowledge(domain: str) -> str:
    """Return the name of a domain's stream; raise Malformed where that is no name of a domain."""
    name = f"knowledge:{domain}"
    parse(name)
    return name


def sketch(domain: str) -> str:
    """Return the name of the stream of a domain's sketches; raise Malformed where that is no name of a domain."""
    name = f"sketch:{domain}"
    parse(name)
    return name


@lru_cache(maxsize=NAMES_CACHED)
def chain_id(epoch: bytes, stream: str) -> bytes:
    """Return the 32-byte id of the chain (epoch, stream), by which cuts name it without telling the stream."""
    return sha256(epoch, stream.encode())


def excludes(name: str, node: bytes) -> str:
    """Return '' or the code by which the name of a stream alone refuses what a node writes there."""
    try:
        stream = parse(name)
    except Malformed:
        return Malformed.code
    return "not_permitted" if stream.kind == "pair" and node.hex() not in stream.subject.split(":") else ""
