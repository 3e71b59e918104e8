"""Changes to the values of rooms that merge, and the deltas that they are in signed acts (docs/protocol.md, CRDTs)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from foedus.base.base64url import to_base64url
from foedus.base.cbor import NotCanonical, decode, encode
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.sdk.speaking import InRoom, act_in_room, settled, signs_for
from foedus.values.crdts import AdditionView, TransferAsk
from foedus.values.node import Placed, SignedAct

if TYPE_CHECKING:
    from foedus.sdk.client import Client


class BadChange(UsageError):
    """Such a value does not take this."""

    code = "bad_operation"
    remedy = "see docs/state.md for what each type takes; numbers are integers (ratios in millionths), never floats"


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be done. Each type takes what is named for it; values are JSON without floats.

    ``as_``: an agent whose key the node keeps; '' is the client's device, or the node itself.
    """

    type: Literal["register", "map", "set", "grow-set", "counter", "transfer"]
    as_: str = field(default="", name="as")
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


_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "register": frozenset({"value"}),
        "map": frozenset({"set", "remove"}),
        "set": frozenset({"add", "remove"}),
        "grow-set": frozenset({"add"}),
        "counter": frozenset({"by"}),
        "transfer": frozenset({"transfers"}),
    }
)
_NOTHING: Mapping[str, Any] = MappingProxyType(
    {"value": UNSET, "set": {}, "add": [], "remove": [], "by": None, "transfers": []}
)


async def change(client: Client, place: tuple[str, str], asked: Change, wait_s: float) -> Placed:
    """Change a value: see ``Crdts.change``. ``place``: room and name."""
    room, name = place
    if not signs_for(client, asked.as_):
        return await settled(client, await client.crdts.write(room, name, asked), wait_s)
    additions = await _additions(client, room, name) if asked.type == "set" else []
    body = {"name": name, "type": asked.type, "delta": delta_of(asked, additions)}
    act = InRoom("crdt.delta", body, {"delta": to_base64url(encode(body))})

    async def post(where: str, signed: SignedAct) -> Placed:
        return await client.crdts.write(where, name, signed)

    return await act_in_room(client, room, act, post, wait_s)


def delta_of(asked: Change, additions: Sequence[AdditionView]) -> bytes:
    """Return the delta, as it stands in an event; raise BadChange. ``additions``: of the set, as the node shows it."""
    given = {name for name, nothing in _NOTHING.items() if getattr(asked, name) != nothing}
    if not given or given - _FIELDS[asked.type]:
        raise BadChange(f"a {asked.type} takes {' and '.join(sorted(_FIELDS[asked.type]))}")
    try:
        return encode(_delta(asked, additions))
    except (TypeError, ValueError, RecursionError, NotCanonical) as error:
        raise BadChange(f"this is no change of a {asked.type}: {error}") from None


def _delta(asked: Change, additions: Sequence[AdditionView]) -> Mapping[str, Any]:  # one line for each type
    match asked.type:
        case "register":
            return {"value": _bytes(asked.value)}
        case "map":
            return {"set": {key: _bytes(value) for key, value in asked.set.items()}, "remove": _once(asked.remove)}
        case "set":
            return _set_delta(_all_bytes(asked.add), _all_bytes(asked.remove), additions)
        case "grow-set":
            return {"add": _all_bytes(asked.add)}
        case "counter":
            by = asked.by or 0
            return {"plus": max(by, 0), "minus": max(-by, 0)}
        case _:
            found = asked.transfers
            return {"transfers": [[it.source, it.target, it.improvement, it.confidence, it.cycle] for it in found]}


def _set_delta(add: list[bytes], remove: list[bytes], additions: Sequence[AdditionView]) -> Mapping[str, Any]:
    """Return a set's delta: a removal ends what is seen here, and what is added again replaces its additions."""
    meant = {*add, *remove}
    ended: dict[bytes, list[int]] = {}
    for it in additions:
        if _bytes(it.value) in meant:
            ended.setdefault(parse_id(it.epoch), []).append(it.number)
    if not add and not ended:
        raise BadChange("none of these is in the set here", code="not_in_set", http_status=409, remedy="look again")
    return {"add": add, "remove": [[epoch, sorted(numbers)] for epoch, numbers in sorted(ended.items())]}


async def _additions(client: Client, room: str, name: str) -> list[AdditionView]:
    try:
        return (await client.crdts.show(room, name, type_="set", additions=True)).additions
    except NotFound:
        return []


def _bytes(value: Any) -> bytes:
    """Return the canonical bytes of a value; raise NotCanonical: floats and integers over 64 bits have none."""
    data = encode(value)
    decode(data)
    return data


def _all_bytes(values: Iterable[Any]) -> list[bytes]:
    return _once(_bytes(value) for value in values)


def _once(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))
