"""The operations that events carry, and the small states that they are.

A delta says what its author does; by which stamp it wins and by which dots it is remembered follows from where its
event stands (``Origin``). So an author can sign it before its node orders it, and nobody can date it forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, check_items, convert, decode_as, encode, learn, strict, to_plain
from foedus.state.crdt.base import VERSION, Crdt, Origin, Value, check_value, dot
from foedus.state.crdt.counter import Amount, Counter
from foedus.state.crdt.grow_set import GrowSet
from foedus.state.crdt.limits import ITEMS_MAX, OPERATIONS_MAX, REPLICAS_MAX, STATE_BYTES_MAX
from foedus.state.crdt.map import Key, Map
from foedus.state.crdt.observed_set import ObservedSet
from foedus.state.crdt.register import ABSENT, Register, Written
from foedus.state.crdt.seen import Epoch, Number
from foedus.state.crdt.transfer import Confidence, Cycle, Improvement, Measured, Transfers

_Values: TypeAlias = Annotated[tuple[Value, ...], Meta(max_length=OPERATIONS_MAX)]
_Removed: TypeAlias = Annotated[tuple[tuple[Epoch, tuple[Number, ...]], ...], Meta(max_length=REPLICAS_MAX)]


class _Delta(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class GrowSetDelta(_Delta, frozen=True):
    """Values that are in the set from now on."""

    add: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=OPERATIONS_MAX)]


class SetDelta(_Delta, frozen=True):
    """Values that come in, and the dots ``[epoch, [number …]]`` of additions that the author saw and ends."""

    add: _Values
    remove: _Removed


class RegisterDelta(_Delta, frozen=True):
    """The value from now on."""

    value: Value


class MapDelta(_Delta, frozen=True):
    """Keys that get a value, and keys that lose theirs; none is in both."""

    set: dict[Key, Value]
    remove: tuple[Key, ...]


class CounterDelta(_Delta, frozen=True):
    """What is added and what is taken away."""

    plus: Amount
    minus: Amount


class Transfer(NamedTuple):
    """What learning in ``source`` brought to ``target``: improvement and confidence in millionths."""

    source: Key
    target: Key
    improvement: Improvement
    confidence: Confidence
    cycle: Cycle


class TransferDelta(_Delta, frozen=True):
    """Measurements."""

    transfers: Annotated[tuple[Transfer, ...], Meta(min_length=1, max_length=OPERATIONS_MAX)]


Delta: TypeAlias = GrowSetDelta | SetDelta | RegisterDelta | MapDelta | CounterDelta | TransferDelta


def _grow_set(delta: GrowSetDelta, _origin: Origin) -> Crdt:
    return GrowSet(check_value(value) for value in delta.add)


def _set(delta: SetDelta, origin: Origin) -> Crdt:
    state = ObservedSet()
    if sum(len(numbers) for _, numbers in delta.remove) > OPERATIONS_MAX:
        raise Malformed(f"a delta removes at most {OPERATIONS_MAX} additions")
    for epoch, numbers in delta.remove:
        for number in numbers:
            state.remove(epoch, number)
    for index, value in enumerate(delta.add):
        state.add(origin.epoch, dot(origin.seq, index), check_value(value))
    return state


def _register(delta: RegisterDelta, origin: Origin) -> Crdt:
    return Register(_written(origin, check_value(delta.value)))


def _map(delta: MapDelta, origin: Origin) -> Crdt:
    if not 0 < len(delta.set) + len(delta.remove) <= OPERATIONS_MAX or delta.set.keys() & set(delta.remove):
        raise Malformed(f"a delta writes 1 to {OPERATIONS_MAX} keys, each once")
    entries = {key: _written(origin, check_value(value)) for key, value in delta.set.items()}
    return Map(entries | {key: _written(origin, ABSENT) for key in delta.remove})


def _counter(delta: CounterDelta, origin: Origin) -> Crdt:
    state = Counter()
    state.add(origin.epoch, dot(origin.seq, 0), delta.plus, delta.minus)
    return state


def _transfer(delta: TransferDelta, origin: Origin) -> Crdt:
    state = Transfers()
    for source, target, improvement, confidence, cycle in delta.transfers:
        measured = Measured(cycle, *origin.hlc, origin.node, confidence, improvement)
        state.absorb(Transfers({(source, target): measured}))
    return state


def _written(origin: Origin, value: Value) -> Written:
    return Written(*origin.hlc, origin.node, value)


class _Kind(NamedTuple):
    state: type[Crdt]
    delta: type[Delta]
    placed: Callable[[Any, Origin], Crdt]


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        kind.state.type: kind
        for kind in (
            _Kind(GrowSet, GrowSetDelta, _grow_set),
            _Kind(ObservedSet, SetDelta, _set),
            _Kind(Register, RegisterDelta, _register),
            _Kind(Map, MapDelta, _map),
            _Kind(Counter, CounterDelta, _counter),
            _Kind(Transfers, TransferDelta, _transfer),
        )
    }
)
TYPES: tuple[str, ...] = tuple(_KINDS)
"""The types of version 1."""


def _kind(name: str) -> _Kind:
    kind = _KINDS.get(name)
    if kind is None:
        raise Malformed(f"there is no type {name[:80]!r} of CRDT: there are {', '.join(TYPES)}")
    return kind


def empty(type_: str) -> Crdt:
    """Return the state in which nothing was done; raise Malformed where there is no such type."""
    return _kind(type_).state()


def read_delta(type_: str, data: bytes, origin: Origin) -> Crdt:
    """Return the state that a delta is, at its place in the log.

    ``data``: canonical bytes. Raises NotCanonical or Malformed: such a delta is nothing, at every node.
    """
    kind = _kind(type_)
    return kind.placed(decode_as(data, kind.delta), origin)


def delta_bytes(delta: Delta) -> bytes:
    """Return what stands in the body of an event."""
    return encode(to_plain(delta))


class _Encoded(Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    v: int
    state: Any


def parse_state(data: bytes) -> Crdt:
    """Return the state of its canonical bytes; raise NotCanonical or Malformed, whatever the bytes."""
    if len(data) > STATE_BYTES_MAX:
        raise Malformed(f"a state has at most {STATE_BYTES_MAX} bytes")
    check_items(data, ITEMS_MAX)
    encoded = convert(strict(data), _Encoded)
    if encoded.v != VERSION:
        raise Malformed(f"states have version {VERSION}")
    return _kind(encoded.type).state.from_plain(encoded.state)


learn(_Encoded, *(kind.delta for kind in _KINDS.values()))
