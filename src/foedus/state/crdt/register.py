"""The last-writer-wins register: of several values the one with the greatest (clock, node)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from msgspec import Meta

from foedus.base.cbor import convert, decode, learn
from foedus.base.clock import Hlc
from foedus.base.limits import HLC_COUNTER_MAX
from foedus.state.crdt.base import Crdt, Value, check_value
from foedus.state.crdt.seen import Epoch

Microseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
Counter: TypeAlias = Annotated[int, Meta(ge=0, lt=HLC_COUNTER_MAX)]

ABSENT: Value = b""
"""What a removal writes: no value has these bytes, and of equal stamps a value goes before it."""


class Written(NamedTuple):
    """A value and who wrote it when. The greatest as a tuple wins: the clock, then the node, then the bytes.

    One node never writes twice at one time, so the bytes decide only between states that somebody made up.
    """

    us: Microseconds
    counter: Counter
    node: Epoch
    value: Value

    def is_by(self, node: bytes, until: Hlc) -> bool:
        """Whether a node wrote it, by a clock up to ``until``."""
        return self.node == node and Hlc(self.us, self.counter) <= until


class Register(Crdt):
    """Join: the greater of the two."""

    __slots__ = ("written",)
    type = "register"

    def __init__(self, written: Written | None = None) -> None:
        self.written = written

    def copy(self) -> Self:
        """Return an equal state."""
        return type(self)(self.written)

    def _join(self, other: Register) -> None:
        if other.written is not None and (self.written is None or other.written > self.written):
            self.written = other.written

    def plain(self) -> list[Any] | None:
        """Return ``[µs, counter, node, value]``, null where nothing was written."""
        return None if self.written is None else list(self.written)

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the state of such a list."""
        written = None if plain is None else convert(plain, Written)
        if written is not None:
            check_value(written.value)
        return cls(written)

    def value(self) -> Any:
        """Return the value, None where there is none."""
        return None if self.written is None else decode(self.written.value)

    def is_by(self, node: bytes, covers: Mapping[bytes, int], until: Hlc) -> bool:
        """Whether the node wrote it, and no later."""
        del covers
        return self.written is None or self.written.is_by(node, until)

    def size(self) -> int:
        """Return 1 where something was written."""
        return int(self.written is not None)


learn(Written)
