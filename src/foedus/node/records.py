"""Identity records of others: learning them at a pace, keeping them, and keeping proofs of forks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from foedus.base.cbor import decode, encode
from foedus.base.limits import PEERS_MAX
from foedus.identity.pace import may_follow
from foedus.identity.record import RECORDS_PER_NODE, BadRecord, SignedRecord, verify_record
from foedus.log.event import Parsed, parse_envelope
from foedus.log.evidence import make_proof
from foedus.log.port import Proof, Value
from foedus.node.store import Store
from foedus.sync.effects import PeerIdentity
from foedus.sync.frames.peering import Refused

_FOLLOWED = "followed"
_BROUGHT = "brought_by"
_SELF = b"\0"
"""Who brought a node that showed its records itself."""
NODES_MAX = 16_384
"""Nodes whose identity is held: members of shared rooms at most; a record in memory has about 10 KB."""
NODES_PER_CARRIER_MAX = 2_048
"""Of these, nodes that one peer made known, and strangers that made known themselves: nobody fills the book alone."""


class RecordBook:
    """Learns identity records. Who hears of a new epoch sets ``on_learned``; ``refusals`` counts what was not kept."""

    def __init__(self, store: Store) -> None:
        self.on_learned: Callable[[bytes], None] = lambda _node: None
        self.refusals: Counter[str] = Counter()
        self.on_refused: Callable[[bytes, str], None] = lambda _carrier, _code: None
        """(carrier, code): what it brought is no identity, or one more than it may bring."""
        self._store = store
        self._brought = Counter(store.log.values(_BROUGHT).values())
        self._followed = {node: list(decode(data)) for node, data in store.log.values(_FOLLOWED).items()}
        self._waiting: dict[bytes, list[SignedRecord]] = {}

    @property
    def held(self) -> dict[bytes, SignedRecord]:
        """Node → its newest record, where a human is to look at it before it is followed."""
        return {node: records[-1] for node, records in self._waiting.items()}

    async def meet(self, peer: PeerIdentity, *, is_stranger: bool = False) -> Refused | None:
        """Learn who is at the other end of a link; return the refusal where its epoch is not in force.

        A stranger leaves nothing here: its keys are proved by the handshake, and kept once it is connected.
        """
        if is_stranger and self._store.identities.newest(peer.node) is None:
            return None
        await self.learn(peer.history, carrier=peer.node)
        newest = self._store.identities.newest(peer.node)
        if newest is None:
            return Refused("unknown_identity", ())
        if newest.id == peer.newest.id:
            return None
        if peer.node in self._waiting:
            return Refused("epoch_held", ())
        history = self._store.identities.history(peer.node)
        return Refused("superseded", tuple(record.plain() for record in history))

    @property
    def takes_strangers(self) -> bool:
        """Whether one more stranger that shows its records (at the HTTP door) may be kept."""
        return self._brought[_SELF] < NODES_PER_CARRIER_MAX + PEERS_MAX

    async def learn(self, records: Sequence[SignedRecord], carrier: bytes) -> list[SignedRecord]:
        """Take signed records, oldest first. New epochs of a node that is known come at a pace; the rest wait."""
        added: list[SignedRecord] = []
        for record in records:
            if self._store.holds(record.id):
                continue
            if self._may_take(record, carrier):
                added += await self._keep(record, carrier)
        return added

    async def _keep(self, record: SignedRecord, carrier: bytes) -> list[SignedRecord]:
        new, commit = self._store.learn_records([record], partial(self._refuse, carrier))
        if new:
            stored = self._store.begin_commit(commit._replace(values=self._note(record, carrier)))
            self.on_learned(record.node)  # before anything is written with keys that are not in force any more
            await stored
        return new

    def _may_take(self, record: SignedRecord, carrier: bytes) -> bool:
        if self._store.identities.newest(record.node) is None:
            if record.node == carrier:
                return True
            has_room = len(self._store.identities.nodes()) < NODES_MAX
            if not has_room or self._brought[carrier] >= NODES_PER_CARRIER_MAX:
                self._refuse(carrier, "too_many_nodes")
                return False
            return True
        if record.node == self._store.node or may_follow(self._followed.get(record.node, ()), self._store.now()):
            return True
        self._hold(record, carrier)
        return False

    def _refuse(self, carrier: bytes, code: str) -> None:
        self.refusals[code] += 1
        self.on_refused(carrier, code)

    def _hold(self, record: SignedRecord, carrier: bytes) -> None:
        """Keep a node's next epochs for a human to look at, if they are: anyone may bring us what claims to be."""
        waiting = self._waiting.get(record.node, [])
        previous = self._previous(record, waiting)
        if previous is None or previous.node != record.node or record in waiting or len(waiting) >= RECORDS_PER_NODE:
            return
        try:
            verify_record(record, previous)
        except BadRecord as error:
            self._refuse(carrier, error.code)
            return
        self._waiting[record.node] = [*waiting, record]

    def _previous(self, record: SignedRecord, waiting: Sequence[SignedRecord]) -> SignedRecord | None:
        view = self._store.identities.epoch(record.record.prev) if record.record.prev else None
        found = [other for other in waiting if other.id == record.record.prev]
        return view.record if view is not None else found[0] if found else None

    def _note(self, record: SignedRecord, carrier: bytes) -> list[Value]:
        """Remember who made a node known, and when a new epoch of a known node was followed."""
        if record.node == self._store.node:
            return []
        if record.record.n == 0:
            source = _SELF if record.node == carrier else carrier
            self._brought[source] += 1
            return [Value(_BROUGHT, record.node, source)]
        times = [*self._followed.get(record.node, ()), self._store.now()][-8:]
        self._followed[record.node] = times
        return [Value(_FOLLOWED, record.node, encode(times))]

    async def follow(self, node: bytes) -> bool:
        """Follow a node's waiting epochs, as a human decided; return False where none waits."""
        waiting = self._waiting.pop(node, [])
        for record in waiting:
            await self._keep(record, node)
        return bool(waiting)

    async def take_proof(
        self, one: bytes, other: bytes, check: Callable[[Parsed, Parsed, bytes], None]
    ) -> Proof | None:
        """Keep an equivocation proof that holds; None where the chain is contested already or not known here."""
        first, second = parse_envelope(one), parse_envelope(other)
        view = self._store.identities.epoch(first.event.epoch)
        if view is None:
            return None
        check(first, second, view.ed25519)
        proof = make_proof(first, second)
        commit = self._store.admission.contest(proof)
        if not commit.proofs:
            return None
        await self._store.commit(commit)
        return proof
