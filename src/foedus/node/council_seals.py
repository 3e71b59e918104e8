"""Seals of one council at this node: made where a checkpoint is stable, gathered until a quorum has sealed it, kept.

Votes never wait for it. A seal is made in a thread, of what is durable here, once the checkpoint's own messages left;
what was missed is asked for. A checkpoint that gets no quorum is covered by the next, since the chain in their roots
goes on; that of an epoch's end has no next one in its epoch, so it is asked for until it is sealed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from foedus.base.errors import Unavailable
from foedus.base.limits import SECOND
from foedus.consensus.ledger import Parts
from foedus.consensus.membership import MEMBERS_MAX, Member, Membership
from foedus.consensus.seals import Seal, Sealed, holds, seal_bytes
from foedus.log.port import Commit
from foedus.node.council_carrier import Carrier
from foedus.node.council_inbox import Paces
from foedus.node.council_messages import WANTED_MAX, HaveSeals, WantSeals
from foedus.node.council_records import MADE_KEPT
from foedus.node.council_seal_records import Checkpoint
from foedus.node.council_seal_showing import records_of, show
from foedus.node.store import Store

if TYPE_CHECKING:
    from foedus.node.council_seat import Seat

log = logging.getLogger("foedus.councils")

AGAIN_S = 2.0
"""Between two questions for missing seals, while some come."""
_PAUSE_MAX = 32
"""Times AGAIN_S between two of them, doubled while nothing new comes."""
OPEN_MAX = 16
"""Checkpoints whose seals are gathered at once, beside ends of epochs: older ones are covered by them."""
TOLD_MAX = 256
"""Messages that wait to be checked; beyond, they are dropped, and asked for later."""
_TOLD_PER_SECOND = 32
"""Messages of one node that are looked at, each until its first seal that does not hold (0.3 ms): fast councils make
some ten checkpoints in a second."""
_ASKED_PER_SECOND = 1
"""Questions of one node that are answered, each by some 1.6 MB at most."""


class _Open:
    """A checkpoint whose quorum of seals is not here yet."""

    def __init__(self, membership: Membership, parts: Parts) -> None:
        self.membership = membership
        self.parts = parts
        self.signed = seal_bytes(membership, parts.sequence, parts.root())
        self.seals: dict[int, Seal] = {}

    @property
    def ends(self) -> bool:
        return self.parts.border == self.parts.sequence

    def told(self) -> HaveSeals:
        return HaveSeals(self.parts.sequence, tuple(self.seals[index] for index in sorted(self.seals)))


class Sealing:
    """One per seat whose council seals. On the event loop's thread, through all epochs."""

    def __init__(self, seat: Seat, store: Store, carrier: Carrier) -> None:
        self.sealed = 0
        """The last place whose checkpoint a quorum is known here to have sealed."""
        self._seat = seat
        self._records = seat.records.seals
        self._store = store
        self._carrier = carrier
        self._open: dict[int, _Open] = {}
        self._told: deque[tuple[bytes, HaveSeals]] = deque(maxlen=TOLD_MAX)
        self._early: dict[bytes, HaveSeals] = {}
        """Of each node the newest that it told of a checkpoint that is not stable here."""
        self._news, self._missing = asyncio.Event(), asyncio.Event()
        self._asked, self._telling = Paces(), Paces()
        self._ends = 0
        """Ends of epochs that were looked at."""
        self._turn = 0
        self._pause = 1

    # --- what is to be sealed ------------------------------------------------------------------

    def stable(self, membership: Membership, parts: Parts) -> None:
        """Take note that a checkpoint is stable here, durably."""
        if parts.sequence in self._open:
            return
        self._open[parts.sequence] = _Open(membership, parts)
        passing = sorted(place for place, it in self._open.items() if not it.ends)
        for place in passing[:-OPEN_MAX]:
            del self._open[place]
        for node in [node for node, said in self._early.items() if said.sequence <= parts.sequence]:
            self._told.append((node, self._early.pop(node)))
        self._news.set()
        self._missing.set()
        self.linked()

    def linked(self) -> None:
        """Ask soon for what is missing: there is more, or somebody came who may have it."""
        self._pause = 1

    async def _load(self) -> None:
        """Take up what was stable and not sealed as the node stopped, and ends of epochs that others told of."""
        newest, span = self._seat.made, OPEN_MAX * self._seat.membership.interval
        for checkpoint in await asyncio.to_thread(self._records.between, newest - span, newest + span):
            self._take_up(checkpoint)
        await self.learned()

    async def learned(self) -> None:
        """Take up the ends of epochs that this node has come to know."""
        for epoch in range(self._ends, len(self._seat.line.renewals)):
            parts = self._seat.line.renewals[epoch].parts
            held = await asyncio.to_thread(self._records.at, parts.sequence)
            self._take_up(Checkpoint(epoch, parts, ()) if held is None else held)
            self._ends = max(self._ends, epoch + 1)

    def _take_up(self, checkpoint: Checkpoint) -> None:
        if checkpoint.seals:
            self.sealed = max(self.sealed, checkpoint.parts.sequence)
        else:
            self.stable(self._seat.line.memberships()[checkpoint.epoch], checkpoint.parts)

    async def run(self) -> None:
        """Seal, and check what others sealed, one after the other."""
        await self._load()
        while True:
            await self._news.wait()
            self._news.clear()
            for place in sorted(self._open):
                await self._seal(place)
                await self._settle(place)
            while self._told:
                node, said = self._told.popleft()
                await self._check(node, said)

    async def _seal(self, place: int) -> None:
        """Seal a checkpoint by the key of this node, where it is a member by the keys that it has now."""
        opened = self._open.get(place)
        keys = self._store.keys
        me = None if opened is None else _index_of(opened.membership, Member(self._store.node, keys.ed25519.public))
        if opened is None or me is None or me in opened.seals:
            return
        seal = Seal(me, await asyncio.to_thread(keys.mldsa65.sign, opened.signed))
        opened.seals[me] = seal
        for member in opened.membership.members:
            if member.node != self._store.node:
                self._seat.say(member.node, HaveSeals(place, (seal,)))

    # --- what others sealed --------------------------------------------------------------------

    def hear(self, node: bytes, said: HaveSeals | WantSeals) -> None:
        """Take what a node says of seals."""
        if node not in self._seat.line.nodes() or not self._paced(node, said):
            return
        if isinstance(said, WantSeals):
            self._seat.spawn(self._answer(node, said))
        elif said.sequence in self._open:
            self._told.append((node, said))
            self._news.set()
        elif said.sequence > self.sealed:
            if len(self._early) >= MEMBERS_MAX:
                self._early.clear()
            self._early[node] = said

    async def _check(self, node: bytes, said: HaveSeals) -> None:
        """Take in seals that hold; of a message with one that does not hold the rest is not looked at."""
        opened = self._open.get(said.sequence)
        if opened is None:
            return
        records = records_of(opened.membership, self._store.identities)
        keys = {member: signed.record.keys.mldsa65 for member, signed in records.items()}
        for seal in said.seals:
            if seal.member in opened.seals:
                continue
            if not await asyncio.to_thread(holds, seal, opened.signed, opened.membership, keys):
                log.info("%s told of a seal that does not hold, or whose key is not known here", node.hex())
                return
            opened.seals[seal.member] = seal
            self._pause = 1
        await self._settle(said.sequence)

    async def _settle(self, place: int) -> None:
        """Keep a quorum of seals, once it is there."""
        opened = self._open.get(place)
        quorum = opened.membership.quorum if opened is not None else 0
        if opened is None or len(opened.seals) < quorum:
            return
        seals = tuple(opened.seals[index] for index in sorted(opened.seals)[:quorum])
        kept = self._records.value(Checkpoint(opened.membership.epoch, opened.parts, seals))
        try:
            past = await asyncio.to_thread(self._records.until, place - MADE_KEPT)
            await self._store.commit(Commit(values=[kept, *past]))
        except Unavailable as error:
            log.warning("seals of a council are not kept: %s: %s", error.code, error)
            return  # it stays open, and is tried again with the next question
        self._open.pop(place, None)
        self.sealed = max(self.sealed, place)

    # --- what is missing -----------------------------------------------------------------------

    async def ask_again(self) -> None:
        """Ask one connected node after the other for the seals that are missing for some time."""
        waited = 0
        while True:
            await self._missing.wait()
            before = set(self._open)
            await asyncio.sleep(AGAIN_S)
            waited += 1
            missing = sorted(before & self._open.keys(), reverse=True)
            if missing and waited >= self._pause:
                waited, self._pause = 0, min(2 * self._pause, _PAUSE_MAX)
                self._ask(missing)
                self._news.set()  # what the disk refused is tried again
            elif not self._open:
                self._missing.clear()

    def _ask(self, missing: list[int]) -> None:
        """Ask for the newest places, and for ends of epochs, which all that follows stands on."""
        members = {it.node for place in missing for it in self._open[place].membership.members}
        nodes = sorted({*members, *self._seat.others()} - {self._store.node})
        connected = [node for node in nodes if self._carrier.link(node) is not None]
        if connected:
            self._turn += 1
            wanted = sorted(missing, key=lambda place: not self._open[place].ends)[:WANTED_MAX]
            self._seat.say(connected[self._turn % len(connected)], WantSeals(tuple(wanted)))

    async def _answer(self, node: bytes, said: WantSeals) -> None:
        for place in said.sequences:
            opened = self._open.get(place)
            if opened is not None:
                told = opened.told()
            else:
                held = await asyncio.to_thread(self._records.at, place)
                told = HaveSeals(place, held.seals if held is not None else ())
            if told.seals:
                self._seat.say(node, told)

    def _paced(self, node: bytes, said: HaveSeals | WantSeals) -> bool:
        now = int(asyncio.get_running_loop().time() * SECOND)
        if isinstance(said, WantSeals):
            return self._asked.allows(node, _ASKED_PER_SECOND, now)
        return self._telling.allows(node, _TOLD_PER_SECOND, now)

    async def shown(self, sequence: int) -> Sealed | None:
        """Return what shows by seals that the batch at a place was made, None where that is not sealed here yet."""
        return await show(self._seat, self._store.identities, sequence)


def _index_of(membership: Membership, member: Member) -> int | None:
    return membership.members.index(member) if member in membership.members else None
