"""What the surfaces do with the CRDTs of rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foedus.base.cbor import decode, encode, to_plain
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import sha256
from foedus.log import streams
from foedus.log.bodies import CrdtDelta
from foedus.log.memberships import Room
from foedus.node.author import Draft
from foedus.node.codec import draft_of
from foedus.node.composition import Node
from foedus.node.crdt_asking import check_body, delta_of, plain_json
from foedus.node.crdt_forms import CrdtAsk
from foedus.node.home import check_name
from foedus.node.rooms import Rooms
from foedus.state.crdt import Crdt
from foedus.state.crdt.fold import DELTA, Key, RoomFold
from foedus.state.crdt.map import Map
from foedus.state.crdt.observed_set import ObservedSet
from foedus.state.crdt.transfer import Transfers
from foedus.values.crdts import AdditionView, CrdtView
from foedus.values.node import Placed, SignedAct

SHOWN_MAX = 10_000
"""Entries of a value that one answer shows: some MB of JSON, made on the loop in tens of milliseconds."""
_REMEDY = "see `foedus crdt list ROOM`"


class CrdtOperations:
    """CRDTs of rooms: to read, and to write as a custodial agent, as the node itself, or by a signed act."""

    _node: Node
    _rooms: Rooms

    # --- reading -----------------------------------------------------------------------------

    async def crdts(self, room: str) -> list[CrdtView]:
        """Return the CRDTs of a room, by name, without their values."""
        found = self._rooms.find(room)
        fold = await self._fold(found)
        if len(fold.states) > SHOWN_MAX:
            raise UsageError(
                f"the room has {len(fold.states)} CRDTs, more than one answer shows",
                code="too_large",
                http_status=413,
                remedy="ask for one by its name",
            )
        return [_view(found, fold, key) for key in sorted(fold.states)]

    async def crdt(
        self, room: str, name: str, *, type_: str = "", entry: str = "", additions: bool = False
    ) -> CrdtView:
        """Return one with its value; ``entry``: of a map or of transfers only this key or target."""
        found = self._rooms.find(room)
        fold = await self._fold(found)
        key = _the_key(fold, name, type_)
        state = fold.states[key]
        part = _only(state, entry) if entry else state
        if part.size() > SHOWN_MAX:
            raise UsageError(
                f"{name!r} has {part.size()} entries, more than one answer shows",
                code="too_large",
                http_status=413,
                remedy="ask for one of its keys (`?entry=`)",
            )
        digest = sha256(state.encode()).hex() if state.size() <= SHOWN_MAX else ""
        shown = _additions(state) if additions else []
        return _view(found, fold, key, value=plain_json(part.value()), digest=digest, additions=shown)

    async def _fold(self, room: Room) -> RoomFold:
        return await self._node.crdts.room(streams.room(room.id))

    # --- writing -----------------------------------------------------------------------------

    async def crdt_do(self, room: str, name: str, asked: CrdtAsk) -> Placed:
        """Order operations; a name that is new is made by the first of them."""
        found = self._rooms.find(room)
        check_name(name)
        fold = await self._fold(found)
        _check_type(fold, name, asked.type)
        state = fold.states.get((name, asked.type))
        delta = delta_of(asked, state.dots_of if isinstance(state, ObservedSet) else _no_dots)
        body = encode(to_plain(CrdtDelta(name, asked.type, delta)))
        (placed,) = await self._rooms.place([self._rooms.draft(found, DELTA, body, asked.as_)])
        return placed

    async def crdt_act(self, room: str, name: str, act: SignedAct) -> Placed:
        """Order a ``crdt.delta`` that a device signed."""
        found = self._rooms.find(room)
        draft = draft_of(streams.room(found.id), act)
        body = _checked(draft, name)
        _check_type(await self._fold(found), name, body.type)
        (placed,) = await self._rooms.place([self._rooms.checked(found, draft)])
        return placed


def _no_dots(_value: bytes) -> Sequence[tuple[bytes, int]]:
    return ()


def _checked(draft: Draft, name: str) -> CrdtDelta:
    """Return the body of a signed delta of a name; raise UsageError where it is none."""
    body = check_body(draft.body)
    if draft.act.kind != DELTA or body.name != name:
        raise UsageError("the act is no delta of that CRDT", code="malformed_event")
    return body


def _check_type(fold: RoomFold, name: str, type_: str) -> None:
    types = [key[1] for key in fold.of(name)]
    if types and type_ not in types:
        raise UsageError(
            f"{name!r} is a {' and a '.join(types)} in this room",
            code="unequal_types",
            http_status=409,
            remedy="take another name, or the operations of that type",
        )


def _the_key(fold: RoomFold, name: str, type_: str) -> Key:
    keys = [key for key in fold.of(name) if type_ in {"", key[1]}]
    if not keys:
        raise NotFound(f"there is no CRDT {name[:80]!r} in this room", code="unknown_crdt", remedy=_REMEDY)
    if len(keys) > 1:
        types = ", ".join(key[1] for key in keys)
        raise UsageError(
            f"{name!r} is several: {types}", code="ambiguous", http_status=409, remedy="say which type is meant"
        )
    return keys[0]


def _only(state: Crdt, entry: str) -> Crdt:
    """Return the part of a map or of transfers that is about one key or target."""
    if isinstance(state, Map):
        return Map({entry: state.entries[entry]} if entry in state.entries else {})
    if isinstance(state, Transfers):
        return Transfers({pair: it for pair, it in state.measured.items() if pair[1] == entry})
    raise UsageError(f"a {state.type} has no keys", code="bad_operation", remedy="leave `entry` out")


def _additions(state: Crdt) -> list[AdditionView]:
    if not isinstance(state, ObservedSet):
        return []
    return [
        AdditionView(value=plain_json(decode(value)), epoch=epoch.hex(), number=number)
        for epoch, living in sorted(state.dots.items())
        for number, value in sorted(living.items())
    ]


def _view(room: Room, fold: RoomFold, key: Key, **shown: Any) -> CrdtView:
    return CrdtView(
        room=room.id.hex(),
        name=key[0],
        type=key[1],
        entries=fold.states[key].size(),
        writers=sorted(node.hex() for node in fold.writers[key]),
        holes=fold.holes(key),
        **shown,
    )
