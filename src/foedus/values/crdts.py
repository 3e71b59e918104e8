"""Values of rooms that merge."""

from __future__ import annotations

from typing import Any

from msgspec import field

from foedus.values.node import View


class TransferAsk(View, frozen=True):
    """What learning in ``source`` brought to ``target``: improvement and confidence in millionths."""

    source: str
    target: str
    improvement: int
    confidence: int
    cycle: int


class AdditionView(View, frozen=True):
    """One addition to a set that lives: what a removal that a device signs has to name."""

    value: Any
    epoch: str
    number: int


class CrdtView(View, frozen=True):
    """A CRDT of a room as it is here now. ``value`` by its type; bytes in it are {"bytes": base64url}."""

    room: str
    name: str
    type: str
    entries: int
    writers: list[str]
    """The nodes whose people and agents wrote to it."""
    holes: int
    """Chains in which something of it may be that does not count here: it waits, is withheld, or was dropped."""
    value: Any = None
    """None in lists."""
    digest: str = ""
    """SHA-256 of its canonical bytes, equal at every node that counts the same events; '' in lists."""
    additions: list[AdditionView] = field(default_factory=list)
    """set, where they were asked for."""
