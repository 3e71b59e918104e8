"""The councils of this node: taking part in them, asking them for updates. ``council_founding`` brings them about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from foedus.base.cbor import Malformed, convert, decode, encode, to_plain
from foedus.base.errors import NotFound, PeerViolation, Unavailable, UsageError
from foedus.consensus.certificates import Check
from foedus.consensus.machine import Get, Put
from foedus.consensus.membership import Membership
from foedus.consensus.motions import Approve
from foedus.consensus.proof import PROOF_BYTES_MAX, make_commit_proof
from foedus.consensus.updates import Update
from foedus.node.background import Background
from foedus.node.checking import Checking
from foedus.node.council_carrier import Carrier
from foedus.node.council_driver import CouncilDriver
from foedus.node.council_founding import Foundings, index_of
from foedus.node.council_judging import CouncilJudge
from foedus.node.council_messages import Beside, Founded, Invited, read
from foedus.node.council_records import MADE_KEPT, Made
from foedus.node.council_seat import Seat
from foedus.node.crossings import Crossings
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.store import Store
from foedus.sync.frames.members import CouncilSays

log = logging.getLogger("foedus.councils")

PROPOSAL_WAIT_S = 30.0
"""How long a proposer waits: several changes of view. The update may still be made afterwards."""


class NotDecided(Unavailable):
    """The council has not decided in time."""

    code = "not_decided"
    remedy = "see whether a quorum of the members is connected; the update may still be made"


class Decided(NamedTuple):
    """What came of an update: the place of its batch, its position in it, its result."""

    sequence: int
    position: int
    result: bytes


class Councils:
    """One per node, on the event loop's thread."""

    def __init__(self, store: Store, links: Links, checking: Checking, crossings: Crossings) -> None:
        self.judge = CouncilJudge(store, crossings)
        self.carrier = Carrier(links)
        self.foundings = Foundings(store, self.carrier, links.ingest.refusals)
        self.foundings.on_signed = self._signed
        self.on_exposed: Callable[[bytes, bytes], None] = lambda _council, _node: None
        """A council, and a node that contradicted itself there; what convicts it is durable."""
        self.on_begun: Callable[[bytes], None] = lambda _council: None
        """All founders of a council signed, and this node is one."""
        self.on_changed: Callable[[bytes, Membership, Membership], None] = lambda _council, _before, _after: None
        """A council, and its members before and after: they changed, durably."""
        self._store = store
        self._checking = checking
        self._seats: dict[bytes, Seat] = {}
        self._addresses: dict[bytes, tuple[Seat, int]] = {}
        self._background = Background(log)

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up the councils that are held."""
        self.foundings.load()
        for held in self.foundings.all():
            if held.is_whole:
                await self._take_seat(held).start()

    async def close(self) -> None:
        """Stop all of them."""
        await self._background.close()
        await self.foundings.close()
        for seat in self._seats.values():
            await seat.close()

    def _signed(self, held: Founded) -> None:
        """Begin to take part, where all have signed."""
        if held.is_whole and held.founding.id not in self._seats:
            self._background.spawn(self._take_seat(held).start())
            if index_of(held.founding, self._store.node) is not None:
                self.on_begun(held.founding.id)

    def _take_seat(self, held: Founded) -> Seat:
        seat = self._seats[held.founding.id] = Seat(held, self._store, self.carrier, self._checking)
        seat.may = self.judge.may
        seat.on_line = self._addressed
        seat.on_exposed = partial(self._exposed, held.founding.id)
        seat.on_changed = partial(self._changed, held.founding.id)
        self._addressed(seat)
        return seat

    def _addressed(self, seat: Seat) -> None:
        """Know which messages are for the members of which epoch."""
        for membership in seat.line.memberships():
            self._addresses[membership.id] = (seat, membership.epoch)

    def _exposed(self, council: bytes, node: bytes) -> None:
        self.on_exposed(council, node)

    def _changed(self, council: bytes, before: Membership, after: Membership) -> None:
        self.on_changed(council, before, after)

    def seats(self) -> list[Seat]:
        """Return the councils that have begun, those that this node is invited to among them."""
        return list(self._seats.values())

    def seat(self, council: bytes) -> Seat:
        """Return this node's place in a council; raise where there is none, or where it has not begun."""
        held = self.foundings.held(council)
        if council in self._seats:
            return self._seats[council]
        missing = len(held.founding.members) - len(held.signatures)
        raise UsageError(
            f"the council has not begun: {missing} of its members have not joined",
            code="council_not_begun",
            remedy="each of them runs `foedus council join`",
        )

    def driver(self, council: bytes) -> CouncilDriver:
        """Return what drives a council; raise where there is none, or where it has not begun."""
        return self.seat(council).live

    def has_begun(self, council: bytes) -> bool:
        """Whether this node takes part in a council."""
        return council in self._seats and self._seats[council].driver is not None

    async def join(self, council: bytes) -> None:
        """Take part in a council that this node is asked to join, as its human decided."""
        held = self.foundings.held(council)
        if council in self._seats:
            await self._seats[council].wishing.join()
        elif index_of(held.founding, self._store.node) is not None:
            await self.foundings.join(council)

    def linked(self, link: Link) -> None:
        """Show a node that came what it may know of councils."""
        self.foundings.linked(link)
        for seat in self._seats.values():
            seat.linked(link.node)

    def unlinked(self, link: Link) -> None:
        """Take note that a link has ended."""
        self.carrier.ended(link)
        for seat in self._seats.values():
            seat.see_who_is_away()

    def learned(self) -> None:
        """Take note that a node has other keys now, perhaps this one."""
        for seat in self._seats.values():
            self._background.spawn(seat.settle())

    # --- frames ------------------------------------------------------------------------------

    def frame(self, link: Link, frame: CouncilSays) -> None:
        """Take what a node says in a council; what is of none that we share is passed over."""
        seat, epoch = self._addresses.get(frame.council, (None, 0))
        if seat is not None and epoch < seat.membership.epoch:
            seat.hear_former(link.node, epoch)
            return
        if seat is not None and seat.membership.index_of(link.node) is None:
            return
        try:
            said = read(frame.message)
        except PeerViolation as error:
            link.close(error.code, str(error))
            return
        if seat is not None:
            seat.hear(link.node, said, len(frame.message))
        elif isinstance(said, Founded):
            if said.founding.id == frame.council:
                self.foundings.take(link, said)
        elif isinstance(said, Invited):
            if said.founded.founding.id == frame.council:
                self.foundings.take_invitation(link, said)
        elif isinstance(said, Beside) and frame.council in self._seats:
            self._seats[frame.council].hear_beside(link.node, said)

    # --- updates -----------------------------------------------------------------------------

    async def propose(self, council: bytes, command: Put | Get, wait_s: float = PROPOSAL_WAIT_S) -> Decided:
        """Ask for an update in this node's name; return what came of it, raise NotDecided where nothing did in time."""
        return await self.ask(council, self.seat(council).sign(encode(to_plain(command))), wait_s)

    async def ask(self, council: bytes, update: Update, wait_s: float = PROPOSAL_WAIT_S) -> Decided:
        """Ask for an update whose signature holds, where its author may; return what came of it, as ``propose``."""
        driver = self.driver(council)
        self.judge.check(driver.membership, update)
        try:
            effect, index = await asyncio.wait_for(driver.propose(update), wait_s)
        except TimeoutError:
            raise NotDecided(f"no decision in {wait_s:g} s") from None
        finally:
            driver.forget(update)
        return Decided(effect.sequence, index, effect.results[index])

    async def approve(self, council: bytes, motion: bytes) -> str:
        """Approve a motion in this node's name; return what came of it: ``asked``, or ``approved`` by a quorum."""
        update = self.seat(council).sign(encode(to_plain(Approve(motion))))
        decided = await self.ask(council, update)
        outcome, _ = convert(decode(decided.result), tuple[str, bytes | None])
        return outcome

    async def submit(self, council: bytes, updates: Sequence[Update], wait_s: float = PROPOSAL_WAIT_S) -> list[Decided]:
        """Ask for updates that their authors signed, all or none; return what came of each, once all are decided."""
        driver = self.driver(council)
        if any(update.council != council for update in updates):
            raise UsageError("an update is for another council", code="another_council")
        checks = [Check(update.device, update.signed(), update.signature) for update in updates]
        if not await driver.holds(checks):
            raise Malformed("an update whose signature does not hold", code="invalid_signature")
        self.judge.check_all(driver.membership, updates)
        futures = driver.propose_all(updates)
        try:
            made = await asyncio.wait_for(asyncio.gather(*futures), wait_s)
        except TimeoutError:
            raise NotDecided(f"no decision in {wait_s:g} s") from None
        finally:
            for update in updates:
                driver.forget(update)
        return [Decided(effect.sequence, index, effect.results[index]) for effect, index in made]

    def made(self, council: bytes, after: int, count: int) -> list[Made]:
        """Return what was made at the ``count`` places after ``after``, as far as it is held."""
        return self.seat(council).records.made(after, after + min(count, MADE_KEPT))

    async def proof(self, council: bytes, sequence: int, index: int = 0) -> bytes:
        """Return the file that proves one update of the batch at a place; raise NotFound where it is not held.

        It holds the seals that cover the place, where they are here and the file holds them.
        """
        seat = self.seat(council)
        found = self.made(council, sequence - 1, 1)
        if not found or index >= len(found[0].batch.updates):
            raise NotFound(
                f"this node holds no update {index} of place {sequence}",
                code="no_such_update",
                remedy="see `foedus council log`, or ask another member",
            )
        signatures = [signed.signature for signed in seat.founded.signatures]
        made, renewals = found[0], seat.line.before(sequence)
        decided = (made.certificate, made.batch)
        proof = make_commit_proof(seat.line.founding, signatures, renewals, decided, index)
        sealed = await seat.sealing.shown(sequence) if seat.sealing is not None else None
        whole = replace(proof, sealed=sealed).encode()
        return whole if len(whole) <= PROOF_BYTES_MAX else proof.encode()
