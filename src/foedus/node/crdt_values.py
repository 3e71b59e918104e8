"""What the surfaces give and get of CRDTs."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from foedus.node.values import View


class TransferAsk(View, frozen=True):
    """What learning in ``source`` brought to ``target``: improvement and confidence in millionths."""

    source: str
    target: str
    improvement: int
    confidence: int
    cycle: int


class CrdtAsk(View, frozen=True):
    """Operations of a custodial agent, or ('') of the node itself. Each type takes those that it has."""

    type: str
    as_: str = ""
    value: Any | UnsetType = UNSET
    """register: its value from now on."""
    set: dict[str, Any] = field(default_factory=dict)
    """map: keys with their values."""
    add: list[Any] = field(default_factory=list)
    """set, grow-set: values that come in."""
    remove: list[Any] = field(default_factory=list)
    """set: values that go; map: keys that go."""
    by: int | None = None
    """counter: what is added, below 0: taken away."""
    transfers: list[TransferAsk] = field(default_factory=list)


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
