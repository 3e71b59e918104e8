"""The councils of this node: taking part in them, asking them for updates. ``council_founding`` brings them about."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from foedus.base.cbor import Malformed, encode, to_plain
from foedus.base.errors import NotFound, PeerViolation, Unavailable, UsageError
from foedus.base.limits import NONCE_BYTES
from foedus.consensus.certificates import Check
from foedus.consensus.founding import Founding
from foedus.consensus.machine import Get, Put
from foedus.consensus.proof import make_commit_proof
from foedus.consensus.updates import LIFE, Update
from foedus.identity.did import did_of
from foedus.node.checking import Checking
from foedus.node.council_carrier import Carrier
from foedus.node.council_driver import CouncilDriver
from foedus.node.council_founding import Foundings, index_of
from foedus.node.council_messages import Founded, read
from foedus.node.council_records import MADE_KEPT, Made
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.store import Store
from foedus.sync.frames import CouncilSays

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

    def __init__(self, store: Store, links: Links, checking: Checking) -> None:
        self.carrier = Carrier(links)
        self.foundings = Foundings(store, self.carrier, links.ingest.refusals)
        self.foundings.on_signed = self._begin
        self._store = store
        self._checking = checking
        self._drivers: dict[bytes, CouncilDriver] = {}

    # --- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up the councils that are held."""
        self.foundings.load()
        for held in self.foundings.all():
            self._begin(held)

    async def close(self) -> None:
        """Stop all of them."""
        await self.foundings.close()
        for driver in self._drivers.values():
            await driver.close()

    def _begin(self, held: Founded) -> None:
        """Begin to take part, where all have signed, with the key that this node signed by."""
        founding = held.founding
        if founding.id in self._drivers or not held.is_whole or not self.foundings.has_joined(held):
            return
        if self.foundings.my_index(founding) is None:
            log.warning("this node has another key than the one by which it votes in council %s", founding.id.hex())
            return
        send = partial(self._send, founding)
        driver = CouncilDriver(founding, self._store.keys.ed25519, self._store, self._checking, send)
        self._drivers[founding.id] = driver
        driver.start()

    def driver(self, council: bytes) -> CouncilDriver:
        """Return what drives a council; raise where there is none, or where it has not begun."""
        held = self.foundings.held(council)
        if council in self._drivers:
            return self._drivers[council]
        if held.is_whole:
            raise UsageError(
                "this node has another key than the one by which it votes in this council",
                code="council_key_changed",
                remedy="found the council anew with the keys that its members have now",
            )
        missing = len(held.founding.members) - len(held.signatures)
        raise UsageError(
            f"the council has not begun: {missing} of its members have not joined",
            code="council_not_begun",
            remedy="each of them runs `foedus council join`",
        )

    def has_begun(self, council: bytes) -> bool:
        """Whether this node takes part in a council."""
        return council in self._drivers

    # --- frames ------------------------------------------------------------------------------

    def frame(self, link: Link, frame: CouncilSays) -> None:
        """Take what a node says in a council; what is of none that we share is passed over."""
        held = self.foundings.get(frame.council)
        member = index_of(held.founding, link.node) if held is not None else None
        if held is not None and member is None:
            return
        try:
            said = read(frame.message)
        except PeerViolation as error:
            link.close(error.code, str(error))
            return
        if isinstance(said, Founded):
            if said.founding.id == frame.council:
                self.foundings.take(link, said)
        elif member is not None and frame.council in self._drivers:
            self._drivers[frame.council].hear(member, said, len(frame.message))

    def _send(self, founding: Founding, member: int, data: bytes) -> None:
        self.carrier.send(founding.members[member].node, founding.id, data)

    # --- updates -----------------------------------------------------------------------------

    async def propose(self, council: bytes, command: Put | Get, wait_s: float = PROPOSAL_WAIT_S) -> Decided:
        """Ask for an update in this node's name; return what came of it, raise NotDecided where nothing did in time."""
        driver = self.driver(council)
        key = self._store.keys.ed25519
        until = driver.replica.ledger.sequence + LIFE // 2
        nonce = secrets.token_bytes(NONCE_BYTES)
        author, encoded = did_of(key.public), encode(to_plain(command))
        unsigned = Update(council, author, key.public, until, nonce, (), encoded, bytes(64))
        signature = key.sign(unsigned.signed())
        update = Update(council, author, key.public, until, nonce, (), encoded, signature)
        try:
            effect, index = await asyncio.wait_for(driver.propose(update), wait_s)
        except TimeoutError:
            raise NotDecided(f"no decision in {wait_s:g} s") from None
        finally:
            driver.forget(update)
        return Decided(effect.sequence, index, effect.results[index])

    async def submit(
        self, council: bytes, updates: Sequence[Update], wait_s: float = PROPOSAL_WAIT_S
    ) -> list[Decided]:
        """Ask for updates that their authors signed, all or none; return what came of each, once all are decided."""
        driver = self.driver(council)
        if any(update.council != council for update in updates):
            raise UsageError("an update is for another council", code="another_council")
        checks = [Check(update.device, update.signed(), update.signature) for update in updates]
        if not await driver.holds(checks):
            raise Malformed("an update whose signature does not hold", code="invalid_signature")
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
        return self.driver(council).records.made(after, after + min(count, MADE_KEPT))

    def proof(self, council: bytes, sequence: int, index: int = 0) -> bytes:
        """Return the file that proves one update of the batch at a place; raise NotFound where it is not held."""
        held = self.foundings.held(council)
        found = self.made(council, sequence - 1, 1)
        if not found or index >= len(found[0].batch.updates):
            raise NotFound(
                f"this node holds no update {index} of place {sequence}",
                code="no_such_update",
                remedy="see `foedus council log`, or ask another member",
            )
        signatures = [signed.signature for signed in held.signatures]
        made = found[0]
        return make_commit_proof(held.founding, signatures, (), (made.certificate, made.batch), index).encode()
