"""Which of two links to one peer stays. Both sides decide alone and must decide the same."""

from __future__ import annotations

from enum import Enum


class DialledBy(Enum):
    """Who opened a link."""

    US = "us"
    PEER = "peer"


class Stays(Enum):
    """Which link stays; the other is closed with code ``duplicate``."""

    EXISTING = "existing"
    NEW = "new"


def keep(existing: DialledBy, new: DialledBy, own_id: bytes, peer_id: bytes) -> Stays:
    """Return which of two links that are both ready stays.

    Dialled by the same side the newer one: its dialler has lost the older. Dialled by both, the one
    that the smaller node id dialled. Ids are node ids, 32 bytes; equal ones raise ValueError (the
    handshake closes a link to oneself).
    """
    if own_id == peer_id:
        raise ValueError("a node has no link to itself")
    if existing is new:
        return Stays.NEW
    preferred = DialledBy.US if own_id < peer_id else DialledBy.PEER
    return Stays.EXISTING if existing is preferred else Stays.NEW
