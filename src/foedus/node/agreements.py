"""Agreements, joined to the log: reads the two chains of a pair, answers the doors, and writes what follows.

What is in force is never stored: it is read from the accepted events of the ``pair:`` stream and the starter that
peering holds, after a restart as before. So there is nothing that a crash could leave half done; what this node
still owes its own chain (a final signature, the note of a beginning or an end) ``settle`` writes whenever it looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import BATCH_BYTES_MAX, SECOND
from foedus.log import streams
from foedus.log.bodies import Consent
from foedus.log.participants import Device
from foedus.log.port import Commit, Row, Verdict
from foedus.node.agreement_line import Counts, Line
from foedus.node.author import Author
from foedus.node.peers import Peers
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust.agreement import in_order, parse, sign
from foedus.trust.agreements.acts import Act, Proposed, Writer, act_of
from foedus.trust.agreements.document import agreement_id
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.agreements.ledger import Version, is_overtaken
from foedus.trust.evaluator import WITHOUT_AGREEMENT, Terms, no_clause, one_signer
from foedus.trust.inputs import EndedReceived
from foedus.trust.peer import Peer, State
from foedus.trust.policy import Assurance

log = logging.getLogger("foedus.agreements")

_PAGE = 256
_LOOK_S = 30.0
"""A wait for an expiry is cut into such pieces: the wall clock may be set meanwhile."""
_LOOKED_UP_MAX = 1_000
"""Changed verdicts whose streams are looked up: for more, reading the lines again costs no more."""
_DEVICE_KINDS = frozenset({"device.enrol", "device.revoke"})


class Owed(NamedTuple):
    """An act that this node has to write by itself: its kind, the document that it is about, its body."""

    kind: str
    agreement: bytes
    body: dict[str, Any]


_NOBODY = Terms(frozenset(), no_clause, one_signer)


class Agreements:
    """The lines of all peers. ``on_changed``: what is in force with a peer is another thing now."""

    def __init__(self, store: Store, author: Author, peers: Peers, counts: Counts) -> None:
        self.counts = counts
        """Whether human signers of an assurance count here, by the policy."""
        self.on_changed: Callable[[bytes], None] = lambda _node: None
        self.on_without_effect: Callable[[bytes, Row, str], None] = lambda _node, _row, _code: None
        """What a node wrote about an agreement changes nothing, by this code."""
        self.order = asyncio.Lock()
        """Held while something is decided by what the chains say, until it stands in ours."""
        self._store = store
        self._author = author
        self._peers = peers
        self._lines: dict[bytes, Line] = {}
        self._seen: dict[bytes, tuple[bytes, bool]] = {}
        """Peer → the version that the doors were last told of, and whether it was over."""
        self._paid: set[tuple[bytes, str, bytes]] = set()
        """(peer, kind, document) of what was owed and written: should it not count, it is not written for ever."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        store.on_reload.append(self._lines.clear)
        store.publisher.listeners.append(self._published)

    # --- what is in force --------------------------------------------------------------------

    def in_force(self, node: bytes) -> AgreementInForce | None:
        """Return the agreement in force with a connected peer; None with anyone else."""
        peer = self._peers.book.peers.get(node)
        if peer is None or peer.state is not State.CONNECTED:
            return None
        line = self.line(node)
        return line.in_force if line is not None else None

    def line(self, node: bytes) -> Line | None:
        """Return the line of the starter that peering holds, also after its end; None where there is none."""
        peer = self._peers.book.peers.get(node)
        if peer is None or peer.agreement is None or peer.own_signature is None or peer.peer_signature is None:
            return None
        line = self._lines.get(node)
        if line is None or line.root.document != peer.agreement:
            agreement = parse(peer.agreement, self._store.node, node)
            root = Version(agreement_id(peer.agreement), peer.agreement, agreement, 0)
            line = self._lines[node] = Line(root, self._speaks)
            self._read(node, line)
        return line

    def border_terms(self, writer: bytes, host: bytes) -> Terms:
        """Return what the agreement in force says of border acts that ``writer`` orders in rooms of ``host``.

        The agreement is this node's with the other of the two; between two others it is none of ours.
        """
        line = self.line(host if writer == self._store.node else writer)
        if line is not None:
            return line.border_terms(writer, self.counts)
        return WITHOUT_AGREEMENT if self.counts(Assurance.DEVICE_BOUND) else _NOBODY

    def forget_terms(self) -> None:
        """Judge by the policy anew which signers count."""
        for line in self._lines.values():
            line.forget_terms()

    def _read(self, node: bytes, line: Line) -> None:
        """Fold both chains of the pair from the log."""
        own = self._store.node
        for writer in line.sides:
            for row in self._rows(writer, streams.pair(own, node)):
                act = self._act(row, writer, line)
                if act is not None:
                    line.apply(writer, act)

    def _rows(self, writer: bytes, stream: str) -> Iterator[Row]:
        """Yield the accepted events that a node wrote in a stream, epoch after epoch."""
        for record in self._store.identities.history(writer):
            after = 0
            while rows := self._store.log.chain(record.id, stream, after, _PAGE, BATCH_BYTES_MAX):
                yield from (row for row in rows if row.verdict is Verdict.ACCEPTED)
                after = rows[-1].seq

    def _act(self, row: Row, writer: bytes, line: Line) -> Act | None:
        """Return what an accepted event says about agreements."""
        if not row.kind.startswith("agreement."):
            return None
        epoch = self._store.identities.epoch(row.epoch)
        if epoch is None or row.envelope.body is None:
            return None
        (other,) = (node for node in line.sides if node != writer)
        keys = [record.record.keys.ed25519 for record in self._store.identities.held(other)]
        return act_of(row.kind, row.envelope.body, Writer(writer, other, epoch.ed25519, keys), row.hlc.us)

    def _speaks(self, node: bytes, did: str, device: bytes) -> bool:
        """Whether a device is or was enrolled for a human of a node."""
        return self._device(node, did, device) is not None

    def _device(self, node: bytes, did: str, device: bytes) -> Device | None:
        who = self._store.admission.authority.participants.get((node, did))
        return who.devices.get(device) if who is not None and who.kind == "human" else None

    def stands_by(self, node: bytes, human: Consent | None) -> bool:
        """Whether a human's word may be acted on now: no word, or one by a device that is enrolled and not revoked."""
        if human is None:
            return True
        device = self._device(node, human.did, human.device)
        return device is not None and device.cuts is None

    # --- what changes it ---------------------------------------------------------------------

    def _published(self, published: Published) -> None:
        """Take in what became durable: acts at the end of a chain one by one, anything else by reading again."""
        if _is_none_of_ours(published):
            return
        devices = self._device_writers(published)
        stale = self._stale(published.commit, devices)
        for node in stale:
            self._lines.pop(node, None)
        for line in self._lines.values() if devices else ():
            line.hear(devices)
        touched = set(self._connected()) if self._store.node in devices else stale | devices
        nodes: dict[bytes, None] = dict.fromkeys(node for node in self._connected() if node in touched)
        for (_, stream), rows in published.chains.items():
            if stream.startswith("pair:") and (other := self._other(stream)) is not None:
                nodes[other] = None
                for row in rows:
                    self._take(row, other)
        for node in nodes:
            self.look(node)

    def _device_writers(self, published: Published) -> set[bytes]:
        """Return the nodes whose people's devices changed."""
        if _DEVICE_KINDS.isdisjoint(published.kinds):
            return set()
        writers = {self._store.identities.node_of(row.epoch) for row in published.rows if row.kind in _DEVICE_KINDS}
        return {writer for writer in writers if writer is not None}

    def _stale(self, commit: Commit, devices: set[bytes]) -> set[bytes]:
        """Return the peers whose line is to be read again: more changed than the ends of the two chains.

        Adds to ``devices`` the nodes whose people's devices may have lost or won their verdict.
        """
        ids = [change.id for change in commit.verdicts] + [fill.id for fill in commit.bodies]
        if len(ids) > _LOOKED_UP_MAX:
            return {*self._lines, *self._connected()}
        places = [(row.epoch, row.stream) for row in self._store.log.by_ids(ids).values()] if ids else []
        places += [(truncation.epoch, truncation.stream) for truncation in commit.truncations]
        places += [(epoch, "node") for epoch, _ in commit.records]
        stale: set[bytes] = set()
        for epoch, stream in places:
            kind, writer = stream.partition(":")[0], self._store.identities.node_of(epoch)
            if kind == "pair" and (other := self._other(stream)) is not None:
                stale.add(other)
            elif kind == "participant" and writer is not None:
                devices.add(writer)
            elif kind in {"participant", "node"}:
                stale |= {*self._lines, *self._connected()} if writer in {None, self._store.node} else {writer or b""}
        return stale

    def _take(self, row: Row, node: bytes) -> None:
        line = self._lines.get(node)
        if line is None or row.verdict is not Verdict.ACCEPTED:
            return
        writer = self._store.identities.node_of(row.epoch)
        if writer is not None and writer in line.sides:
            act = self._act(row, writer, line)
            if act is not None:
                if is_overtaken(act, line.newest):
                    self.on_without_effect(writer, row, "agreement_overtaken")
                line.apply(writer, act)

    def _other(self, stream: str) -> bytes | None:
        nodes = [bytes.fromhex(part) for part in streams.parse(stream).subject.split(":")]
        return next((node for node in nodes if node != self._store.node), None) if self._store.node in nodes else None

    def _connected(self) -> list[bytes]:
        return [node for node, peer in self._peers.book.peers.items() if peer.state is State.CONNECTED]

    def look(self, node: bytes) -> None:
        """See whether something else is in force with a peer now, and write what that asks for, soon."""
        terms = self.in_force(node)
        now = None if terms is None else (terms.id, terms.is_ended or terms.is_expired(self._store.now()))
        before = self._seen.get(node)
        if now is None:
            self._seen.pop(node, None)
        else:
            self._seen[node] = now
        if now is not None and before != now:
            self.on_changed(node)
        if self._owes(node):
            self._spawn(self.settle(node))
        self._watch()

    def _owes(self, node: bytes) -> bool:
        return self._owed(node) is not None or self._is_ended_there(node)

    # --- what this node owes its chain -------------------------------------------------------

    async def settle(self, node: bytes) -> None:
        """Write what follows from what is held, and end the connection where the other side has; errors are logged."""
        try:
            async with self.order:
                while (owed := self._owed(node)) is not None:
                    await self.write(node, owed.kind, owed.body)
                    self._paid.add((node, owed.kind, owed.agreement))
            if self._is_ended_there(node):
                await self._peers.handle(node, EndedReceived("the other side ended the agreement"))
        except FoedusError as error:  # looked at again when anything changes, and at the next start
            log.warning("the agreement with %s: %s: %s", node.hex(), error.code, error)

    def settle_all(self) -> None:
        """Do so with every peer: after a start, and when this node writes in another epoch."""
        self._paid.clear()
        for node in list(self._peers.book.peers):
            self.look(node)

    async def write(self, node: bytes, kind: str, body: dict[str, Any]) -> None:
        """Order an act of this node in the stream of the two. Hold ``order``."""
        await self._author.order([self._author.node_act(streams.pair(self._store.node, node), kind, body)])

    def _owed(self, node: bytes) -> Owed | None:
        """Return the next act that this node has to write with a peer; None where nothing is left."""
        return next((owed for owed in self._debts(node) if (node, owed.kind, owed.agreement) not in self._paid), None)

    def _debts(self, node: bytes) -> Iterator[Owed]:
        peer = self._peers.book.peers.get(node)
        line = self.line(node)
        if peer is None or line is None or self._author.stopped:
            return
        mine = line.sides[self._store.node]
        if peer.state is State.CONNECTED:
            if mine.opened != line.root.id:
                yield Owed("agreement.sign", line.root.id, self._starter(peer))
            yield from self._finals(line)
        elif peer.state is State.DISCONNECTED and mine.opened == line.root.id and line.root.id not in mine.ended:
            yield Owed("agreement.end", line.root.id, {"agreement": line.root.id})

    def _starter(self, peer: Peer) -> dict[str, Any]:
        own, theirs = peer.own_signature or b"", peer.peer_signature or b""
        signatures = list(in_order(self._store.node, peer.node, own, theirs))
        return {"agreement": peer.agreement, "signatures": signatures, "human": None}

    def _finals(self, line: Line) -> Iterator[Owed]:
        """Yield the final signatures that this node owes: it has the smaller id, and the other signed its proposal."""
        own, other = line.root.agreement.nodes
        if own != self._store.node or line.ended is not None:
            return
        for ready in line.to_finalise(self._store.now()):
            theirs = line.sides[other].signed[ready.id]
            if self.stands_by(own, ready.human) and self.stands_by(other, theirs.human):
                body = self.signed(ready, theirs.signature, ready.human)
                yield Owed("agreement.sign", ready.id, body)

    def signed(self, act: Proposed, theirs: bytes, human: Consent | None) -> dict[str, Any]:
        """Return the body by which this node signs a document that the other has signed."""
        nodes = act.agreement.nodes
        other = nodes[1 - act.agreement.side(self._store.node)]
        own = sign(self._store.keys.ed25519, act.document)
        signatures = in_order(self._store.node, other, own, theirs)
        return {"agreement": act.document, "signatures": list(signatures), "human": plain(human)}

    def _is_ended_there(self, node: bytes) -> bool:
        terms = self.in_force(node)
        return terms is not None and terms.is_ended

    # --- peering -----------------------------------------------------------------------------

    def connected(self, peer: Peer) -> None:
        """Note the starter in the stream of the two, as evidence for both."""
        self.look(peer.node)

    def disconnected(self, peer: Peer) -> None:
        """Note the end in the stream of the two. ``peer``: as it was before; a new request may have begun since."""
        if peer.agreement is not None:
            self._spawn(self._end(peer.node, agreement_id(peer.agreement)))

    async def _end(self, node: bytes, root: bytes) -> None:
        self._seen.pop(node, None)
        line = self.line(node)
        if line is not None and root in line.sides[self._store.node].ended:
            return
        try:
            async with self.order:
                await self.write(node, "agreement.end", {"agreement": root})
        except FoedusError as error:  # where it is still the last line, ``settle`` writes it after a restart
            log.warning("the end of the agreement with %s was not logged: %s", node.hex(), error)

    # --- time --------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Wake up when the next agreement expires."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_at = self._next_expiry()
        if next_at is not None:
            wait_s = min(max(0.0, (next_at - self._store.now()) / SECOND), _LOOK_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._expired)

    def _next_expiry(self) -> Instant | None:
        now = self._store.now()
        found = [terms.document.expires for node in self._connected() if (terms := self.in_force(node)) is not None]
        return min((at for at in found if at is not None and at > now), default=None)

    def _expired(self) -> None:
        self._timer = None
        for node in self._connected():
            self.look(node)
        self._watch()

    # --- life --------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop waiting, and let what is being written end."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def plain(human: Consent | None) -> Sequence[Any] | None:
    """Return a human's word as a body holds it."""
    return None if human is None else list(human)


def _is_none_of_ours(published: Published) -> bool:
    """Whether a commit only adds events, none of them of agreements or devices: as nearly all do."""
    commit = published.commit
    return (
        not (commit.verdicts or commit.bodies or commit.truncations or commit.records)
        and _DEVICE_KINDS.isdisjoint(published.kinds)
        and not any(stream.startswith("pair:") for _, stream in published.chains)
    )
