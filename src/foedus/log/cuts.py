"""How far each chain is honoured: cuts by later epochs, recoveries that wait for an opening, and forks.

All of it follows from the identity records, from the first event of each chain in a later epoch (its *opening*,
whose ``prev`` is the cut), and from the proofs of forks. Of one stream of one node, from the newest honoured
epoch back:

| what is held | how far an epoch's chain is honoured |
|---|---|
| the epoch is void | not at all: ``superseded`` |
| the epoch is on a branch that waits for a recovery record | pending: ``contested`` |
| a later opening stands, and its cut is in this chain | up to the cut, beyond: ``superseded`` |
| a later opening stands, and its cut is elsewhere, or there is none | not at all: ``superseded`` |
| a later opening stands, and its cut is not in our copy of any chain | pending: ``opening`` |
| no later opening stands, and a recovery record follows | pending: ``opening`` |
| none of these, and the chain has a fork | up to the fork, beyond: ``equivocation`` |
| none of these | wholly |

The nearest opening that stands decides. An opening stands unless its own place is rejected by this table (its
chain forks at its first event, or a still later epoch honours nothing of it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from foedus.identity.directory import IdentityDirectory
from foedus.log.chains import WHOLE, Chain, ChainKey, Chains, Limit


class Opening(NamedTuple):
    """The first event of a chain in a later epoch names ``prev``, which stands in our log at ``place`` (epoch, seq).

    ``prev`` None: nothing before is honoured. ``place`` None: the cut is not in our copy of a chain.
    """

    prev: bytes | None
    place: tuple[bytes, int] | None

    @property
    def is_settled(self) -> bool:
        """Whether what it cuts is known here."""
        return self.prev is None or self.place is not None


class Moved(NamedTuple):
    """A chain's limit changed: the former one."""

    chain: Chain
    former: Limit


VOID = Limit(0, "superseded", pends=False)
CONTESTED = Limit(0, "contested", pends=True)
AWAITING_OPENING = Limit(0, "opening", pends=True)


class Cuts:
    """Keeps ``Chain.limit`` current. ``unsettled``: (node, stream) → the cut whose branch is to be collected."""

    def __init__(self, identities: IdentityDirectory, chains: Chains) -> None:
        self._identities = identities
        self._chains = chains
        self.openings: dict[ChainKey, Opening] = {}
        self.unsettled: dict[tuple[bytes, str], bytes] = {}
        self._awaited: dict[bytes, set[ChainKey]] = {}

    def note(self, key: ChainKey, opening: Opening) -> None:
        """Hold the opening of a chain. The caller refreshes the limits of its stream next."""
        self.openings[key] = opening
        if opening.prev is not None and opening.place is None:
            self._awaited.setdefault(opening.prev, set()).add(key)

    def is_awaited(self, event_id: bytes) -> bool:
        """Whether an opening names this event, which had no place yet."""
        return event_id in self._awaited

    def place(self, event_id: bytes, place: tuple[bytes, int]) -> None:
        """Note where the event stands that openings name. The caller refreshes the limits of its stream next."""
        for key in self._awaited.pop(event_id, ()):
            opening = self.openings.get(key)
            if opening is not None and opening.prev == event_id:
                self.openings[key] = opening._replace(place=place)

    def openings_of(self, node: bytes, stream: str) -> list[ChainKey]:
        """Return the chains of a node's stream whose opening is held."""
        keys = [(record.id, stream) for record in self._identities.held(node)]
        return [key for key in keys if key in self.openings]

    def refresh_node(self, node: bytes) -> list[Moved]:
        """Recompute the limits of all chains of a node, after records of it came."""
        streams = dict.fromkeys(chain.stream for chain in self._chains.of_node(node))
        return [moved for stream in streams for moved in self.refresh(node, stream)]

    def refresh(self, node: bytes, stream: str) -> list[Moved]:
        """Recompute the limits of a node's chains of a stream, after an opening, a fork or another branch came."""
        moved = []
        limits = dict(self._limits(node, stream))
        for record in self._identities.held(node):
            chain = self._chains.get((record.id, stream))
            if chain is None:
                continue
            limit = limits.get(record.id) or (VOID if self._identities.is_void(record.id) else CONTESTED)
            if limit != chain.limit:
                moved.append(Moved(chain, chain.limit))
                chain.limit = limit
        return moved

    def would_stand(self, node: bytes, epoch: bytes, stream: str) -> bool:
        """Whether an opening of ``stream`` in ``epoch`` decides what is honoured before it."""
        limit = dict(self._limits(node, stream)).get(epoch)
        return limit is not None and (limit.pends or limit.covers(1))

    def _limits(self, node: bytes, stream: str) -> Iterator[tuple[bytes, Limit]]:
        """Yield (epoch, limit) of the honoured epochs, newest first; note whether the deciding cut is known."""
        opening: Opening | None = None
        recovered = False
        self.unsettled.pop((node, stream), None)
        for record in reversed(self._identities.history(node)):
            chain = self._chains.get((record.id, stream))
            limit = _limit(record.id, chain, opening, recovered=recovered)
            yield record.id, limit
            own = self.openings.get((record.id, stream)) if chain is not None and chain.seq else None
            if own is not None and (limit.pends or limit.covers(1)):
                opening = own
                if own.prev is not None and own.place is None:
                    self.unsettled.setdefault((node, stream), own.prev)
            recovered = recovered or record.record.cause == "recovery"


def _limit(epoch: bytes, chain: Chain | None, opening: Opening | None, *, recovered: bool) -> Limit:
    if opening is not None and not opening.is_settled:
        return AWAITING_OPENING
    if opening is not None:
        cut = opening.place
        return Limit(cut[1] if cut is not None and cut[0] == epoch else 0, "superseded", pends=False)
    if recovered:
        return AWAITING_OPENING
    if chain is not None and chain.contested:
        return Limit(chain.contested - 1, "equivocation", pends=False)
    return WHOLE
