"""The last-writer-wins map: a register for each key. A removal is a write, so it stays, without a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import convert, decode, learn
from foedus.base.clock import Hlc
from foedus.state.crdt.base import Crdt, check_ascending, check_value
from foedus.state.crdt.limits import ENTRIES_MAX, KEY_MAX
from foedus.state.crdt.register import ABSENT, Written

Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
_Shape: TypeAlias = Annotated[list[tuple[Key, Written]], Meta(max_length=ENTRIES_MAX)]


class Map(Crdt):
    """Join: for each key the greater of the two."""

    __slots__ = ("entries",)
    type = "map"

    def __init__(self, entries: dict[str, Written] | None = None) -> None:
        self.entries = entries if entries is not None else {}

    def copy(self) -> Self:
        """Return an equal state."""
        return type(self)(dict(self.entries))

    def _join(self, other: Map) -> None:
        mine = self.entries
        get = mine.get
        for key, theirs in other.entries.items():
            held = get(key)
            if held is None or theirs > held:
                mine[key] = theirs

    def plain(self) -> list[Any]:
        """Return ``[[key, [µs, counter, node, value or nothing]] …]``, sorted (by code point, hence by UTF-8)."""
        return [[key, list(self.entries[key])] for key in sorted(self.entries)]

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such a list."""
        rows = convert(plain, _Shape)
        check_ascending([key for key, _ in rows])
        for _, written in rows:
            if written.value != ABSENT:
                check_value(written.value)
        return cls(dict(rows))

    def value(self) -> dict[str, Any]:
        """Return the keys that have a value, sorted, with their values."""
        held = {key: written.value for key, written in self.entries.items() if written.value != ABSENT}
        return {key: decode(held[key]) for key in sorted(held)}

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether the node wrote every entry, and no later."""
        del covers
        return all(written.is_by(node, until) for written in self.entries.values())

    def size(self) -> int:
        """Return how many keys were ever written."""
        return len(self.entries)


learn(_Shape)
