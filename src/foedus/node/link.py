"""One link: runs the effects of its session, and carries its batches through ingest.

Three tasks, so that reading never waits on writing: the reader opens frames and hands batches over, the writer
sends what is queued, the admitter takes batches through the door in order, several in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND, WANTS_PER_FRAME
from foedus.crypto.errors import NotAuthentic
from foedus.log.chains import ChainKey, Position
from foedus.node.agreed_rates import OutgoingPace
from foedus.node.asking_again import AskingAgain
from foedus.node.intake import Intake
from foedus.node.outgoing import Outgoing
from foedus.node.ports import ByteStream
from foedus.node.reports import Report
from foedus.sync.duplicates import DialledBy
from foedus.sync.effects import (
    Acked,
    Close,
    ComparePosition,
    Control,
    Deliver,
    Established,
    ForkSeen,
    Opened,
    ReadChain,
    SendFrame,
    SessionEffect,
)
from foedus.sync.frames.codec import Frame
from foedus.sync.frames.events import NO_EVENT, ChainPosition
from foedus.sync.session import Session

if TYPE_CHECKING:
    from foedus.node.links import Links

log = logging.getLogger("foedus.link")

_WORK_MAX = 8
"""Frames of records and proofs (512 KiB each) that are being worked on for one peer."""
_BARRED_MAX = 1_024
"""Chains of a link that are asked for once the peer may bring them: more than there are in rooms that it left."""
_LAST_WORDS_S = 1.0
"""How long a link that ends goes on writing: to say why it ends."""


class Link:
    """An established link with a peer."""

    def __init__(
        self, links: Links, stream: ByteStream, established: Established, dialled_by: DialledBy, own_epoch: bytes
    ) -> None:
        self.own_epoch = own_epoch
        """Whose keys this node proved: after another is opened, hands are shaken again."""
        self.peer = established.peer
        self.node = established.peer.node
        self.dialled_by = dialled_by
        self.session = Session(initiator=dialled_by is DialledBy.US, now=links.now())
        self.is_greeted = False
        self.address = ""
        """Where the peer dialled from; '' where we dialled."""
        self.opened_at: int | None = None
        self.last_seen = links.now()
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self.closing: Close | None = None
        self.is_closed_by_peering = False
        """Whether it is closed for what was refused of peering."""
        self.offered: set[ChainKey] = set()
        self.grown: dict[ChainKey, Position] = {}
        """Chains that grew by what this peer delivered: pushed on only after it is acknowledged, else sent back."""
        self.barred: dict[ChainKey, None] = {}
        """Chains that this peer pushed and might not bring then."""
        self.told: dict[bytes, bytes] = {}
        """Node → newest epoch of it that the peer was told."""
        self._links = links
        self._stream = stream
        self._receiving = established.receiving
        self._outgoing = Outgoing(stream, established.sending.seal, self._end)
        self.intake = Intake(links.ingest, self.node, self._settle, self.close, links.event_delay_s)
        self._pace = OutgoingPace(
            links.agreed_rates,
            self.node,
            lambda key: self.run_effects(self.session.rest_chain(*key)),
            self.wake_chains,
        )
        self.working: set[asyncio.Task[None]] = set()
        """What frames of this link set going; the reader waits while there are _WORK_MAX."""
        self.again = AskingAgain(self._resend, lambda: self.session.is_closed)
        self._done = asyncio.Event()

    # --- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the link until it ends. Never raises for what the peer or the network does."""
        tasks = [
            asyncio.create_task(self.guarded(task), name=f"link-{self.node.hex()[:8]}-{name}")
            for name, task in (
                ("read", self._read()),
                ("write", self._outgoing.write()),
                *self.intake.tasks(),
                ("time", self._keep_time()),
            )
        ]
        try:
            await self._done.wait()
            tasks.append(asyncio.create_task(self._outgoing.written()))
            writing_ends = (tasks[1], tasks[-1])  # all is written, or nothing more can be
            await asyncio.wait(writing_ends, timeout=_LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.again.close()
            self._pace.close()
            self._outgoing.forget_later()
            tasks += self.working
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(Exception):  # the socket may be gone in any way; nothing is left to do
                await self._stream.close()

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of the link; a mistake of ours ends this link, is logged, and harms no other."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("link with %s failed", self.node.hex())
            self._end(Close("internal", "a mistake in this node; see its log"))

    @property
    def received(self) -> int:
        """Events that came on this link."""
        return self.intake.received

    async def stop(self) -> None:
        """Close a link that was never served."""
        with contextlib.suppress(Exception):  # as above
            await self._stream.close()

    def close(self, code: str, message: str = "") -> None:
        """End the link, telling the peer why."""
        self.run_effects(self.session.close(code, message))

    def _end(self, close: Close) -> None:
        if self.closing is None:
            self.closing = close
        self._done.set()

    # --- effects -----------------------------------------------------------------------------

    def run_effects(self, effects: Sequence[SessionEffect]) -> None:
        """Run what the session asks for, in order."""
        for effect in effects:
            self._run(effect)

    def _run(self, effect: SessionEffect) -> None:
        match effect:
            case SendFrame(data=data):
                self._outgoing.send(data)
            case Deliver():
                self.intake.take(effect.batch, effect.cost)
            case ReadChain():
                self.when_there_is_room(partial(self._read_chain, effect))
            case ComparePosition(epoch=epoch, stream=stream, seq=seq, id=event_id):
                self._compare(epoch, stream, seq, event_id)
            case ForkSeen(epoch=epoch, stream=stream, seq=seq, peer_id=peer_id):
                self._exchange_fork(epoch, stream, seq, peer_id)
            case Control(frame=frame):
                self._links.received(self, frame)
            case Opened():
                self.opened_at = self._links.now()
                self._links.opened(self)
            case Acked():
                pass
            case Close():
                self._end(effect)

    def when_there_is_room(self, send: Callable[[], None]) -> None:
        """Send what can be much (records, proofs, chains) only as the peer reads, in the order of the calls."""
        self._outgoing.when_there_is_room(send)

    def _read_chain(self, effect: ReadChain) -> None:
        entries = self._links.outbox.read(effect)
        pruned = None if entries else self._links.outbox.pruned(effect)
        if pruned is not None:  # nothing is pushed until the peer says that it goes on behind what is not here
            held = self._links.outbox.id_at(effect.epoch, effect.stream, effect.after_seq) or NO_EVENT
            self.run_effects(self.session.hold_chain(effect.epoch, effect.stream, held))
        entries = self._pace.limit((effect.epoch, effect.stream), entries)
        self.sent += len(entries)
        self.run_effects(self.session.chain_read(effect.epoch, effect.stream, entries))
        if pruned is not None:
            self.control(pruned)

    def _compare(self, epoch: bytes, stream: str, seq: int, event_id: bytes) -> None:
        held = self._links.outbox.id_at(epoch, stream, seq)
        if held is not None and held != event_id:
            self.run_effects(self.session.hold_chain(epoch, stream, event_id))
            self._exchange_fork(epoch, stream, seq, event_id)

    def _exchange_fork(self, epoch: bytes, stream: str, seq: int, peer_id: bytes) -> None:
        """Ask for the other event of the place and show ours: each side then holds the proof."""
        ours = self._links.outbox.read(ReadChain(epoch, stream, seq - 1, 1, 1 << 30))
        self.run_effects(self.session.want([peer_id]))
        self.run_effects(self.session.send_events([data for _, data in ours]))

    # --- tasks -------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while (data := await self._stream.receive()) is not None:
                now = self._links.now()
                self.last_seen = now
                self.run_effects(self.session.handle(self._receiving.open(data), now))
                if self.session.is_closed:
                    return
                while len(self.working) >= _WORK_MAX:
                    await asyncio.wait(self.working, return_when=asyncio.FIRST_COMPLETED)
        except NotAuthentic as error:
            self.close(error.code, str(error))
        except (OSError, FoedusError) as error:
            self._end(Close("lost", str(error)))
        finally:
            self._end(Close("lost", "the connection was lost"))

    async def _keep_time(self) -> None:
        """Sleep until the next deadline. Frames only ever move it away, so none of them needs to wake this."""
        while (deadline := self.session.next_deadline()) is not None:
            await asyncio.sleep(max(0.0, (deadline - self._links.now()) / SECOND))
            self.run_effects(self.session.on_deadline(self._links.now()))

    def _settle(self, report: Report, cost: int) -> None:
        """Acknowledge a batch that is durable, and ask for what it showed to be missing."""
        reached = [_chain_position(position) for position in report.reached.values()]
        self.run_effects(self.session.durable(reached, cost))
        grown, self.grown = self.grown, {}
        for position in grown.values():
            self.advanced(position)
        for rejection in report.refused:
            self.refused[rejection.reason] += 1
        if report.barred:
            self.barred |= dict(list(report.barred.items())[: _BARRED_MAX - len(self.barred)])
            self.ask_unbarred()
        self._ask(report)
        self._links.reported(self, report)

    def _ask(self, report: Report) -> None:
        wants = list(dict.fromkeys(report.want))[:WANTS_PER_FRAME]
        if wants:
            self.run_effects(self.session.want(wants))
        if report.want_records:
            self._links.want_records(self, report.want_records)
        self.again.reached(report.reached)
        self.again.put_off(report.again)

    def _resend(self, keys: Sequence[ChainKey]) -> None:
        """Ask for chains from our heads, in as few frames as they fit."""
        heads = [self._links.outbox.head(key) or Position(*key, 0, NO_EVENT) for key in keys]
        if heads:
            self.run_effects(self.session.resend(*(_chain_position(head) for head in heads)))

    def speaks(self, capability: str) -> bool:
        """Tell whether the peer knows the frames of a capability."""
        return capability in self.peer.capabilities

    # --- for the manager ---------------------------------------------------------------------

    def control(self, frame: Frame) -> None:
        """Send a frame of the node's own."""
        self.run_effects(self.session.send_control(frame))

    def offer(self, positions: Sequence[Position]) -> None:
        """Let the peer have these chains, after the records of who wrote them."""
        self.tell_writers(positions)
        try:
            effects = self.session.offer([_chain_position(position) for position in positions])
        except ValueError as error:  # with what the peer named there are more than a link remembers
            self.close("too_many_chains", str(error))
            return
        self.offered |= {(position.epoch, position.stream) for position in positions}
        self.run_effects(effects)

    def tell_writers(self, positions: Sequence[Position]) -> None:
        """Send the identity records of who wrote these chains first."""
        self._links.outbox.tell_writers(self, positions)

    def ask_unbarred(self) -> None:
        """Ask for chains from our heads that the peer may bring by now, since memberships have changed."""
        keys = [key for key in self.barred if not self._links.ingest.may_carry(self.node, key[1])]
        for key in keys:
            del self.barred[key]
        self._resend(keys)

    def go_on(self, key: ChainKey) -> None:
        """Ask for a chain from our head: it moved by itself."""
        self._resend([key])

    def advanced(self, position: Position) -> None:
        """Push what is new in a chain that was offered."""
        self.run_effects(self.session.advanced(_chain_position(position)))

    def wake_chains(self) -> None:
        """Go on with chains that wait for the agreed rate, as far as it lets them now."""
        self.run_effects(self.session.wake_chains())

    def withdraw(self, stream: str) -> None:
        """Stop a stream that the peer may no longer see."""
        self.offered = {key for key in self.offered if key[1] != stream}
        self.run_effects(self.session.withdraw(stream))


def _chain_position(position: Position) -> ChainPosition:
    return ChainPosition(position.epoch, position.stream, position.seq, position.id or NO_EVENT)
