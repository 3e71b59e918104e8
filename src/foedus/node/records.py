"""Identity records of others: learning them at a pace, keeping them, and keeping proofs of forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foedus.base.cbor import decode, encode
from foedus.base.errors import PeerViolation
from foedus.identity.pace import may_follow
from foedus.identity.record import SignedRecord, parse_signed_record
from foedus.log.event import Parsed, parse_envelope
from foedus.log.evidence import make_proof
from foedus.log.port import Proof, Value
from foedus.node.store import Store
from foedus.sync.effects import PeerIdentity
from foedus.sync.frames import Refused

_FOLLOWED = "followed"
_HELD = "held_epochs"
NODES_MAX = 16_384
"""Nodes whose identity is held: members of shared rooms at most; a record in memory has about 10 KB."""


class TooManyNodes(PeerViolation):
    """More nodes than this one remembers."""

    code = "too_many_nodes"
    remedy = "share fewer rooms, or ask the operator to raise NODES_MAX"


class RecordBook:
    """Learns identity records. ``wanted_proofs``: who hears of a new epoch asks ``on_learned``."""

    def __init__(self, store: Store) -> None:
        self.on_learned: Callable[[bytes], None] = lambda _node: None
        self._store = store
        self._followed = {node: list(decode(data)) for node, data in store.log.values(_FOLLOWED).items()}
        self._let_through: set[bytes] = set()
        self.held = {node: parse_signed_record(data) for node, data in store.log.values(_HELD).items()}

    async def meet(self, peer: PeerIdentity) -> Refused | None:
        """Learn who is at the other end of a link; return the refusal where its epoch is not in force."""
        await self.learn(peer.history, carrier=peer.node)
        newest = self._store.identities.newest(peer.node)
        if newest is None:
            return Refused("unknown_identity", ())
        if newest.id == peer.newest.id:
            self._let_through.discard(peer.node)
            return None
        if peer.node in self.held:
            return Refused("epoch_held", ())
        history = self._store.identities.history(peer.node)
        return Refused("superseded", tuple(record.plain() for record in history))

    async def learn(self, records: Sequence[SignedRecord], carrier: bytes) -> list[SignedRecord]:
        """Take signed records, oldest first. New epochs of a node that is known come at a pace; the rest wait."""
        added: list[SignedRecord] = []
        for record in records:
            if self._store.holds(record.id):
                continue
            if not self._may_take(record, carrier):
                break
            new, commit = self._store.learn_records([record])
            if not new:
                continue
            added += new
            values = self._note(record)
            await self._store.commit(commit._replace(values=values))
            self.on_learned(record.node)
        return added

    def _may_take(self, record: SignedRecord, carrier: bytes) -> bool:
        known = self._store.identities.newest(record.node)
        if known is None:
            if len(self._store.identities.nodes()) >= NODES_MAX and record.node != carrier:
                raise TooManyNodes(f"this node remembers at most {NODES_MAX} others")
            return True
        if record.node in self._let_through or record.node == self._store.node or may_follow(self._followed.get(record.node, ()), self._store.now()):
            return True
        self.held[record.node] = record
        return False

    def _note(self, record: SignedRecord) -> list[Value]:
        """Remember when a new epoch of a known node was followed."""
        if record.record.n == 0 or record.node == self._store.node:
            return []
        times = [*self._followed.get(record.node, ()), self._store.now()][-8:]
        self._followed[record.node] = times
        return [Value(_FOLLOWED, record.node, encode(times))]

    async def follow(self, node: bytes) -> bool:
        """A human lets a node's waiting epoch through; False where none waits."""
        self._let_through.add(node)
        return self.held.pop(node, None) is not None

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
