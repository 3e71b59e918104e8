"""The grow-only set: what was said once stays said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import convert, decode, learn
from foedus.base.clock import Hlc
from foedus.state.crdt.base import Crdt, Value, check_ascending, check_value
from foedus.state.crdt.limits import ENTRIES_MAX

_Shape: TypeAlias = Annotated[list[Value], Meta(max_length=ENTRIES_MAX)]


class GrowSet(Crdt):
    """Join: union."""

    __slots__ = ("values",)
    type = "grow-set"

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self.values = set(values)

    def copy(self) -> Self:
        """Return an equal state."""
        return type(self)(self.values)

    def _join(self, other: GrowSet) -> None:
        self.values |= other.values

    def plain(self) -> list[Value]:
        """Return ``[value …]``, sorted by their bytes."""
        return sorted(self.values)

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such a list."""
        values = convert(plain, _Shape)
        check_ascending(values)
        return cls(check_value(value) for value in values)

    def value(self) -> list[Any]:
        """Return the members."""
        return [decode(value) for value in sorted(self.values)]

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Return True: who says a value is not kept."""
        del node, covers, until
        return True

    def size(self) -> int:
        """Return how many members it has."""
        return len(self.values)


learn(_Shape)
