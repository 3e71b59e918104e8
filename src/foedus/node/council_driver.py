"""What drives the replica of one council: checks what comes, makes durable what is to be kept, then lets it leave.

All that waits for the disk goes as one commit, in the order of the calls. Where that fails nothing of it leaves, and
the replica, which is ahead of the disk, is dropped; a new one goes on from what was kept once the disk is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from foedus.base.clock import Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.limits import SECOND
from foedus.consensus.certificates import BadVote, Check, checks
from foedus.consensus.effects import Diverged, Effect, Executed, Exposed, Send
from foedus.consensus.founding import Founding
from foedus.consensus.ledger import Ledger
from foedus.consensus.machine import KeyValue
from foedus.consensus.messages import Message
from foedus.consensus.ordering import Settings
from foedus.consensus.records import Place, Record
from foedus.consensus.replica import Replica
from foedus.consensus.updates import Update
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log.port import Commit
from foedus.node.background import Background
from foedus.node.checking import Checking
from foedus.node.council_checking import CouncilChecking
from foedus.node.council_inbox import Inbox
from foedus.node.council_messages import write
from foedus.node.council_records import CouncilRecords
from foedus.node.store import Store

log = logging.getLogger("foedus.councils")

RETRY_S = 2.0
"""After the disk failed: how long until the council is taken up again."""
WAITING_MAX = 1_024
"""Calls of the replica whose effects wait for the disk: beyond, nothing more is read, and no time passes for it."""
ASKED_MAX = 4_096
"""Updates of this node whose result is awaited: as many as a replica lets wait."""
_BEHIND_US = SECOND // 10

Outcome = tuple[Executed, int]
"""What was made, and which of its updates was meant."""


class CouncilDown(Unavailable):
    """The council does not work at this node now."""

    code = "council_down"
    remedy = "see `foedus status`; it goes on by itself when the disk can be written"


class TooManyUpdates(UsageError):
    """The council has as much to do as it takes, or the update is over."""

    code = "too_many_updates"
    http_status = 429
    remedy = "wait until some are made, and propose it again"


class CouncilDriver:
    """One council at this node, which is its member ``me``. ``send``: a member's index and the bytes for it."""

    def __init__(
        self,
        founding: Founding,
        key: Ed25519Key,
        store: Store,
        checking: Checking,
        send: Callable[[int, bytes], None],
        *,
        settings: Settings | None = None,
    ) -> None:
        self.membership = founding.membership()
        self.me = next(index for index, it in enumerate(founding.members) if it.ed25519 == key.public)
        self.records = CouncilRecords(store.log, founding.id)
        self.refused: Counter[str] = Counter()
        self.exposed: set[int] = set()
        """Members that said two things of one place."""
        self._key = key
        self._store = store
        self._checking = CouncilChecking(checking)
        self._send = send
        self._settings = settings or Settings()
        self._replica: Replica[KeyValue] | None = None
        self._waiting: list[list[Effect]] = []
        self._asked: dict[bytes, asyncio.Future[Outcome]] = {}
        self._inboxes = {index: Inbox() for index in range(self.membership.size) if index != self.me}
        self._came, self._written = asyncio.Event(), asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = 0
        """Kept here: what uvloop returns for a moment that has passed does not know it."""
        self._background = Background(log)
        self._closed = False

    @property
    def replica(self) -> Replica[KeyValue]:
        """The state machine, to look at; raises CouncilDown while there is none."""
        if self._replica is None:
            raise CouncilDown("the council does not work at this node now")
        return self._replica

    def start(self) -> None:
        """Take up what was kept, and begin to listen."""
        self._load(self.records.load())
        self._background.spawn(self._write())
        for member, inbox in self._inboxes.items():
            self._background.spawn(self._read(member, inbox))

    async def close(self) -> None:
        """Stop. What was not durable never left."""
        self._closed = True
        self._drop(CouncilDown("the node stops"))
        await self._background.close()

    def hear(self, member: int, message: Message, size: int) -> None:
        """Take in what a member said; it is read in turn."""
        self._inboxes[member].put(message, size)

    def propose(self, update: Update) -> asyncio.Future[Outcome]:
        """Ask the council for an update whose signature holds; the future tells what came of it, once it is durable."""
        return self.propose_all([update])[0]

    def propose_all(self, updates: Sequence[Update]) -> list[asyncio.Future[Outcome]]:
        """Ask the council for updates whose signatures hold, all or none of them; each future tells what came of one.

        Some may be made although TooManyUpdates is raised: those that waited here before.
        """
        if len(self._asked) + len(updates) > ASKED_MAX:
            raise TooManyUpdates(f"{ASKED_MAX} updates of this node wait")
        effects = self.replica.submit_all(updates, self._now())
        if effects is None:
            raise TooManyUpdates("the updates are over, or too many wait")
        loop = asyncio.get_running_loop()
        futures = [self._asked.setdefault(update.id, loop.create_future()) for update in updates]
        self._run(effects)
        return futures

    async def holds(self, checks: Sequence[Check]) -> bool:
        """Tell whether signatures of updates hold, which are then not checked again when members bring them."""
        return await self._checking.hold(checks)

    def forget(self, update: Update) -> None:
        """Nobody here waits for an update any more; it may still be made."""
        self._asked.pop(update.id, None)

    # --- the replica -------------------------------------------------------------------------

    def _now(self) -> Instant:
        """Return the loop's time, which no clock change moves: a replica knows deadlines only."""
        return int(asyncio.get_running_loop().time() * SECOND)

    def _load(self, records: dict[Place, Record]) -> None:
        membership = self.membership
        ledger = Ledger(KeyValue(), window=membership.window, interval=membership.interval)
        self._replica = Replica(membership, self.me, self._key.sign, ledger, settings=self._settings, records=records)
        self._arm()

    async def _read(self, member: int, inbox: Inbox) -> None:
        """Check and handle what one member says, one after the other."""
        while True:
            message = await inbox.get()
            while len(self._waiting) >= WAITING_MAX:
                self._written.clear()
                await self._written.wait()
            if self._replica is not None and self._replica.is_needless(message):
                continue
            try:
                holds = await self._checking.hold(checks(message, self.membership))
                if not holds:
                    self.refused["invalid_signature"] += 1
                elif self._replica is not None:
                    self._run(self._replica.handle(member, message, self._now()))
            except BadVote as error:
                self.refused[error.code] += 1
                log.info("member %d of a council: %s", member, error)

    def _run(self, effects: list[Effect]) -> None:
        if effects:
            self._waiting.append(effects)
            self._came.set()
        self._arm()

    def _arm(self) -> None:
        """Wake in time for the next deadline; a timer that stands before it does as well."""
        if self._replica is None or self._closed:
            return
        due = self._replica.next_deadline()
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(due / SECOND, self._wake), due

    def _wake(self) -> None:
        self._timer = None
        if self._replica is None:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._timer_at = self._now() + _BEHIND_US
            self._timer = asyncio.get_running_loop().call_at(self._timer_at / SECOND, self._wake)
        elif self._replica.next_deadline() <= self._now():
            self._run(self._replica.on_deadline(self._now()))
        else:
            self._arm()

    # --- effects -----------------------------------------------------------------------------

    async def _write(self) -> None:
        """Make durable what waits, then let it leave; after a failure go on from what is kept."""
        while True:
            await self._came.wait()
            self._came.clear()
            try:
                while self._waiting:
                    await self._write_waiting()
            except Unavailable as error:
                log.warning("a council stops: %s: %s", error.code, error)
                self._drop(CouncilDown("the disk could not be written"))
                await self._take_up()

    async def _write_waiting(self) -> None:
        groups, self._waiting = self._waiting, []
        effects = [effect for group in groups for effect in group]
        values = self.records.values(effects)
        if values:
            await self._store.commit(Commit(values=values))
        self._leave(effects)
        self._written.set()

    async def _take_up(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                records = await asyncio.to_thread(self.records.load)
            except Unavailable as error:
                log.warning("a council cannot be taken up: %s: %s", error.code, error)
                continue
            self._load(records)
            return

    def _drop(self, error: CouncilDown) -> None:
        """Let go of a replica that is ahead of the disk, and of all that it wanted to say."""
        self._replica = None
        self._waiting.clear()
        self._written.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # who no longer waits need not be told

    def _leave(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(to=to, message=message):
                    self._send_to(self._inboxes if to is None else [to], message)
                case Executed():
                    self._made(effect)
                case Exposed(second=second):
                    self._expose(second)
                case Diverged(sequence=sequence):
                    log.error("the state of a council is not the others' at %d; theirs is fetched", sequence)

    def _send_to(self, members: object, message: Message) -> None:
        try:
            data = write(message)
        except ValueError as error:  # a view-change of very many members and places
            self.refused["too_large"] += 1
            log.warning("a council: %s", error)
            return
        for member in members:  # type: ignore[attr-defined]
            self._send(member, data)

    def _made(self, effect: Executed) -> None:
        for index, update in enumerate(effect.batch.updates):
            future = self._asked.pop(update.id, None)
            if future is not None and not future.done():
                future.set_result((effect, index))

    def _expose(self, second: object) -> None:
        member = getattr(second, "member", None)
        if member is None:
            member = self.membership.leader(getattr(second, "view", 0))
        self.exposed.add(member)
        log.warning("member %d of a council said two things of one place", member)
