"""What the node holds: the log and its writer, the identity directory, admission, the clock, the keys in use.

``Store`` is where memory and disk move together. Admission is changed first, on the event loop's thread; the
commit follows on the writer's thread; what was admitted becomes visible only after that. A commit that fails
leaves memory ahead of the disk, so the store then loads admission anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from foedus.adapters.key_files import NodeKeys
from foedus.adapters.log_errors import DamagedDatabase
from foedus.base.clock import Hlc, HybridClock, Instant
from foedus.base.errors import Unavailable
from foedus.identity.directory import Added, IdentityDirectory, Refused
from foedus.identity.record import SignedRecord, parse_signed_record
from foedus.log.admission import Admission
from foedus.log.event import parse_event
from foedus.log.port import Commit, Committed, EventLog, Row, Value
from foedus.node.home import SETTINGS, Home
from foedus.node.publisher import Published, Publisher


def wall_clock() -> Instant:
    """Return microseconds since 1970 UTC: the node's one source of time."""
    return time.time_ns() // 1_000


class Writer(Protocol):
    """What makes commits durable, in the order of the calls."""

    def commit(self, commit: Commit, generation: int) -> Awaitable[Committed]:
        """Queue a commit, first come, first queued; return when it is durable, raise Unavailable when it is not.

        Once a commit of a generation has failed no later one of it may be written: it was made from what is not so.
        """
        ...


class NotReady(Unavailable):
    """The node does not write now."""

    code = "not_authoring"


