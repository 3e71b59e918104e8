"""All links of the node: dialling, accepting, and the frames that are for the node itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import LINKS_MAX
from foedus.identity.record import parse_signed_record
from foedus.log.evidence import check_proof
from foedus.node.agreed_rates import AgreedRates
from foedus.node.handshakes import Handshakes
from foedus.node.http_line import Line
from foedus.node.ingest import Ingest
from foedus.node.link import Link
from foedus.node.outbox import Outbox
from foedus.node.ports import ByteStream
from foedus.node.records import RecordBook
from foedus.node.redialler import Redialler
from foedus.node.reports import Report
from foedus.node.store import Store
from foedus.sync.duplicates import DialledBy, Stays, keep
from foedus.sync.effects import Close
from foedus.sync.frames.blobs import BlobFrame, Chunk, HaveBlob, NoChunks, WantChunks
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallFrame, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import Missing, Proof, Pruned, Records, Want, WantRecords
from foedus.sync.frames.members import CouncilSays, Presences
from foedus.sync.frames.peering import Pending, Ready, Refused
from foedus.sync.frames.questions import Answered, Cancel, Query, Reach, Results
from foedus.sync.strangers import Refusal, StrangerGate

log = logging.getLogger("foedus.links")

BUSY = "busy"
"""Why a socket is turned away before anything is known of who opened it."""
STRANGER_LINKS_MAX = 256
"""Links of nodes that are nothing to us yet, as many as requests may wait: the others are left to peers."""


class Standing(Protocol):
    """What the links ask of peering."""

    def welcome(self, node: bytes) -> Ready | Pending | None:
        """Return how a node is greeted; None where it hears nothing at all."""
        ...

    def is_stranger(self, node: bytes) -> bool:
        """Whether nobody here has wished for anything with this node."""
        ...

    def has_asked(self, node: bytes) -> bool:
        """Whether a request of this node waits for a human."""
        ...

    def greeted(self, link: Link) -> None:
        """Both sides have spoken: what was lost may be said again."""
        ...

    def frame(self, link: Link, frame: Frame) -> None:
        """Take a frame of peering."""
        ...

    def lost(self, link: Link) -> None:
        """Take note that a link ended."""
        ...


Dial = Callable[[str], "asyncio.Future[ByteStream]"]


class Links:
    """Every link of the node. ``standing``, ``outbox`` and the callbacks are joined by the composition root."""

    def __init__(self, store: Store, ingest: Ingest, records: RecordBook, connect: Callable[[str], object]) -> None:
        self.ingest = ingest
        self.now: Callable[[], Instant] = store.now
        self.outbox: Outbox
        self.standing: Standing
        self.on_pruned: Callable[[bytes, Pruned], Coroutine[Any, Any, None]]
        self.on_query: Callable[[Line, Query | Results | Answered | Cancel], None]
        self.on_reach: Callable[[Link, Reach], None] = lambda _link, _frame: None
        self.on_call: Callable[[Line, CallFrame], None]
        self.on_blob: Callable[[Link, BlobFrame], None]
        self.on_presences: Callable[[Link, Presences], None]
        self.on_council: Callable[[Link, CouncilSays], None] = lambda _link, _frame: None
        self.on_opened: Callable[[Link], None] = lambda _link: None
        self.on_ended: Callable[[Link], None] = lambda _link: None
        self.on_report: Callable[[Link, Report], None] = lambda _link, _report: None
        self.on_turned_away: Callable[[str, str], None] = lambda _address, _code: None
        """(address, code): a socket that became no link."""
        self.event_delay_s: Callable[[bytes, Report], float] = lambda _peer, _report: 0.0
        self.agreed_rates = AgreedRates(store)
        self.redialler = Redialler(self)
        self.gate = StrangerGate()
        self._handshakes = Handshakes(store, self.gate)
        self._store = store
        self._records = records
        self._connect = connect
        self._links: dict[bytes, Link] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- registry ----------------------------------------------------------------------------

    def get(self, node: bytes) -> Link | None:
        """Return the link with a node, whatever its standing."""
        return self._links.get(node)

    def all(self) -> list[Link]:
        """Return every established link."""
        return list(self._links.values())

    def open(self) -> list[Link]:
        """Return the links on which events flow and that were offered the log."""
        return [link for link in self._links.values() if link.opened_at is not None and not link.session.is_closed]

    async def close(self) -> None:
        """End all links, telling the peers."""
        self._closed = True
        await self.redialler.close()
        for link in self.all():
            link.close("shutdown", "the node stops")
        await asyncio.gather(*self._running, return_exceptions=True)

    # --- dialling ---------------------------------------------------------------------------

    async def dial(self, url: str, expected: bytes | None) -> Link:
        """Connect to an address and shake hands; raise LinkFailed, or what the handshake found."""
        stream = await self._connect(url)  # type: ignore[misc]  # the adapter's connect is a coroutine function
        try:
            shaken = await self._handshakes.dialled(stream, expected)
        except BaseException:
            await stream.close()
            raise
        return Link(self, stream, shaken.established, DialledBy.US, shaken.own_epoch)

    # --- accepting ---------------------------------------------------------------------------

    def has_room(self, address: str) -> bool:
        """Tell whether a link may be opened from an address now; count where not."""
        has_room = len(self._links) < LINKS_MAX and not self._closed and self.gate.has_room(self.now(), address)
        if not has_room:
            self._turn_away(address, BUSY)
        return has_room

    def _turn_away(self, address: str, code: str) -> None:
        self.ingest.refusals[code] += 1
        self.on_turned_away(address, code)

    async def accept(self, stream: ByteStream, address: str) -> None:
        """Serve a socket that someone opened to us, until it ends. Never raises for what comes over it."""
        ticket = self.gate.admit(address)
        if isinstance(ticket, Refusal) or len(self._links) >= LINKS_MAX or self._closed:
            self._turn_away(address, BUSY)
            await stream.close(1013)
            return
        try:
            shaken = await self._handshakes.answered(stream, address)
        except (FoedusError, OSError) as error:
            code = error.code if isinstance(error, FoedusError) else "lost"
            self._turn_away(address, code)
            log.info("handshake from %s ended: %s", address, code)
            await stream.close()
            return
        finally:
            self.gate.release(ticket)
        link = Link(self, stream, shaken.established, DialledBy.PEER, shaken.own_epoch)
        link.address = address
        try:
            await self.serve(link)
        except FoedusError as error:
            self._turn_away(address, error.code)
            await link.stop()

    # --- serving -----------------------------------------------------------------------------

    async def serve(self, link: Link) -> None:
        """Greet a peer whose keys are proved, and run its link until it ends."""
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        try:
            welcome = await self._welcome(link)
            if link.own_epoch != self._store.epoch and not isinstance(welcome, Refused):
                link.closing, welcome = Close("rekey", "this node opened an epoch while it shook hands"), None
            if welcome is None or not (isinstance(welcome, Refused) or self._register(link)):
                link.closing = link.closing or Close("not_welcome", "")
                await link.stop()
                return
            link.run_effects(link.session.open(welcome))
            log.info("link with %s: dialled by %s, %s", link.node.hex(), link.dialled_by.value, type(welcome).__name__)
            await link.run()
        finally:
            log.info("link with %s ended: %s", link.node.hex(), link.closing)
            if task is not None:
                self._running.discard(task)
            if self._links.get(link.node) is link:
                del self._links[link.node]
                self.standing.lost(link)
                self.on_ended(link)

    async def _welcome(self, link: Link) -> Ready | Pending | Refused | None:
        is_stranger = self.standing.is_stranger(link.node)
        if is_stranger and not self._make_room(link.node):
            return Refused("busy", ())
        refusal = await self._records.meet(link.peer, is_stranger=is_stranger)
        return refusal or self.standing.welcome(link.node)

    def _make_room(self, node: bytes) -> bool:
        """Let a stranger in: where there are many, in place of the one that has stood there longest without asking."""
        others = [link for link in self._links.values() if link.node != node and self.standing.is_stranger(link.node)]
        if len(others) < STRANGER_LINKS_MAX:
            return True
        idle = next((link for link in others if not self.standing.has_asked(link.node)), None)
        if idle is not None:
            idle.close("busy", "other strangers are waiting")
        return idle is not None

    def _register(self, link: Link) -> bool:
        """Make this the link with its node, or close it where the one that exists stays."""
        existing = self._links.get(link.node)
        if existing is not None:
            stays = keep(existing.dialled_by, link.dialled_by, self._store.node, link.node)
            loser = link if stays is Stays.EXISTING and not existing.session.is_closed else existing
            if loser is link:
                link.closing = Close("duplicate", "another link to this peer stays")
                return False
            existing.close("duplicate", "a newer link replaces this one")
        self._links[link.node] = link
        return True

    # --- frames for the node -----------------------------------------------------------------

    def received(self, link: Link, frame: Frame) -> None:  # noqa: C901, PLR0912  # a table: one line for each kind of frame
        """Take a frame that is not the session's own business."""
        match frame:
            case Want(ids=ids):
                self.outbox.answer(link, ids)
            case Missing():
                pass
            case Records() | WantRecords() if not link.session.is_open:
                self.ingest.refusals["not_permitted"] += 1
            case WantRecords(epochs=epochs):
                self.outbox.tell_again(link, epochs)
            case Records(records=records) | Refused(code="superseded", records=records):
                self._spawn(self._take_records(link, records), link)
            case Query() | Results() | Answered() | Cancel():
                self.on_query(link, frame)
            case Reach():
                self.on_reach(link, frame)
            case Call() | CallProgress() | CallEnded() | CallRefused() | CallSigned() | CallCancel():
                self.on_call(link, frame)
            case WantChunks() | Chunk() | NoChunks() | HaveBlob():
                self.on_blob(link, frame)
            case Presences():
                self.on_presences(link, frame)
            case CouncilSays():
                self.on_council(link, frame)
            case Pruned():
                self._spawn(self.on_pruned(link.node, frame), link)
            case Proof(one=one, other=other):
                self._spawn(self._take_proof(link, one, other), link)
            case _:
                self.standing.frame(link, frame)
        if isinstance(frame, Ready | Pending) and not link.is_greeted:
            link.is_greeted = True
            self.standing.greeted(link)

    def _spawn(self, work: Coroutine[Any, Any, None], link: Link) -> None:
        """Do what a frame of a link asks for; the link reads on only while little of that is under way."""
        task = asyncio.create_task(link.guarded(work), name=f"link-{link.node.hex()[:8]}-work")
        for tasks in (self._running, link.working):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def remember(self, node: bytes, *, is_stranger: bool = False) -> None:
        """Keep the identity that the link with a node has proved; that of a stranger who asks, where there is room."""
        link = self._links.get(node)
        if link is not None and (self._records.takes_strangers or not is_stranger):
            await self._records.learn(link.peer.history, carrier=node)

    async def _take_records(self, link: Link, records: Sequence[list[Any]]) -> None:
        try:
            parsed = [parse_signed_record(record) for record in records]
            added = await self._records.learn(parsed, carrier=link.node)
        except FoedusError as error:
            link.close(error.code, str(error))
            return
        for other in self.open():
            if other is not link:
                for node in {record.node for record in added}:
                    other.told.pop(node, None)

    async def _take_proof(self, link: Link, one: bytes, other: bytes) -> None:
        try:
            proof = await self._records.take_proof(one, other, check_proof)
        except FoedusError as error:
            self.ingest.refusals[error.code] += 1
            link.close("bad_proof", str(error))
            return
        if proof is not None:
            for each in self.open():
                if each is not link:
                    self.outbox.show_proof(each, proof)

    def opened(self, link: Link) -> None:
        """Both sides are ready: offer the log."""
        self.redialler.opened(link.node)
        self.outbox.opened(link)
        self.on_opened(link)
        if missing := self.ingest.missing():  # whom we asked before may have had none of them
            link.run_effects(link.session.want(missing))

    def reported(self, link: Link, report: Report) -> None:
        """Pass on what became of a batch."""
        self.on_report(link, report)

    def want_records(self, link: Link, epochs: Iterable[bytes]) -> None:
        """Ask for identity records by epoch."""
        link.control(WantRecords(tuple(epochs)))

    def become_ready(self, node: bytes, name: str, tier: str) -> None:
        """Tell a pending peer that it is connected here."""
        link = self._links.get(node)
        if link is not None and link.session.ours.value == "pending":
            link.run_effects(link.session.become_ready(name, tier))
