"""The place of this node in one council: which epoch it is in, and what drives it there.

An epoch ends in the commit that begins the next one, so a node that stops at any point goes on in one of the two. Who
was not there learns the end from others, proved by a quorum, and fetches the state with which the next begins.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from foedus.base.limits import NONCE_BYTES, SECOND
from foedus.consensus.board import Board, first_ledger, next_ledger
from foedus.consensus.ledger import Ledger, Parts
from foedus.consensus.line import Line
from foedus.consensus.membership import Member, Membership
from foedus.consensus.messages import HaveState, Message
from foedus.consensus.proof import ProofFailed, Renewal
from foedus.consensus.records import Snapshot
from foedus.consensus.updates import LIFE, Update
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log.port import Value
from foedus.node.background import Background
from foedus.node.checking import Checking
from foedus.node.council_asked import Asked, CouncilDown
from foedus.node.council_carrier import Carrier
from foedus.node.council_checking import CouncilChecking
from foedus.node.council_driver import CouncilDriver, Host
from foedus.node.council_fetch import StartFetch, ledger_at
from foedus.node.council_following import Following
from foedus.node.council_inbox import Paces
from foedus.node.council_messages import (
    ENDS_MAX,
    At,
    Beside,
    Consent,
    Ends,
    Founded,
    HaveSeals,
    Invited,
    Piece,
    Said,
    WantSeals,
    is_message,
    write,
)
from foedus.node.council_records import CouncilRecords, Start
from foedus.node.council_seals import Sealing
from foedus.node.council_states import State, missing
from foedus.node.council_wishing import Wishing
from foedus.node.store import Store

log = logging.getLogger("foedus.councils")

_AGAIN_S = 2.0
"""Between two questions for the state, where nobody gave it."""
_TOLD_PER_SECOND = 4
"""How often one node is told of ends of epochs, some 256 KB each time, or tells of them; twice as often at once."""


class Seat:
    """One per council that is founded, or to which this node is invited. On the event loop's thread."""

    def __init__(self, founded: Founded, store: Store, carrier: Carrier, checking: Checking) -> None:
        self.founded = founded
        self.records = CouncilRecords(store.log, founded.founding.id, seals=founded.founding.seal)
        self.line = Line(founded.founding)
        self.exposed: set[bytes] = set()
        """Nodes that contradicted themselves in this council."""
        self.driver: CouncilDriver | None = None
        self.asked = Asked()
        self.following = Following()
        self.may: Callable[[Membership, Update], bool] = lambda _membership, _update: True
        self.on_exposed: Callable[[bytes], None] = lambda _node: None
        self.on_changed: Callable[[Membership, Membership], None] = lambda _before, _after: None
        self._store = store
        self._carrier = carrier
        self._checking = CouncilChecking(checking)
        self._fetch: StartFetch | None = None
        self._carried: Sequence[Update] = ()
        self._paces = Paces()
        self._is_told = False
        self.on_line: Callable[[Seat], None] = lambda _seat: None
        self._lock = asyncio.Lock()
        self.wishing = Wishing(self, store, carrier)
        self.sealing = Sealing(self, store, carrier) if founded.founding.seal else None
        self._background = Background(log)

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what is held, and take part."""
        renewals = await asyncio.to_thread(self.records.renewals)
        self.line = await asyncio.to_thread(Line, self.founded.founding, renewals)
        self.wishing.standing = await asyncio.to_thread(self.records.standing)
        self.exposed = set(await asyncio.to_thread(self.records.exposed))
        self.on_line(self)
        await self.settle()
        self._background.spawn(self.wishing.run())
        if self.sealing is not None:
            self._background.spawn(self.sealing.run())
            self._background.spawn(self.sealing.ask_again())

    async def close(self) -> None:
        """Stop."""
        await self._background.close()
        if self.driver is not None:
            await self.driver.close()
        self.asked.fail(CouncilDown("the node stops"))

    @property
    def membership(self) -> Membership:
        """The members of the newest epoch."""
        return self.line.current

    @property
    def made(self) -> int:
        """The last place up to which what this node made is durable."""
        return max(self.following.made, self.line.start)

    def state(self) -> State:
        """Return what this node does in the council."""
        if self.driver is not None:
            return "running" if self.driver.is_up else "down"
        if self.my_index() is not None:
            return "fetching"
        if self.membership.index_of(self._store.node) is not None:
            return "key_changed"
        if self.wishing.joins:
            return "waiting"
        return "removed" if self._store.node in self.line.nodes() else "asked"

    async def settle(self) -> None:
        """Take part in the newest epoch, with the key that this node has now, or stop."""
        async with self._lock:
            await self._settle()

    async def _settle(self) -> None:
        membership, me = self.membership, self.my_index()
        driver = self.driver
        if driver is not None and (driver.membership.id, driver.me) != (membership.id, me):
            await self._stop()
        if me is None:
            self._fetch = None
            self.wishing.offer(self.others())
        elif self.driver is None:
            await self._begin(membership, me)
        self.wishing.reconsider()

    async def _stop(self) -> None:
        driver, self.driver = self.driver, None
        if driver is not None:
            if driver.is_up:
                self._carried = [*driver.replica.pending]
            await driver.close()

    async def _begin(self, membership: Membership, me: int) -> None:
        if not membership.epoch:
            await self._drive(partial(first_ledger, membership), None)
            return
        start = await asyncio.to_thread(self.records.start, membership.epoch)
        certificate = self.line.renewals[-1].stable
        ended = self.line.memberships()[membership.epoch - 1]
        if start is None:
            self._fetch = StartFetch(certificate, membership.size, me, self._ask_member)
            self._background.spawn(self._keep_fetching(self._fetch))
            return
        state = start.state

        def begin() -> Ledger[Board]:
            held = ledger_at(certificate, state, ended)
            if held is None:
                raise RuntimeError("the state with which an epoch begins is not the one that was stored")
            return next_ledger(held, membership)

        await self._drive(begin, Snapshot(certificate, state))

    async def _drive(self, begin: Callable[[], Ledger[Board]], start: Snapshot | None) -> None:
        membership = self.membership
        records = await asyncio.to_thread(self.records.load, membership.epoch)
        host = Host(
            self._store,
            self._checking,
            self.records,
            self.asked,
            self._carrier.send,
            lambda node: self._carrier.link(node) is not None,
            self._may,
            self._renewed,
            self._exposed,
            self.following.reached,
            self._stable,
        )
        driver = CouncilDriver(membership, self._store.keys.ed25519, begin, host, start=start)
        driver.start(records)
        self.driver = driver
        self.following.reached(driver.replica.ledger.sequence)
        driver.take_over(self._carried)
        self._carried = ()

    def my_index(self) -> int | None:
        """Return the index by which this node votes with the key that it has now, None where it does not."""
        mine = Member(self._store.node, self._store.keys.ed25519.public)
        members = self.membership.members
        return members.index(mine) if mine in members else None

    def _may(self, membership: Membership, update: Update) -> bool:
        return self.may(membership, update)

    def _exposed(self, membership: Membership, member: int) -> None:
        node = membership.members[member].node
        if node not in self.exposed:
            self.exposed.add(node)
            self.on_exposed(node)

    def _stable(self, membership: Membership, parts: Parts) -> None:
        if self.sealing is not None:
            self.sealing.stable(membership, parts)

    # --- what comes --------------------------------------------------------------------------

    def hear(self, node: bytes, said: Said, size: int) -> None:
        """Take what a node says to the members of the newest epoch."""
        member = self.membership.index_of(node)
        if member is None:
            return
        if isinstance(said, Piece):
            if self.driver is not None:
                self.driver.hear_piece(member, said)
        elif is_message(said):
            if self.driver is not None:
                self.driver.hear(member, said, size)
            elif self._fetch is not None and isinstance(said, HaveState):
                self._take_part(self._fetch, member, said)

    def hear_former(self, node: bytes, epoch: int) -> None:
        """Tell a member of an epoch that has ended, and that does not know it yet, how it ended."""
        if self.line.memberships()[epoch].index_of(node) is not None:
            self._tell_ends(node, epoch)

    def hear_beside(self, node: bytes, said: Beside) -> None:
        """Take what a node says of the council beside all epochs."""
        match said:
            case At(epoch=epoch) if epoch > self.membership.epoch:
                self._ask_ends(node)
            case At(epoch=epoch) if self._may_know(node):
                self._tell_ends(node, epoch)
            case Ends() if said.first <= self.membership.epoch < said.first + len(said.renewals):
                if not self._is_told and self._paced(node):
                    self._is_told = True
                    self._background.spawn(self._take_ends(node, said))
            case Consent() if said.member.node == node and self._paced(node):
                self.wishing.take(said)
            case HaveSeals() | WantSeals() if self.sealing is not None:
                self.sealing.hear(node, said)

    def linked(self, node: bytes) -> None:
        """Say to a node that came how far we are, and what it is asked."""
        self.see_who_is_away()
        if self.membership.index_of(node) is None and node in self.wishing.adds:
            self.say(node, Invited(self.founded))
        if self._may_know(node):
            self.say(node, At(self.membership.epoch))
            self.wishing.offer([node])
        if self.sealing is not None:
            self.sealing.linked()

    def see_who_is_away(self) -> None:
        """Take note that a link came or went."""
        if self.driver is not None:
            self.driver.see_who_is_away()

    def _may_know(self, node: bytes) -> bool:
        return node in self.line.nodes() or node in self.wishing.adds

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work of this seat beside everything else."""
        self._background.spawn(work)

    def say(self, node: bytes, said: Said) -> None:
        """Say something of the council beside all epochs."""
        self._carrier.send(node, self.founded.founding.id, write(said))

    # --- ends of epochs ------------------------------------------------------------------------

    def _ask_ends(self, node: bytes) -> None:
        if self._paced(node):
            self.say(node, At(self.membership.epoch))

    def _tell_ends(self, node: bytes, first: int) -> None:
        renewals = tuple(self.line.renewals[first : first + ENDS_MAX])
        if renewals and self._paced(node):
            self.say(node, Ends(first, renewals))

    def _paced(self, node: bytes) -> bool:
        return self._paces.allows(node, _TOLD_PER_SECOND, int(asyncio.get_running_loop().time() * SECOND))

    async def _take_ends(self, node: bytes, said: Ends) -> None:
        """Follow what others say of epochs that have ended, where a quorum of each signed it."""
        try:
            async with self._lock:
                fresh = said.renewals[self.membership.epoch - said.first :]
                line = await asyncio.to_thread(self.line.extended, fresh)
                if fresh:
                    await self._follow(line)
        except ProofFailed as error:
            log.warning("%s tells of an end of an epoch that is none: %s", node.hex(), error)
        finally:
            self._is_told = False
        if len(said.renewals) == ENDS_MAX:
            self._ask_ends(node)

    async def _follow(self, line: Line) -> None:
        """Make durable that epochs have ended elsewhere; the state with which the newest begins is to be fetched."""
        await self._stop()
        try:
            values: list[Value] = []
            for epoch in range(self.membership.epoch, line.current.epoch):
                values += await asyncio.to_thread(self.records.ended, line.renewals[epoch], epoch, None)
            await self._store.keep(values)
            self._set_line(line)
        finally:
            await self._settle()  # where the disk failed, in the epoch as it was kept

    def _renewed(self, renewal: Renewal) -> None:
        self._background.spawn(self._go_on(renewal))

    async def _go_on(self, renewal: Renewal) -> None:
        """Go on in the next epoch, which our own replica has brought about; that is durable."""
        async with self._lock:
            if renewal.stable.sequence <= self.line.start:
                return  # others told of it at the same time
            self._set_line(self.line.extended([renewal]))
            await self._settle()
        for node in {it.node for it in self.membership.members} - {self._store.node}:
            self._tell_ends(node, self.membership.epoch - 1)

    def _set_line(self, line: Line) -> None:
        known, self.line = self.line.current.epoch, line
        self.on_line(self)
        for before, after in pairwise(line.memberships()[known:]):
            self.on_changed(before, after)
        if self.sealing is not None:
            self.spawn(self.sealing.learned())

    # --- the state with which an epoch begins ----------------------------------------------------

    async def _keep_fetching(self, fetch: StartFetch) -> None:
        while self._fetch is fetch:
            fetch.ask()
            await asyncio.sleep(_AGAIN_S)

    def _ask_member(self, member: int, message: Message) -> None:
        self._carrier.send(self.membership.members[member].node, self.membership.id, write(message))

    def _take_part(self, fetch: StartFetch, member: int, part: HaveState) -> None:
        state = fetch.take(member, part)
        if state is not None:
            self._background.spawn(self._take_start(fetch, state))

    async def _take_start(self, fetch: StartFetch, state: bytes) -> None:
        """Begin with a state that was fetched, if it is the one that a quorum signed."""
        async with self._lock:
            if self._fetch is not fetch:
                return
            epoch = self.membership.epoch
            certificate, ended = self.line.renewals[-1].stable, self.line.memberships()[epoch - 1]
            if await asyncio.to_thread(ledger_at, certificate, state, ended) is None:
                log.warning("a member of a council gave a state that no quorum signed")
                fetch.begin_again()
                return
            await self._store.put(self.records.start_value(Start(epoch, state)))
            self._fetch = None
            await self._settle()

    def others(self) -> list[bytes]:
        """Return the members of the newest epoch beside this node."""
        return [member.node for member in self.membership.members if member.node != self._store.node]

    # --- updates -----------------------------------------------------------------------------

    def sign(self, command: bytes) -> Update:
        """Return an update of this node, by the key that it votes by."""
        key = self._store.keys.ed25519
        return self.signed(command, did_of(key.public), key, (), secrets.token_bytes(NONCE_BYTES))

    def signed(self, command: bytes, author: str, key: Ed25519Key, auth: tuple[bytes, ...], nonce: bytes) -> Update:
        """Return an update that a key signs now."""
        until = self.live.replica.ledger.sequence + LIFE // 2
        unsigned = Update(self.line.founding.id, author, key.public, until, nonce, auth, command, bytes(64))
        return replace(unsigned, signature=key.sign(unsigned.signed()))

    @property
    def live(self) -> CouncilDriver:
        """What drives the newest epoch; raises UsageError or CouncilDown where nothing does."""
        if self.driver is not None:
            return self.driver
        raise missing(self.state())
