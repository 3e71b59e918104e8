"""What is kept of a call, at either end, until it can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.log.port import Value
from foedus.node.store import Store
from foedus.query.call import Call, Receipt, parse_call, parse_receipt
from foedus.query.limits import CALLS_KEPT, CALLS_KEPT_MAX

State: TypeAlias = Literal["open", "handed", "ended", "refused"]
_FORGOTTEN_AT_ONCE = 64


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
    """A space of the store. ``put`` is durable when it returns, and only then seen."""

    def __init__(self, store: Store, space: str) -> None:
        self._store = store
        self._space = space
        self._records = {key: decode_as(data, CallRecord) for key, data in store.log.values(space).items()}

    def __iter__(self) -> Iterator[tuple[bytes, CallRecord]]:
        """Return all, the oldest first."""
        return iter(list(self._records.items()))

    def get(self, call: bytes) -> CallRecord | None:
        """Return what is kept of a call."""
        return self._records.get(call)

    async def put(self, call: bytes, record: CallRecord) -> CallRecord:
        """Keep a record, after those that had their time are forgotten; raise UsageError where there is no room."""
        is_new = call not in self._records
        old = self._forgettable() if is_new else []
        if is_new and len(self._records) - len(old) >= CALLS_KEPT_MAX:
            raise UsageError("too many calls are remembered here", code="busy", http_status=503, remedy="call later")
        values = [Value(self._space, key, None) for key in old]
        await self._store.put(*values, Value(self._space, call, encode(to_plain(record))))
        for key in old:
            self._records.pop(key, None)
        self._records[call] = record
        return record

    async def change(self, call: bytes, **fields: object) -> CallRecord:
        """Change what is kept of a call."""
        return await self.put(call, replace(self._records[call], **fields))

    def _forgettable(self) -> list[bytes]:
        before: Instant = self._store.now() - CALLS_KEPT
        old = (key for key, record in self._records.items() if record.deadline < before)
        return [key for key, _ in zip(old, range(_FORGOTTEN_AT_ONCE), strict=False)]


learn(CallRecord)
