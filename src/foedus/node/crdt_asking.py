"""Operations as people and programs ask for them, turned into deltas. Also of use to who signs them on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UNSET

from foedus.base.base64url import to_base64url
from foedus.base.cbor import Malformed, NotCanonical, decode, decode_as, encode
from foedus.base.clock import Hlc
from foedus.base.errors import UsageError
from foedus.log.bodies import CrdtDelta
from foedus.node.crdt_forms import CrdtAsk
from foedus.state.crdt import TYPES, Origin, delta_bytes, read_delta
from foedus.state.crdt.deltas import (
    CounterDelta,
    Delta,
    GrowSetDelta,
    MapDelta,
    RegisterDelta,
    SetDelta,
    Transfer,
    TransferDelta,
)

Dots = Callable[[bytes], Sequence[tuple[bytes, int]]]
"""The additions of a value (its canonical bytes) that live: (epoch, number) each."""

_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "grow-set": frozenset({"add"}),
        "set": frozenset({"add", "remove"}),
        "register": frozenset({"value"}),
        "map": frozenset({"set", "remove"}),
        "counter": frozenset({"by"}),
        "transfer": frozenset({"transfers"}),
    }
)
"""The operations of each type."""
_NOTHING: Mapping[str, Any] = MappingProxyType(
    {"value": UNSET, "set": {}, "add": [], "remove": [], "by": None, "transfers": []}
)
UNPLACED = Origin(Hlc(0, 0), bytes(32), bytes(32), 1)
"""Where a delta is taken to stand when only its shape is looked at."""


class BadOperation(UsageError):
    """That cannot be done to such a CRDT."""

    code = "bad_operation"
    remedy = "see docs/state.md for what each type takes; numbers are integers (ratios in millionths), never floats"


def value_bytes(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value; raise BadOperation: floats and integers over 64 bits have none."""
    try:
        data = encode(value)
        decode(data)
    except (ValueError, TypeError, RecursionError, NotCanonical) as error:
        raise BadOperation(f"{str(value)[:80]!r} is no value: {error}") from None
    return data


def delta_of(asked: CrdtAsk, dots: Dots) -> bytes:
    """Return the delta that was asked for, as it stands in an event; raise BadOperation.

    ``dots`` are those of the set as it is here: a removal ends what is seen here, and adding what is there already
    replaces its additions by one.
    """
    if asked.type not in _FIELDS:
        raise BadOperation(f"there is no type {asked.type[:80]!r}: there are {', '.join(TYPES)}")
    given = {name for name in _NOTHING if getattr(asked, name) != _NOTHING[name]}
    if not given or given - _FIELDS[asked.type]:
        raise BadOperation(f"a {asked.type} takes {' and '.join(sorted(_FIELDS[asked.type]))}")
    data = delta_bytes(_delta(asked, dots))
    try:
        read_delta(asked.type, data, UNPLACED)
    except (Malformed, NotCanonical) as error:
        raise BadOperation(str(error)) from None
    return data


def _delta(asked: CrdtAsk, dots: Dots) -> Delta:  # one line for each type
    match asked.type:
        case "grow-set":
            return GrowSetDelta(_values(asked.add))
        case "set":
            return _set_delta(_values(asked.add), _values(asked.remove), dots)
        case "register":
            return RegisterDelta(value_bytes(asked.value))
        case "map":
            return MapDelta({key: value_bytes(value) for key, value in asked.set.items()}, _keys(asked.remove))
        case "counter":
            by = asked.by or 0
            return CounterDelta(max(by, 0), max(-by, 0))
        case _:
            transfers = asked.transfers
            return TransferDelta(
                tuple(Transfer(it.source, it.target, it.improvement, it.confidence, it.cycle) for it in transfers)
            )


def described(body: bytes) -> str:
    """Return what a ``crdt.delta`` does, for the person who is asked to allow it; '' where it has not its shape."""
    try:
        found = decode_as(body, CrdtDelta)
        read_delta(found.type, found.delta, UNPLACED)
        return f"{found.type} {found.name}: {shown(_read(decode(found.delta)))}"
    except (Malformed, NotCanonical):
        return ""


def check_body(data: bytes) -> CrdtDelta:
    """Return the body of a delta; raise UsageError where every node would find nothing in it."""
    try:
        body = decode_as(data, CrdtDelta)
        read_delta(body.type, body.delta, UNPLACED)
    except (NotCanonical, Malformed) as error:
        raise UsageError(f"the body of the delta: {error}", code="malformed_event") from None
    return body


def _read(delta: Any) -> Any:
    """Return a delta with its values decoded; ids, which are no values, stay bytes."""
    if isinstance(delta, bytes):
        with suppress(NotCanonical):
            return decode(delta)
    if isinstance(delta, list):
        return [_read(item) for item in delta]
    return {key: _read(item) for key, item in delta.items()} if isinstance(delta, dict) else delta


def plain_json(value: Any) -> Any:
    """Return a value as JSON can show it: bytes as {"bytes": unpadded base64url}."""
    if isinstance(value, bytes):
        return {"bytes": to_base64url(value)}
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    return {key: plain_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def shown(value: Any) -> str:
    """Return a value in one line, as JSON."""
    return msgspec.json.encode(plain_json(value)).decode()


def _values(values: Iterable[Any]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(value_bytes(value) for value in values))


def _keys(values: Iterable[Any]) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(values))
    if not all(isinstance(key, str) for key in keys):
        raise BadOperation("the keys of a map are text")
    return keys


def _set_delta(add: tuple[bytes, ...], remove: tuple[bytes, ...], dots: Dots) -> SetDelta:
    if set(add) & set(remove):
        raise BadOperation("a value is added or removed, not both at once")
    ended: dict[bytes, list[int]] = {}
    for value in (*add, *remove):
        for epoch, number in dots(value):
            ended.setdefault(epoch, []).append(number)
    if not add and not ended:
        raise UsageError("none of these is in the set here", code="not_in_set", http_status=409, remedy="look again")
    return SetDelta(add, tuple((epoch, tuple(sorted(numbers))) for epoch, numbers in sorted(ended.items())))
