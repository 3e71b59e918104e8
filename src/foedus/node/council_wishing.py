"""What this node does for a change of members: it asks its council, invites who is to come, and takes a place itself.

Each member's human decides for that member alone; once a quorum wishes the same, the council has decided.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from foedus.base.cbor import encode, to_plain
from foedus.base.errors import FoedusError, UsageError
from foedus.consensus.governing import consent_bytes
from foedus.consensus.membership import MEMBERS_MAX, Member
from foedus.node.council_carrier import Carrier
from foedus.node.council_messages import Consent
from foedus.node.council_records import Standing
from foedus.node.council_wishes import Consents, adds, command_for, joins, removes, wanted
from foedus.node.store import Store

if TYPE_CHECKING:
    from foedus.node.council_seat import Seat

log = logging.getLogger("foedus.councils")

AGAIN_S = 2.0
"""Between two tries of a wish that was not decided."""
_DECIDED_S = 30.0


class Wishing:
    """One per seat. ``standing``: what the human decided; it is durable."""

    def __init__(self, seat: Seat, store: Store, carrier: Carrier) -> None:
        self.standing = Standing()
        self._seat = seat
        self._store = store
        self._carrier = carrier
        self._consents = Consents()
        self._changed = asyncio.Event()

    @property
    def adds(self) -> set[bytes]:
        """The nodes that are to be added and have not come."""
        return adds(self.standing, self._seat.line)

    @property
    def removes(self) -> set[bytes]:
        """The members that are to be removed and have not gone."""
        return removes(self.standing, self._seat.line)

    @property
    def joins(self) -> bool:
        """Whether this node, which is no member, is to take a place."""
        return joins(self.standing, self._seat.line, self._store.node)

    # --- what the human decides --------------------------------------------------------------

    async def join(self) -> None:
        """Take a place in the next epoch, as the human of this node decided."""
        if self._seat.membership.index_of(self._store.node) is None:
            await self._decide(replace(self.standing, joins=self._seat.membership.epoch))
            self.offer(self._seat.others())

    async def wish(self, node: bytes, *, add: bool) -> None:
        """Wish the council to go on with or without a node, as the human of this node decided.

        The wish for the other takes that back.
        """
        epoch, held = self._seat.membership.epoch, self.standing
        given = [(it, at) for it, at in held.adds if it != node and it in self.adds]
        taken = [(it, at) for it, at in held.removes if it != node and it in self.removes]
        is_member = self._seat.membership.index_of(node) is not None
        if is_member is not add:
            (given if add else taken).append((node, epoch))
        if len(given) > MEMBERS_MAX:
            raise UsageError(f"a council has at most {MEMBERS_MAX} members", code="too_many_members")
        await self._decide(Standing(held.joins, tuple(given), tuple(taken)))
        self._seat.linked(node)
        self.reconsider()

    async def _decide(self, standing: Standing) -> None:
        await self._store.put(self._seat.records.standing_value(standing))
        self.standing = standing

    # --- what is shown -----------------------------------------------------------------------

    def offer(self, nodes: Sequence[bytes]) -> None:
        """Show members that this node takes a place: its human decided so, or it has one, by former keys."""
        node, membership = self._store.node, self._seat.membership
        has_place = membership.index_of(node) is not None
        if self._seat.my_index() is not None or not (has_place or self.joins):
            return
        member = Member(node, self._store.keys.ed25519.public)
        signature = self._store.keys.ed25519.sign(consent_bytes(membership, member))
        for other in nodes:
            if membership.index_of(other) is not None:
                self._seat.say(other, Consent(membership.id, member, signature))

    def take(self, consent: Consent) -> None:
        """Take in that a node takes a place."""
        if self._consents.add(self._seat.membership, consent):
            self.reconsider()

    # --- what is asked -----------------------------------------------------------------------

    def reconsider(self) -> None:
        """See whether the council is to be asked for something else."""
        self._changed.set()

    async def run(self) -> None:
        """Ask the council for what this member wishes, until it knows."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                is_known = await self._ask()
            except FoedusError as error:
                log.info("a wish about the members of a council waits: %s: %s", error.code, error)
                is_known = False
            if not is_known:
                await asyncio.sleep(AGAIN_S)
                self._changed.set()

    async def _ask(self) -> bool:
        """Return whether the council knows this member's wish."""
        driver = self._seat.driver
        if driver is None:
            return True  # whoever begins looks again
        wish = wanted(self._seat.line, self.standing, self._consents, self._key_of)
        command = command_for(driver.replica.ledger.machine, driver.membership, driver.me, wish)
        if command is None:
            return True
        update = self._seat.sign(encode(to_plain(command)))
        try:
            await asyncio.wait_for(driver.propose(update), _DECIDED_S)
        except TimeoutError:
            return False
        finally:
            driver.forget(update)
        return True

    def _key_of(self, node: bytes) -> bytes | None:
        newest = self._store.identities.newest(node)
        return newest.record.keys.ed25519 if newest is not None else None
