"""What one link brings, on its way through ingest: in order, several batches between arrival and disk.

While nothing is under way a small batch goes from the socket to the log's writer in one call (a message between
people waits for no task); otherwise parsing, signature checks, admission and the disk work on four batches at once.
Beside other peers what comes is taken in slices, by turns (`node.turns`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from foedus.base.cbor import split_frames
from foedus.base.errors import FoedusError, PeerViolation
from foedus.base.limits import BATCH_EVENTS_MAX, CREDIT_BYTES
from foedus.node.ingest import Ingest, Pending
from foedus.node.preparing import Prepared
from foedus.node.reports import Report

IN_FLIGHT = 4
"""Batches of one link between arrival and disk: enough to keep signature checks and the disk busy together."""
BACKLOG_MAX = CREDIT_BYTES // 256
"""Batches that wait to be parsed: credit bounds their bytes, and no envelope is smaller than 256."""


class Intake:
    """Takes the batches of one peer. ``settle`` gets each report with the cost of its batch, in order, once durable.

    A batch that is taken in slices gives several reports, of which the last has its cost.

    ``fail`` gets a code and a message: the link is to be closed. ``delay_s`` tells, of a peer and a report,
    for how long its credit is held back.
    """

    def __init__(
        self,
        ingest: Ingest,
        carrier: bytes,
        settle: Callable[[Report, int], None],
        fail: Callable[[str, str], None],
        delay_s: Callable[[bytes, Report], float] = lambda _peer, _report: 0.0,
    ) -> None:
        self.received = 0
        self._ingest = ingest
        self._carrier = carrier
        self._settle = settle
        self._fail = fail
        self._delay_s = delay_s
        self._unadmitted = 0
        self._backlog: asyncio.Queue[tuple[bytes, int, bool]] = asyncio.Queue(BACKLOG_MAX)
        self._checking: asyncio.Queue[tuple[Prepared, int | None]] = asyncio.Queue(IN_FLIGHT)
        self._storing: asyncio.Queue[tuple[Pending, int | None]] = asyncio.Queue(IN_FLIGHT)
        """With the cost of the batch, None where it is a part of one and others follow."""

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return the work of the intake, by name; the link runs it while it lives."""
        return [("prepare", self._prepare()), ("admit", self._admit()), ("finish", self._finish())]

    @property
    def waiting(self) -> int:
        """Batches that are not parsed yet."""
        return self._backlog.qsize()

    def take(self, batch: bytes, cost: int) -> None:
        """Take a batch from the socket."""
        envelopes = self._split(batch)
        if envelopes is None:
            return
        self.received += len(envelopes)
        turns = self._ingest.turns
        is_little = turns.is_little(self._carrier, len(envelopes))
        if self._unadmitted or self._storing.full() or not (is_little or turns.is_alone(self._carrier)):
            self._put_off(batch, cost, is_little=is_little)
            return
        prepared = self._ingest.prepare(envelopes, self._carrier, at_once=is_little)
        if self._ingest.is_checked(prepared):
            self._storing.put_nowait((self._ingest.admit_checked(prepared), cost))
            return
        self._unadmitted += 1
        self._checking.put_nowait((prepared, cost))

    def _put_off(self, batch: bytes, cost: int, *, is_little: bool) -> None:
        try:
            self._backlog.put_nowait((batch, cost, is_little))
        except asyncio.QueueFull:
            self._fail("too_many_batches", "batches that hold nothing")
            return
        self._unadmitted += 1

    def _split(self, batch: bytes) -> list[bytes] | None:
        """Return the envelopes of a batch; None where it is none, which ends the link."""
        try:
            return split_frames(batch, BATCH_EVENTS_MAX)
        except PeerViolation as error:
            self._fail(error.code, str(error))
            return None

    async def _prepare(self) -> None:
        """Parse batches and start their signature checks while those before are being admitted."""
        while True:
            batch, cost, is_little = await self._backlog.get()
            envelopes = split_frames(batch, BATCH_EVENTS_MAX)
            if is_little:
                await self._checking.put((self._ingest.prepare(envelopes, self._carrier), cost))
                continue
            async for prepared, is_last in self._ingest.by_turns(envelopes, self._carrier):
                await self._checking.put((prepared, cost if is_last else None))

    async def _admit(self) -> None:
        while True:
            prepared, cost = await self._checking.get()
            pending = await self._ingest.admit(prepared)
            await self._storing.put((pending, cost))
            self._unadmitted -= cost is not None

    async def _finish(self) -> None:
        while True:
            pending, cost = await self._storing.get()
            try:
                report = await self._ingest.finish(pending)
            except FoedusError as error:
                self._fail("unavailable", str(error))
                return
            if (wait_s := self._delay_s(self._carrier, report)) > 0:
                await asyncio.sleep(wait_s)  # the events are durable; who sends too fast gets its credit later
            self._settle(report, cost or 0)
