"""What drives the replica of one epoch: checks what comes, makes durable what is to be kept, then lets it leave.

All that waits for the disk goes as one commit, in the order of the calls. Where that fails nothing of it leaves, and
the replica, which is ahead of the disk, is dropped; a new one goes on from what was kept once the disk is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import Unavailable
from foedus.base.limits import SECOND
from foedus.consensus.board import Board
from foedus.consensus.certificates import BadVote, Check, checks
from foedus.consensus.effects import (
    CheckAgain,
    Checkpointed,
    Diverged,
    Effect,
    Executed,
    Exposed,
    Keep,
    Renewed,
    Send,
)
from foedus.consensus.ledger import Ledger, Parts
from foedus.consensus.membership import Membership
from foedus.consensus.messages import Ask, Message, NewView, Proposal, ViewChange, Vote, WantState
from foedus.consensus.ordering import Settings
from foedus.consensus.proof import Renewal
from foedus.consensus.records import Place, Record, Snapshot
from foedus.consensus.replica import Replica
from foedus.consensus.transfer import part_of
from foedus.consensus.updates import Batch, Update
from foedus.crypto.ed25519 import Ed25519Key
from foedus.node.background import Background
from foedus.node.council_asked import Asked, CouncilDown, Outcome, TooManyUpdates
from foedus.node.council_attendance import Attendance
from foedus.node.council_checking import CouncilChecking
from foedus.node.council_hearing import VOTE_BYTES, Hearing, is_small
from foedus.node.council_inbox import Inbox
from foedus.node.council_messages import Piece, write
from foedus.node.council_records import CouncilRecords, Start
from foedus.node.council_waking import Waking, loop_now
from foedus.node.council_writing import Writing
from foedus.node.store import Store

log = logging.getLogger("foedus.councils")

RETRY_S = 2.0
"""After the disk failed: how long until the council is taken up again."""


class Host(NamedTuple):
    """What a driver needs of its node. ``send``: to a node, bytes of a message of this membership."""

    store: Store
    checking: CouncilChecking
    records: CouncilRecords
    asked: Asked
    send: Callable[[bytes, bytes, bytes], None]
    is_linked: Callable[[bytes], bool]
    may: Callable[[Membership, Update], bool]
    """Whether an update's author may ask for it."""
    on_renewed: Callable[[Renewal], None]
    """The epoch has ended, durably; this driver does nothing any more."""
    on_exposed: Callable[[Membership, int], None]
    """A member contradicted itself; what convicts it is durable."""
    on_made: Callable[[int], None]
    """A batch was made at a place, durably."""
    on_stable: Callable[[Membership, Parts], None]
    """A checkpoint is stable, durably; these are the parts of its root."""


