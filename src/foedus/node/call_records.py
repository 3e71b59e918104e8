"""What is kept of calls, at either end, until it is forgotten; and that it was, for as long as a call could come again.

A call that is forgotten leaves its id and deadline: who brings it again is told so, and it is never run a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.log.port import Value
from foedus.node.call_forgotten import Forgotten
from foedus.node.call_shelf import Bounds, Item, Shelf
from foedus.node.store import Store
from foedus.query.call import Call, Receipt, parse_call, parse_receipt
from foedus.query.limits import (
    CALL_RECORD_REST,
    CALLS_BYTES_MAX,
    CALLS_BYTES_PER_PARTICIPANT,
    CALLS_FORGOTTEN_MAX,
    CALLS_KEPT,
    CALLS_KEPT_MAX,
    JSON_BYTES_MAX,
    SKEW_MAX,
)

State: TypeAlias = Literal["open", "handed", "ended", "refused"]
BOUNDS = Bounds(CALLS_BYTES_PER_PARTICIPANT, CALLS_BYTES_MAX, CALLS_KEPT_MAX)
_AT_ONCE = 64


class CallRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """``handed``: the agent has, or may have, begun; ``began``: when. ``agent``: whose work it is, at its node.

    ``deadline``: by this node's clock. ``receipt_sig``: the callee's node's, ``countersig`` the caller's. ``code``: why
    it was refused.
    """

    call: bytes
    asig: bytes | None
    sig: bytes
    deadline: int
    agent: str = ""
    state: State = "open"
    began: int = 0
    receipt: bytes | None = None
    receipt_sig: bytes | None = None
    countersig: bytes | None = None
    output: bytes | None = None
    code: str = ""
    message: str = ""

    @property
    def request(self) -> Call:
        """The call, taken apart."""
        return parse_call(self.call)

    @property
    def outcome(self) -> Receipt | None:
        """The receipt, taken apart; None while there is none."""
        return None if self.receipt is None else parse_receipt(self.receipt)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state in {"ended", "refused"}


class CallRecords:
    """A space of the store. ``put`` and ``change`` are durable when they return, and only then seen."""

    def __init__(self, store: Store, space: str) -> None:
        self._store = store
        self._space = space
        held = ((key, decode_as(data, CallRecord)) for key, data in store.log.values(space).items())
        self._records = dict(sorted(held, key=lambda pair: pair[1].deadline))
        self._shelf = Shelf(BOUNDS)
        for key, record in self._records.items():
            self._shelf.put(key, _item(record))
        self._forgotten = Forgotten(store, f"{space}_forgotten")

    def __iter__(self) -> Iterator[tuple[bytes, CallRecord]]:
        """Return all, the oldest first."""
        return iter(list(self._records.items()))

    @property
    def size(self) -> int:
        """Bytes of what is kept, with what may still come."""
        return self._shelf.total

    def get(self, call: bytes) -> CallRecord | None:
        """Return what is kept of a call."""
        return self._records.get(call)

    def is_forgotten(self, call: bytes) -> bool:
        """Tell whether a call was here, and what came of it is not known any more."""
        return call in self._forgotten

    async def put(self, call: bytes, record: CallRecord, also: Sequence[Value] = ()) -> None:
        """Keep a new call; the oldest that are over are forgotten for it. Raises UsageError where there is no room.

        ``also`` is stored with it, or not at all.
        """
        now, item = self._store.now(), _item(record)
        victims = self._shelf.room_for(item, now)
        if victims is None or len(self._forgotten) + len(victims) > CALLS_FORGOTTEN_MAX:
            raise UsageError("too many calls are remembered here", code="busy", http_status=503, remedy="call later")
        old = self._shelf.old(now - CALLS_KEPT, _AT_ONCE)
        values = self._forget(dict.fromkeys([*victims, *old]), now)
        self._shelf.put(call, item)
        try:
            await self._store.put(*values, self._value(call, record), *also)
        except BaseException:
            self._shelf.drop(call)
            raise
        self._records[call] = record

    async def change(self, call: bytes, **fields: object) -> CallRecord:
        """Change what is kept of a call; raise KeyError where it is forgotten."""
        record = replace(self._records[call], **fields)
        await self._store.put(self._value(call, record))
        if call in self._records:  # it was not forgotten meanwhile
            self._records[call] = record
            self._shelf.put(call, _item(record))
        return record

    def _value(self, call: bytes, record: CallRecord) -> Value:
        return Value(self._space, call, encode(to_plain(record)))

    def _forget(self, calls: dict[bytes, None], now: Instant) -> list[Value]:
        """Forget calls; return what writes it."""
        values = self._forgotten.past(now, _AT_ONCE)
        for call in calls:
            record = self._records.pop(call)
            self._shelf.drop(call)
            values.append(Value(self._space, call, None))
            until = record.request.deadline + SKEW_MAX  # later its node refuses it as too late
            if until >= now:
                values.append(self._forgotten.add(call, until))
        return values


def _item(record: CallRecord) -> Item:
    """Return what a record takes: it all, and the largest that may still come."""
    request = record.request
    held = (record.call, record.output or b"", record.receipt or b"", record.message)
    size = CALL_RECORD_REST + sum(map(len, held)) + (0 if record.is_over else JSON_BYTES_MAX)
    return Item((request.node, request.did), size, record.deadline, record.is_over)


learn(CallRecord)
