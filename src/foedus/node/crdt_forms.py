"""What surfaces ask of CRDTs."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from foedus.values.crdts import TransferAsk
from foedus.values.node import View


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