class CouncilDriver:
    """One epoch of a council at this node, which is its member ``me``."""

    def __init__(
        self,
        membership: Membership,
        key: Ed25519Key,
        begin: Callable[[], Ledger[Board]],
        host: Host,
        *,
        start: Snapshot | None = None,
        settings: Settings | None = None,
    ) -> None:
        """``begin`` makes the state with which the epoch begins; ``start``: what members who lack it may want of us."""
        self.membership = membership
        self.me = next(index for index, it in enumerate(membership.members) if it.ed25519 == key.public)
        self.records = host.records
        self.refused: Counter[str] = Counter()
        self.exposed: set[int] = set()
        """Members that said two things of one place."""
        self._key = key
        self._host = host
        self._begin = begin
        self._start = start
        self._settings = settings or Settings()
        self._replica: Replica[Board] | None = None
        self._others = [index for index in range(membership.size) if index != self.me]
        self._hearing = Hearing(membership, self._others, self.refused)
        self._writing = Writing(self._make_durable, self._leave, self._fail)
        self._waking = Waking(self._next_deadline, lambda: self._writing.is_full, self._on_deadline)
        self._background = Background(log)
        self._closed = False
        self._has_ended = False
        self._renewal: Renewal | None = None
        """How the epoch ended."""
        self._judged_at: Instant = 0

    @property
    def replica(self) -> Replica[Board]:
        """The state machine, to look at; raises CouncilDown while there is none."""
        if self._replica is None:
            raise CouncilDown("the council does not work at this node now")
        return self._replica

    @property
    def attendance(self) -> Attendance:
        """Who was heard lately, and how far each said it was."""
        return self._hearing.attendance

    @property
    def is_up(self) -> bool:
        """Whether there is a replica: the disk may have failed."""
        return self._replica is not None

    @property
    def silent(self) -> set[int]:
        """The members that were not heard for some time."""
        return {it for it in self._others if self.attendance.is_silent(it, loop_now())}

    @property
    def lag(self) -> int:
        """By how many places this node is behind, as more members say than may lie."""
        return self.attendance.lag(self.replica.ledger.sequence, self.membership.faults)

    def start(self, records: dict[Place, Record]) -> None:
        """Take up what was kept in this epoch, and begin to listen."""
        self._load(records)
        for member, inbox in self._hearing.inboxes.items():
            self._background.spawn(self._read(member, inbox))

    async def close(self) -> None:
        """Stop. What was not durable never left."""
        self._closed = True
        self._drop()
        await self._hearing.close()
        await self._background.close()

    # --- what comes --------------------------------------------------------------------------

    def hear(self, member: int, message: Message, size: int) -> None:
        """Take in what a member said: at once where nothing of it waits and little is to be checked, else in turn."""
        if self._hearing.may_be_taken_now(member, message) and self._take_now(member, message):
            return
        self._hearing.put(member, message, size)

    def hear_piece(self, member: int, piece: Piece) -> None:
        """Take in a piece of a message that no frame holds."""
        self._hearing.hear_piece(member, piece)

    def propose(self, update: Update) -> asyncio.Future[Outcome]:
        """Ask the council for an update whose signature holds; the future tells what came of it, once it is durable."""
        return self.propose_all([update])[0]

    def propose_all(self, updates: Sequence[Update]) -> list[asyncio.Future[Outcome]]:
        """Ask the council for updates whose signatures hold, all or none; each future tells what came of one."""
        futures = self._host.asked.wait_all(updates)
        self.see_who_is_away()
        effects = None if self._has_ended else self.replica.submit_all(updates, loop_now())
        if effects is None:
            for update in updates:
                self._host.asked.forget(update)
            raise TooManyUpdates("the updates are over, or too many wait")
        self._run(effects)
        return futures

    def see_who_is_away(self) -> None:
        """Take note of who is linked now; called where that changes."""
        if self._replica is not None:
            members = self.membership.members
            self._replica.away = [it for it in self._others if not self._host.is_linked(members[it].node)]

    async def holds(self, checks: Sequence[Check]) -> bool:
        """Tell whether signatures of updates hold, which are then not checked again when members bring them."""
        return await self._host.checking.hold(checks)

    def forget(self, update: Update) -> None:
        """Nobody here waits for an update any more; it may still be made."""
        self._host.asked.forget(update)

    def take_over(self, updates: Sequence[Update]) -> None:
        """Ask again for what waited as the epoch before ended."""
        for update in updates:
            self._run(self.replica.submit(update, loop_now()) or [])

    # --- the replica -------------------------------------------------------------------------

    def _load(self, records: dict[Place, Record]) -> None:
        self._replica = Replica(
            self.membership, self.me, self._key.sign, self._begin(), settings=self._settings, records=records
        )
        self._waking.arm()

    async def _read(self, member: int, inbox: Inbox) -> None:
        """Check and handle what one member says, one after the other."""
        while True:
            message = await inbox.get()
            await self._writing.has_room()
            if self._replica is None or not self._replica.concerns(member, message):
                continue
            try:
                holds = await self._host.checking.hold(await self._checks(message))
                self._handle(member, message, holds=holds)
            except BadVote as error:
                self._refuse(member, error)

    def _take_now(self, member: int, message: Message) -> bool:
        """Check and handle a message here and now; return False where that is for a thread, or not the time."""
        if self._replica is None or self._writing.is_full or not is_small(message):
            return False
        try:
            if self._replica.concerns(member, message):
                self._handle(member, message, holds=self._host.checking.hold_now(checks(message, self.membership)))
        except BadVote as error:
            self._refuse(member, error)
        return True

    def _handle(self, member: int, message: Message, *, holds: bool) -> None:
        if not holds:
            self.refused["invalid_signature"] += 1
            return
        judged = self._permitted(message)
        if judged is None or self._replica is None or self._has_ended or self._gives_start(member, judged):
            return
        self._run(self._replica.handle(member, judged, loop_now()))

    def _refuse(self, member: int, error: BadVote) -> None:
        self.refused[error.code] += 1
        log.info("member %d of a council: %s", member, error)

    async def _checks(self, message: Message) -> list[Check]:
        """Return the signatures to check; those of a new view may be many thousands."""
        if isinstance(message, NewView):
            return await asyncio.to_thread(checks, message, self.membership)
        return checks(message, self.membership)

    def _permitted(self, message: Message) -> Message | None:
        """Return what of a message is judged and may be asked for. What a quorum prepared is not judged."""
        if not isinstance(message, Ask | Proposal):
            return message
        updates = message.batch.updates
        allowed = [update for update in updates if self._host.may(self.membership, update)]
        self.refused["not_permitted"] += len(updates) - len(allowed)
        if len(allowed) == len(updates):
            return message
        return Ask(Batch.of(allowed)) if isinstance(message, Ask) and allowed else None

    def _judge_again(self) -> None:
        """Let go of what may no longer be asked for: proposed, it would not be prepared, and wait here for ever."""
        replica, now = self._replica, loop_now()
        if replica is not None and now >= self._judged_at + SECOND:
            self._judged_at = now
            replica.withdraw([it for it in replica.pending if not self._host.may(self.membership, it)])

    def _gives_start(self, member: int, message: Message) -> bool:
        """Give a part of the state with which this epoch began, where that is asked for."""
        if self._start is None or not isinstance(message, WantState):
            return False
        part = part_of(self._start, message.part) if message.sequence == self._start.certificate.sequence else None
        if part is not None:
            self._send_to([member], part)
        return part is not None

    def _run(self, effects: list[Effect]) -> None:
        if effects:
            if self.replica.ledger.border is not None and any(isinstance(it, Renewed) for it in effects):
                self._has_ended = True
            self._writing.add(effects, is_urgent=self._has_ended or any(map(self._is_urgent, effects)))
        self._waking.arm()

    def _is_urgent(self, effect: Effect) -> bool:
        """Whether somebody waits for an effect, here or elsewhere."""
        return self._host.asked.awaits(effect) if isinstance(effect, Executed) else not isinstance(effect, Keep)

    def _next_deadline(self) -> Instant | None:
        is_over = self._replica is None or self._closed or self._has_ended
        return None if is_over or self._replica is None else self._replica.next_deadline()

    def _on_deadline(self, now: Instant) -> None:
        self._judge_again()
        self._run(self.replica.on_deadline(now))

    # --- effects -----------------------------------------------------------------------------

    def _make_durable(self, effects: Sequence[Effect]) -> Awaitable[object] | None:
        """Begin to make durable what these keep, None where it is nothing."""
        if self._has_ended:
            return self._keep_the_end(effects)
        values = self.records.values(effects, self.membership)
        return self._host.store.keep(values) if values else None

    async def _keep_the_end(self, effects: Sequence[Effect]) -> None:
        """Keep the end of the epoch, where it is among these: the state stays as it is at the border."""
        ended = next((effect for effect in effects if isinstance(effect, Renewed)), None)
        values = self.records.values(effects, self.membership, keeps=ended is None)
        if ended is not None:
            epoch, ledger = self.membership.epoch, self.replica.ledger
            self._renewal = Renewal(ended.certificate, ledger.parts(), ended.members)
            start = Start(epoch + 1, ledger.snapshot())
            values += await asyncio.to_thread(self.records.ended, self._renewal, epoch, start)
        await self._host.store.keep(values)

    def _fail(self, error: BaseException) -> None:
        """Stop where the disk failed, and go on from what was kept once it is back."""
        log.warning("a council stops: %s", error)
        self._drop()
        self._host.asked.fail(CouncilDown("the disk could not be written"))
        self._background.spawn(self._take_up())

    async def _take_up(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                records = await asyncio.to_thread(self.records.load, self.membership.epoch)
            except Unavailable as error:
                log.warning("a council cannot be taken up: %s: %s", error.code, error)
                continue
            self._load(records)
            return

    def _drop(self) -> None:
        """Let go of a replica that is ahead of the disk, and of all that it wanted to say."""
        self._replica = None
        self._has_ended = False
        self._writing.drop()
        self._waking.stop()

    def _leave(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(to=to, message=message):
                    self._send_to(self._others if to is None else [to], message)
                case Executed():
                    self._host.asked.made(effect)
                    self._host.on_made(effect.sequence)
                case Checkpointed(parts=parts):
                    self._host.on_stable(self.membership, parts)
                case Exposed(second=second):
                    self._expose(second)
                case CheckAgain(sender=sender, message=vote):
                    self.hear(sender, vote, VOTE_BYTES)
                case Renewed() if self._renewal is not None:
                    self._host.on_renewed(self._renewal)
                case Diverged(sequence=sequence):
                    log.error("the state of a council is not the others' at %d; theirs is fetched", sequence)

    def _send_to(self, members: Iterable[int], message: Message) -> None:
        data = write(message)
        for member in members:
            self._host.send(self.membership.members[member].node, self.membership.id, data)

    def _expose(self, second: Vote | NewView | ViewChange) -> None:
        member = self.membership.leader(second.view) if isinstance(second, NewView) else second.member
        self.exposed.add(member)
        log.warning("member %d of a council said two things of one place", member)
        self._host.on_exposed(self.membership, member)
