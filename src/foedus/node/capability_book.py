"""The capabilities that agents of this node offer: durable, by name, and compiled once."""

from __future__ import annotations

import logging
from typing import NamedTuple

from foedus.base.cbor import to_plain
from foedus.base.clock import Hlc
from foedus.base.errors import NotFound, UsageError
from foedus.log.port import Value
from foedus.node.store import Store
from foedus.query.kinds import CAPABILITY
from foedus.query.limits import OFFERS_MAX
from foedus.query.offer import Offer, encode_offer, offer_id, parse_offer
from foedus.query.port import Finding, Findings
from foedus.query.schemas import BadSchema, Shape

log = logging.getLogger("foedus.calls")
SPACE = "capabilities"
_EXACT, _SOME = 1_000_000, 500_000
"""Scores, in millionths."""


class Offered(NamedTuple):
    """An offer that stands: its id, and its schemas ready for use."""

    id: bytes
    offer: Offer
    takes: Shape
    returns: Shape
    words: str
    """What it is found by."""


class CapabilityBook:
    """One name, one agent: who calls by name must not get another agent than yesterday."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offers: dict[str, Offered] = {}
        for key, data in store.log.values(SPACE).items():
            try:
                self._offers[key.decode()] = _offered(data)
            except BadSchema as error:  # what an older version took; nobody calls by it until it is offered again
                log.warning("%s is offered no more: %s", key.decode(), error)

    def all(self) -> list[Offered]:
        """Return all, by name."""
        return [self._offers[name] for name in sorted(self._offers)]

    def get(self, name: str) -> Offered:
        """Return what is offered under a name; raise NotFound."""
        found = self._offers.get(name)
        if found is None:
            raise NotFound(
                f"this node offers no capability {name[:80]!r}",
                code="unknown_capability",
                remedy="see `foedus capability find`",
            )
        return found

    def find(self, name: str) -> Offered | None:
        """Return what is offered under a name, None where nothing is."""
        return self._offers.get(name)

    def search(self, text: str) -> Findings:
        """Return the offers that have every word of ``text`` in their name or description; one of that name first."""
        words = sorted(set(text.casefold().split()), key=len, reverse=True)  # the longest is there least often
        found = [
            Finding(held.id, CAPABILITY, _EXACT if text == held.offer.name else _SOME, Hlc(0, 0), to_plain(held.offer))
            for held in self.all()
            if all(word in held.words for word in words)
        ]
        return Findings(sorted(found, key=lambda one: -one.score))

    async def register(self, offer: Offer) -> Offered:
        """Offer a capability, or change one of the same agent; durable when it returns."""
        data = encode_offer(offer)
        held = self._offers.get(offer.name)
        if held is not None and held.offer.agent != offer.agent:
            raise UsageError(
                f"another agent offers {offer.name!r}", code="name_taken", http_status=409, remedy="take another name"
            )
        if held is None and len(self._offers) >= OFFERS_MAX:
            raise UsageError(
                f"a node offers at most {OFFERS_MAX} capabilities",
                code="too_many_capabilities",
                http_status=409,
                remedy="withdraw one",
            )
        found = self._offers[offer.name] = _offered(data)
        try:
            await self._store.put(Value(SPACE, offer.name.encode(), data))
        except BaseException:
            self._put_back(offer.name, held)
            raise
        return found

    def _put_back(self, name: str, held: Offered | None) -> None:
        if held is None:
            self._offers.pop(name, None)
        else:
            self._offers[name] = held

    async def withdraw(self, name: str, agent: str = "") -> None:
        """Offer it no more; ``agent``: whose it must be, '' anyone's. Raises NotFound."""
        held = self.get(name)
        if agent and held.offer.agent != agent:
            raise NotFound(f"you offer no capability {name[:80]!r}", code="unknown_capability", remedy="see yours")
        await self._store.put(Value(SPACE, name.encode(), None))
        self._offers.pop(name, None)


def _offered(data: bytes) -> Offered:
    offer = parse_offer(data)
    words = f"{offer.name} {offer.about}".casefold()
    return Offered(offer_id(data), offer, Shape(offer.takes), Shape(offer.returns), words)