class Store:
    """The log, and all that is derived from it in memory."""

    def __init__(
        self, home: Home, log: EventLog, publisher: Publisher, clock: Callable[[], Instant] = wall_clock
    ) -> None:
        self.home = home
        self.log = log
        self.publisher = publisher
        self.now = clock
        self.identities = _identities_of(log)
        self.settings = log.values(SETTINGS)
        self.node = self._own_node()
        self.record = self._own_record()
        """The identity record in force, kept since each event asks for it: every change goes through this store."""
        self.keys: NodeKeys = home.settle_keys(self.record)
        self.clock = HybridClock()
        self.admission = self._load()
        self.generation = 0
        self.on_reload: list[Callable[[], None]] = []
        self._writer: Writer | None = None

    def _own_node(self) -> bytes:
        node = self.settings.get(b"node")
        if node is None:
            raise DamagedDatabase("the log does not say whose it is")
        return node

    def start(self, writer: Writer) -> None:
        """Give the store the writer of the running event loop."""
        self._writer = writer

    @property
    def name(self) -> str:
        """What this node calls itself."""
        return self.settings.get(b"name", b"node").decode()

    def _own_record(self) -> SignedRecord:
        record = self.identities.newest(self.node)
        if record is None:
            raise DamagedDatabase("the log does not hold this node's identity record")
        return record

    @property
    def epoch(self) -> bytes:
        """The epoch in force."""
        return self.record.id

    def _load(self) -> Admission:
        admission = Admission(self.log, self.identities)
        admission.load()
        self.clock = _clock_of(admission, self.epoch)
        return admission

    def begin_epoch(self) -> None:
        """Let the clock follow what the epoch in force wrote: a former one may have written in the future."""
        self.clock = _clock_of(self.admission, self.epoch)

    def reload(self) -> None:
        """Drop what is in memory and take it from the log again, after a commit failed."""
        self.generation += 1
        withhold, allow = self.admission.withhold, self.admission.allow
        self.identities = _identities_of(self.log)
        self.record = self._own_record()
        self.admission = self._load()
        self.admission.withhold, self.admission.allow = withhold, allow
        for listener in self.on_reload:
            listener()

    def begin_commit(
        self, commit: Commit, encoded: Mapping[bytes, bytes] = MappingProxyType({}), carrier: bytes | None = None
    ) -> asyncio.Future[list[Row]]:
        """Queue a commit now, in the order of the calls. Once it is durable it is published, in that same order.

        The future holds the rows; or the error, after which memory is loaded again from the log. ``encoded``: event
        id → envelope bytes at hand; ``carrier``: the peer that brought the events.
        """
        if self._writer is None:
            raise NotReady("the node is not started")
        loop = asyncio.get_running_loop()
        visible: asyncio.Future[list[Row]] = loop.create_future()
        visible.add_done_callback(_retrieved)
        generation = self.generation

        def durable(done: asyncio.Future[Committed]) -> None:
            error = done.exception() if not done.cancelled() else NotReady("the node stops")
            if error is not None:
                if generation == self.generation:
                    self.reload()
                _fail(visible, error)
                return
            if generation == self.generation:
                self.admission.settled(commit.entries, commit.asides)
            published = self.publisher.publish(commit, done.result(), encoded, carrier)
            # two turns of the loop later: one wakes a local reader's task and the link's writer, one lets it write
            loop.call_soon(loop.call_soon, settle, published)

        def settle(published: Published) -> None:
            self.publisher.keep_books(published)
            if not visible.done():
                visible.set_result(list(published.rows))

        asyncio.ensure_future(self._writer.commit(commit, generation)).add_done_callback(durable)
        return visible

    def keep(self, values: Sequence[Value]) -> asyncio.Future[Committed]:
        """Queue small values that their part alone cares about: when they are durable nobody is told but the future.

        It fails as that of ``begin_commit`` does.
        """
        if self._writer is None:
            raise NotReady("the node is not started")
        generation = self.generation
        kept = asyncio.ensure_future(self._writer.commit(Commit(values=values), generation))

        def durable(done: asyncio.Future[Committed]) -> None:
            if (done.cancelled() or done.exception() is not None) and generation == self.generation:
                self.reload()

        kept.add_done_callback(durable)
        return kept

    async def commit(self, commit: Commit) -> list[Row]:
        """Make a commit durable and visible; return its rows."""
        return await self.begin_commit(commit)

    async def put(self, *values: Value) -> None:
        """Store small values durably."""
        await self.commit(Commit(values=values))
        for value in values:
            if value.space == SETTINGS and value.value is not None:
                self.settings[value.key] = value.value

    def learn_records(
        self, records: Sequence[SignedRecord], on_refused: Callable[[str], None] = lambda _code: None
    ) -> tuple[list[SignedRecord], Commit]:
        """Add identity records; return those that were new, and what is to be stored for them.

        ``on_refused`` hears the code of each that does not follow from the one before it.
        """
        added: list[SignedRecord] = []
        for record in records:
            match self.identities.add(record):
                case Added():
                    added.append(record)
                case Refused(error=error):
                    on_refused(error.code)
        self.record = self._own_record()
        verdicts = [
            change
            for node in dict.fromkeys(record.node for record in added)
            for change in self.admission.learn_records(node)
        ]
        stored = [(record.id, record.encode()) for record in added]
        return added, Commit(records=stored, verdicts=verdicts)

    def sendable(self, row: Row) -> bytes:
        """Return the envelope of a row as it may leave this node: without a body that is erased but not yet dropped."""
        erasures, envelope = self.admission.erasures, row.envelope
        if envelope.body is None or not erasures.names(row.id):
            return envelope.encode()
        is_erased = erasures.erased_by(row.id, parse_event(envelope).event) is not None
        return (envelope.without_body() if is_erased else envelope).encode()

    def holds(self, epoch: bytes) -> bool:
        """Whether the identity record of an epoch is held."""
        return self.identities.epoch(epoch) is not None


def _clock_of(admission: Admission, epoch: bytes) -> HybridClock:
    """Return a clock after all that the epoch wrote; its first events follow their former chains by themselves."""
    return HybridClock(max((chain.hlc for chain in admission.chains if chain.epoch == epoch), default=Hlc(0, 0)))


def _identities_of(log: EventLog) -> IdentityDirectory:
    identities = IdentityDirectory()
    for _, data in log.records():
        identities.add(parse_signed_record(data))
    return identities


def _retrieved(future: asyncio.Future[list[Row]]) -> None:
    """Take note of an error that nobody waits for any more: the node was loaded anew because of it."""
    if not future.cancelled():
        future.exception()


def _fail(future: asyncio.Future[list[Row]], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
