"""What is kept of an errand: a call that its node makes for a participant as soon as it can, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.limits import DAY
from foedus.log.port import Value
from foedus.node.store import Store

SPACE = "errands"
OPEN_MAX = 1_024
"""Errands under way at one node, as for calls."""
OPEN_PER_PARTICIPANT_MAX = 128
"""Of these, one participant's: an agent that sends and never looks does not take all of them."""
KEPT_MAX = 4_096
KEPT_PER_PARTICIPANT_MAX = 1_024
"""Of these, one participant's, over or not: beyond, its own oldest that are over make room, and nobody else waits."""
KEPT = DAY
"""How long one is shown when it is over: who sent it in the evening looks in the morning."""
NOTE_BYTES_MAX = 131_072
"""What a surface keeps with it: a message around an input of 64 KiB, and where notices go."""

State: TypeAlias = Literal["waiting", "called", "over"]
Outcome: TypeAlias = Literal["", "result", "error", "cancelled", "refused", "late", "unknown"]


class Errand(Struct, frozen=True, forbid_unknown_fields=True):
    """``did``: whose; ``key``: what it is called by whoever sent it, once only; ``note``: a surface's own words.

    ``nonce``: of the call that is made next or was made last, by which it is found again after a crash; ``call``: its
    id once that is known. ``why``: what it waits for, or why it ended so; ``approval``: what a person was asked.
    ``until``: then it ends in any case.
    """

    did: str
    key: str
    context: str
    host: bytes
    name: str
    offer: bytes
    input: bytes
    at: int
    until: int
    note: bytes
    state: State = "waiting"
    nonce: bytes = b""
    call: bytes = b""
    wants_end: bool = False
    why: str = ""
    words: str = ""
    outcome: Outcome = ""
    output: bytes | None = None
    changed: int = 0
    approval: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state == "over"


class ErrandBook:
    """A space of the store: what is put is durable when it returns, and only then seen."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = {key: decode_as(data, Errand) for key, data in store.log.values(SPACE).items()}
        self._writing = asyncio.Lock()
        """Held from looking at what is kept until what follows from it is durable."""

    def __iter__(self) -> Iterator[tuple[bytes, Errand]]:
        """Return all, the oldest first."""
        return iter(sorted(self._held.items(), key=lambda it: (it[1].at, it[0])))

    def get(self, errand: bytes) -> Errand | None:
        """Return one."""
        return self._held.get(errand)

    def _named(self, did: str, key: str) -> bytes | None:
        return next((id_ for id_, it in self._held.items() if (it.did, it.key) == (did, key)), None)

    async def add(self, errand: bytes, record: Errand) -> bytes:
        """Keep a new one, and return its id; that of before where its sender named one so already.

        Those that had their time are forgotten. Raises UsageError where there is no room.
        """
        async with self._writing:
            known = self._named(record.did, record.key)
            if known is None:
                await self._add(errand, record)
            return known or errand

    async def _add(self, errand: bytes, record: Errand) -> None:
        under_way = [it for it in self._held.values() if not it.is_over]
        old = self._forgettable(record.did)
        mine = sum(it.did == record.did for it in under_way)
        if mine >= OPEN_PER_PARTICIPANT_MAX or len(under_way) >= OPEN_MAX or len(self._held) - len(old) >= KEPT_MAX:
            raise UsageError("too many errands are kept here", code="busy", http_status=503, remedy="send it later")
        values = [Value(SPACE, key, None) for key in old]
        await self._store.put(*values, Value(SPACE, errand, encode(to_plain(record))))
        for key in old:
            self._held.pop(key, None)
        self._held[errand] = record

    def _forgettable(self, did: str) -> list[bytes]:
        """Return those that had their time, and of ``did`` so many of the oldest that there is room for one more."""
        over = sorted((it.changed, key) for key, it in self._held.items() if it.is_over)
        old = [key for changed, key in over if changed + KEPT < self._store.now()]
        its = [key for _, key in over[len(old) :] if self._held[key].did == did]
        count = sum(it.did == did for it in self._held.values()) - sum(self._held[key].did == did for key in old)
        return old + its[: max(0, count + 1 - KEPT_PER_PARTICIPANT_MAX)]

    async def change(self, errand: bytes, **fields: object) -> Errand:
        """Change what is kept of one."""
        async with self._writing:
            now: Instant = self._store.now()
            record = replace(self._held[errand], changed=now, **fields)
            await self._store.put(Value(SPACE, errand, encode(to_plain(record))))
            self._held[errand] = record
            return record


learn(Errand)
