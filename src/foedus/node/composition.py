"""The composition root: every part of a node is built and joined here, and its tasks are owned here."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Literal

from msgspec import structs

from foedus.adapters.document_bases import MemoryBases
from foedus.adapters.federation_client import FederationClient
from foedus.adapters.log_errors import DamagedDatabase
from foedus.adapters.memory_blobs import MemoryBlobs
from foedus.adapters.sqlite_knowledge import SqliteKnowledge
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, PeerViolation
from foedus.base.limits import DAY
from foedus.log import streams
from foedus.log.chains import ChainKey, Position
from foedus.log.event import Event
from foedus.log.port import Row, Value, Verdict
from foedus.node import membership
from foedus.node.access import Access
from foedus.node.agents import Agents
from foedus.node.agreed_rates import CLAUSE as OVER_RATE
from foedus.node.agreements import Agreements
from foedus.node.approvals import Approvals
from foedus.node.audience import Audience
from foedus.node.audit_claims import remembered
from foedus.node.audited import Audited
from foedus.node.auditing import AuditTrail
from foedus.node.author import Author
from foedus.node.blob_carrying import BlobCarrying
from foedus.node.blobs import Blobs
from foedus.node.branches import BranchCollector
from foedus.node.calls import Calls
from foedus.node.checkpointer import Checkpointer
from foedus.node.consent import Consent
from foedus.node.council_agents import CouncilAgents
from foedus.node.council_governance import Governance
from foedus.node.councils import Councils
from foedus.node.crdt_snapshots import Snapshots
from foedus.node.crdts import Crdts
from foedus.node.crossings import Crossings
from foedus.node.document_rows import DocumentRows
from foedus.node.document_snapshots import DocumentSnapshots
from foedus.node.documents import Documents
from foedus.node.embedders import open_embedder
from foedus.node.epochs import Epochs
from foedus.node.erasing import Eraser
from foedus.node.errands import Errands
from foedus.node.fallback import Fallback
from foedus.node.home import SETTINGS, Home, check_name
from foedus.node.ingest import Ingest
from foedus.node.knowledge import Knowledge
from foedus.node.knowledge_embedding import KnowledgeEmbedding
from foedus.node.knowledge_indexing import KnowledgeIndexer
from foedus.node.late_openings import LateOpenings
from foedus.node.link import Link
from foedus.node.links import Links
from foedus.node.manifests import ManifestReader
from foedus.node.nearby import Nearby
from foedus.node.outbox import Outbox
from foedus.node.parts import ClosingWriter, Parts, open_parts
from foedus.node.passed_on import PassedOn
from foedus.node.passkeys import Passkeys
from foedus.node.peer_offers import PeerOffers
from foedus.node.peers import Peers
from foedus.node.petnames import Petnames
from foedus.node.policy import PolicyBook
from foedus.node.presence_rights import PresenceRights
from foedus.node.presences import PresenceBook
from foedus.node.pruned import PrunedChains
from foedus.node.publisher import Published, Publisher
from foedus.node.queries import Queries
from foedus.node.rates import Rates
from foedus.node.receipts import Receipts
from foedus.node.records import RecordBook
from foedus.node.reports import Report
from foedus.node.reputations import Reputations
from foedus.node.retention import Retention
from foedus.node.sketching import Sketching
from foedus.node.standings import Standings
from foedus.node.store import Store, wall_clock
from foedus.node.visible import VisibleLog
from foedus.node.wanted_bodies import WantedBodies
from foedus.node.witnessing import Witnesses
from foedus.sync.http_signature import KeyOf, Signer
from foedus.trust.door import Arrival, Withhold, decide, refused
from foedus.trust.policy import Assurance, Policy
from foedus.trust.standing import Rule

log = logging.getLogger("foedus.node")

_SWITCH_INTERVAL_S = 0.0005
"""Threads check signatures outside the GIL for 60 µs at a time and then wait for it: at Python's default of 5 ms they
would mostly wait (docs/performance.md)."""
_GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""A batch of 256 events makes some 5,000 objects that live until it is durable: at Python's 700 each batch is looked
through seven times (docs/performance.md)."""


class Node:
    """A node of one home folder. ``start`` and ``close`` run on one event loop."""

    def __init__(
        self, home: Home, clock: Callable[[], Instant] = wall_clock, parts: Callable[[Home], Parts] = open_parts
    ) -> None:
        self.home = home
        self._parts = parts(home)
        self.log = self._parts.log
        try:
            self._build(clock)
        except BaseException:
            self.log.close()
            self._parts.lock.release()
            raise

    def _build(self, clock: Callable[[], Instant]) -> None:
        self.policy = PolicyBook(self.home.policy_path)
        self.publisher = Publisher()
        try:
            self.store = Store(self.home, self.log, self.publisher, clock)
            self._make_parts()
        except (PeerViolation, ValueError, TypeError, LookupError) as error:  # nobody else wrote what they read
            raise DamagedDatabase(f"{self.home.database}: {error}") from error
        self._join()

    def _make_parts(self) -> None:
        self.ingest = Ingest(self.store, self._parts.verifiers)
        self.author = Author(self.store)
        self.records = RecordBook(self.store)
        self.rates = Rates(self.policy, self.store.now)
        self.links = Links(self.store, self.ingest, self.records, self._parts.dialler.connect)
        self.peers = Peers(self.store, self.links, self.policy, self.rates)
        self.agreements = Agreements(self.store, self.author, self.peers, self.policy.counts)
        self.audience = Audience(self.store, self.peers.book)
        self.visible = VisibleLog(self.store, self.audience, self.peers.book)
        self.outbox = Outbox(self.store, self.publisher, self.audience, self.links.open)
        self.client = FederationClient(self._http_signer, self._key_of, self.store.now)
        self.manifests = ManifestReader(self.client)
        self.fallback = Fallback(self)
        self.nearby = Nearby(self.store, self.peers, self.policy)
        self.epochs = Epochs(self.store, self.author)
        self.agents = Agents(self.store, self.author)
        self.access = Access(self.store, self.agents)
        self.passkeys = Passkeys(self.store, self.policy)
        self.crossings = Crossings(self.store, self.agreements.border_terms)
        self.crdts = Crdts(self.store, self.publisher, self._withheld)
        self._make_documents()
        self.snapshots = Snapshots(self.store, self.author, self.crdts)
        self.petnames = Petnames(self.store)
        approvals = Approvals(self.store)
        self.consent = Consent(self.store, self.author, self.agents, self.crossings, approvals)
        self.standings = Standings(self.store)
        self.branches = BranchCollector(self.store, self._ask)
        self.eraser = Eraser(self.store, self.publisher, self.ingest, self._ask)
        self.eraser.derived.append(approvals.forget)
        self.retention = Retention(self.store, self.publisher, {})
        self.retention.agreed = self._agreed_days
        self.wanted_bodies = WantedBodies(self.store, self.publisher, self.ingest, self._ask)
        self.retention.sealed.on_back = self.wanted_bodies.want
        self.policy.on_changed += [self._follow_policy, self.nearby.follow]
        self._follow_policy(self.policy.current)
        self.pruned = PrunedChains(self.store, self.ingest, self._go_on)
        self.checkpointer = Checkpointer(self.store, self.author, self.publisher)
        self.audit = AuditTrail(self.store, self._parts.audit, partial(remembered, self.store))
        self.audited = Audited(self.store, self.audit.note, self.door, self.ingest.clauses, self.ingest.refusals)
        self.witnesses = Witnesses(self.store, self.author, self.audit, self._reachable)
        self.receipts = Receipts(self.store, self.author, self.audit, self._agreement_with)
        self._make_councils()
        self._make_asking()
        self.reputations = Reputations(self.store, self.audit, self.peers, self._spawn)
        self._make_knowledge()
        self.started_at = self.store.now()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[tuple[str, bytes]] = set()
        self._writer: ClosingWriter | None = None

    def _make_councils(self) -> None:
        self.councils = Councils(self.store, self.links, self.ingest.checking, self.crossings)
        self.governance = Governance(self.store, self.councils)
        self.council_agents = CouncilAgents(self)

    def _make_asking(self) -> None:
        self.queries = Queries(self)
        self.sketching = Sketching(self)
        self.passed_on = PassedOn(self.store, self.author)
        self.calls = Calls(self)
        self.errands = Errands(self)
        self.peer_offers = PeerOffers(self)

    def _make_documents(self) -> None:
        self.blobs = Blobs(
            self.store, self.publisher, self._parts.blobs(self.home.blobs) if self._parts.blobs else MemoryBlobs()
        )
        self.blob_carrying = BlobCarrying(self.store, self.blobs, self.links, self.audience)
        rows = DocumentRows(self.store, self._withheld, self.blobs)
        bases = self._parts.bases(self.home.documents) if self._parts.bases else MemoryBases()
        self.documents = Documents(self.store, self.publisher, rows, bases, self._parts.replicas)
        self.document_snapshots = DocumentSnapshots(self.store, self.author, self.blobs, self.documents)
        rights = PresenceRights(self.store, self.crossings, self._withheld)
        self.presences = PresenceBook(self.store, self.links, self.audience, rights)

    def _make_knowledge(self) -> None:
        self.index = self._parts.knowledge(self.home.knowledge) if self._parts.knowledge else SqliteKnowledge(None)
        indexer = KnowledgeIndexer(self.store, self.publisher, self.index, self._ask)
        found_by = self._found_by = self.policy.current.knowledge
        self.embedding = KnowledgeEmbedding(
            self.store,
            self.index.vectors,
            indexer.told,
            partial(open_embedder, self.home, found_by),
            found_by.least_similarity,
        )
        self.knowledge = Knowledge(self.store, self.index, (indexer, self.embedding), self.audience, self.crossings)

    def _join(self) -> None:
        """Connect the parts that call each other."""
        self.links.standing = self.peers
        self.links.outbox = self.outbox
        self.links.agreed_rates.terms = self.agreements.in_force
        self.links.event_delay_s = self._event_delay_s
        self.links.on_report = self._reported
        self.links.on_pruned = self.pruned.take
        self.links.on_query = self.queries.frame
        self.links.on_call = self.calls.frame
        self.links.on_blob = self.blob_carrying.frame
        self.links.on_presences = self.presences.frame
        self._join_councils()
        self.presences.door = self.door
        self.links.on_opened = self._linked
        self.links.on_reach = self.queries.routing.frame
        self.queries.answerer.offers = self.calls.book.search
        self.links.on_ended = self._link_ended
        self.blob_carrying.on_whole.append(self.documents.blob_came)
        self.publisher.bookkeepers.append(lambda _: self.queries.judge.changed())
        self.ingest.door = self.door
        self.ingest.crossings = self.crossings
        self.ingest.may_carry = self.audience.may_carry
        self.ingest.is_awaited = LateOpenings(self.store, self.audience).is_awaited
        self.audience.terms = self.agreements.in_force
        self.agreements.on_changed = self._peer_changed
        self.peers.on_connected = self.agreements.connected
        self.peers.on_disconnected = self.agreements.disconnected
        self.peers.on_changed = self._peer_changed
        self.records.on_learned = self._learned
        self.epochs.claims = self._claims
        self.epochs.ask = self._ask
        self.epochs.on_opened = self._epoch_opened
        self.store.on_reload.append(self._reloaded)
        self.publisher.bookkeepers.append(self._published)
        self.publisher.bookkeepers.append(self.access.tokens.published)
        self._join_snapshots()
        self._join_audit()
        self.publisher.bookkeepers.append(self.standings.published)
        self.crossings.standing_of = self.standings.of
        self.access.tokens.governs = self.standings.is_architect
        self.standings.on_changed = self._standings_changed
        self.knowledge.door = self.door
        self.knowledge.indexer.on_read = self.embedding.wake
        self.embedding.on_made = self.sketching.wake
        self.publisher.bookkeepers += [self.sketching.published, self.queries.routing.published]
        self.publisher.bookkeepers.append(self.passed_on.published)
        self.eraser.on_erased += [self.sketching.erased, self.passed_on.erased]
        self.policy.on_changed.append(self._follow_knowledge_policy)

    def _join_councils(self) -> None:
        self.links.on_council = self.councils.frame
        self.councils.on_exposed = self.audited.contradicted
        self.councils.on_begun = self.audited.council_begun
        self.councils.on_changed = self.audited.council_changed

    def _join_snapshots(self) -> None:
        """Keep what old deltas and updates say where they are dropped."""
        for snapshots in (self.snapshots, self.document_snapshots):
            self.publisher.bookkeepers.append(snapshots.published)
            self.eraser.on_erased.append(snapshots.erased)
            snapshots.drops = lambda stream: self.retention.ends(stream, self.peers.book.peers)
        self.retention.prepare = self._write_snapshots

    async def _write_snapshots(self) -> None:
        await self.snapshots.write_due(everything=True)
        await self.document_snapshots.write_due(everything=True)

    def _join_audit(self) -> None:
        """Let the audit log hear of every decision."""
        self.publisher.bookkeepers.append(self.audited.published)
        self.ingest.on_finished = self.audited.reported
        self.ingest.on_crossed = self.receipts.note
        self.queries.on_judged = self.audited.question
        self.publisher.bookkeepers.append(self.receipts.published)
        self.crossings.grants_count = self.reputations.grants_count
        self.reputations.on_weighed = self._folds_changed
        self.reputations.on_breach = self.standings.on_evidence
        self.peers.on_decided = self.audited.peering
        self.peers.on_refused = self.audited.peering_refused
        self.peers.on_lost = self._link_lost
        self.author.on_refused = self.audited.author_refused
        self.eraser.on_erased.append(self.audited.erased)
        self.wanted_bodies.lets_go = self.retention.lets_go
        self.retention.on_pruned = self.audited.pruned
        self.retention.on_dropped = self.audited.dropped
        self.witnesses.on_refused = self.audited.not_countersigned
        self.outbox.on_forbidden = self.audited.forbidden
        self.links.on_turned_away = self.audited.turned_away
        self.pruned.on_refused = self.audited.bad_answer
        self.records.on_refused = self.audited.record_refused
        self.consent.approvals.on_change = self.audited.approval
        self.agreements.on_without_effect = self.audited.without_effect

    def _follow_policy(self, policy: Policy) -> None:
        """Judge by what the policy says now."""
        self.agreements.forget_terms()
        self.crossings.is_assured = self.policy.counts(Assurance.DEVICE_BOUND)
        self.standings.rule = Rule(policy.policy.rise_days * DAY, policy.policy.rise_acts)
        self._doors_changed()
        self.retention.days = {kind: days for kind, days in structs.asdict(policy.retention).items() if days}

    def _follow_knowledge_policy(self, policy: Policy) -> None:
        """Let another embedder find packets, where another is named; who is told of our peers may have changed, too."""
        self.queries.routing.changed()
        if policy.knowledge != self._found_by:
            found_by = self._found_by = policy.knowledge
            self.embedding.change(partial(open_embedder, self.home, found_by), found_by.least_similarity)

    def _agreed_days(self, node: bytes) -> int | None:
        """Return for how many days this node may keep what another wrote."""
        terms = self.agreements.in_force(node)
        return terms.document.retention if terms is not None else None

    def _reachable(self) -> list[bytes]:
        """Return the connected peers to which something gets now."""
        book = self.peers.book.peers
        return [link.node for link in self.links.open() if link.node in book] + [
            node for node in book if self.links.get(node) is None and self.fallback_kind(node) != "none"
        ]

    def _agreement_with(self, node: bytes) -> bytes | None:
        """Return the id of the agreement in force with a peer."""
        terms = self.agreements.in_force(node)
        return terms.id if terms is not None else None

    def door(self, origin: bytes, stream: str, at: Instant) -> str:
        """Return the clause by which what ``origin`` wrote at an instant is not shown here now, or ''."""
        if origin == self.store.node:
            return ""
        parsed = streams.parse(stream)
        clause = refused(self.agreements.in_force(origin), origin, parsed, at)
        arrival = Arrival(
            self.peers.book.peers.get(origin), None, parsed.kind, carrier_is_member=True, by_agreement=clause
        )
        verdict = decide(arrival)
        return verdict.clause if isinstance(verdict, Withhold) else ""

    def _withheld(self, row: Row, event: Event, node: bytes) -> str:
        """Return the clause by which an accepted event is not shown here now, or ''."""
        return row.withheld or self.door(node, row.stream, row.hlc.us) or self.crossings.clause(event, node)

    def _standings_changed(self) -> None:
        self._doors_changed()
        self.access.tokens.standings_changed()

    def _doors_changed(self) -> None:
        self.crossings.forget()
        self._folds_changed()

    def _folds_changed(self) -> None:
        self.crdts.forget()
        self.documents.forget()

    def _event_delay_s(self, peer: bytes, report: Report) -> float:
        """Return for how long a peer's credit is held back: by our policy, and by what was agreed."""
        agreed_s = self.links.agreed_rates.arrived(peer, report.new)
        if agreed_s:
            self.ingest.refusals[OVER_RATE] += 1
        return max(agreed_s, self.rates.event_delay_s(peer, report.count))

    def _go_on(self, peer: bytes, key: ChainKey) -> None:
        link = self.links.get(peer)
        if link is not None and link.session.is_open:
            link.go_on(key)

    def _reported(self, link: Link, report: Report) -> None:
        for frame in self.pruned.reported(link.node, report):
            self._spawn(self.pruned.take(link.node, frame))
        if report.own:
            self.epochs.saw_own()
        self.branches.collect()

    def _link_ended(self, link: Link) -> None:
        self.queries.ended(link)
        self.blob_carrying.ended(link)
        self.presences.ended(link)
        self.councils.unlinked(link)

    def _link_lost(self, link: Link) -> None:
        self.audited.link_ended(link.node, link.closing, by_peering=link.is_closed_by_peering)
        self.pruned.forget(link.node)

    def _peer_changed(self, node: bytes) -> None:
        self._folds_changed()
        self.witnesses.changed()
        self.queries.routing.changed()
        link = self.links.get(node)
        if link is not None and link.session.is_open:
            self.outbox.terms_changed(link)

    def _linked(self, link: Link) -> None:
        self.calls.linked(link)
        self.queries.routing.changed()
        self.blob_carrying.opened(link)
        self.presences.opened(link)
        self.councils.linked(link)

    def _learned(self, node: bytes) -> None:
        self.audited.learned(node)
        self.councils.learned()
        if node == self.store.node:
            self.epochs.check_superseded()

    def _claims(self) -> list[Position]:
        """Return what connected peers said they hold of this node's chains."""
        return [
            Position(*claim)
            for link in self.links.open()
            for claim in link.session.claims()
            if self.store.identities.node_of(claim.epoch) == self.store.node
        ]

    def _ask(self, ids: list[bytes]) -> None:
        for link in self.links.open():
            link.run_effects(link.session.want(ids))

    def _epoch_opened(self) -> None:
        """Tell every peer the new record; where keys changed, links shake hands again."""
        self.audited.learned(self.store.node)
        for link in self.links.all():
            link.close("rekey", "a new epoch was opened")
        self.councils.learned()
        self.agreements.settle_all()

    def _reloaded(self) -> None:
        """Let links resume from what is durable, after a commit failed and memory was taken from the log again."""
        self.audience.refresh()
        for link in self.links.all():
            link.close("unavailable", "the log could not be written")

    # --- life --------------------------------------------------------------------------------

    async def start(self, *, network: bool = True) -> None:
        """Begin to write, complete what a crash cut short, and dial."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        gc.freeze()  # what was loaded stays: later collections need not look at it
        self._writer = self._parts.writer(self.log, asyncio.get_running_loop())
        self.store.start(self._writer)
        self.standings.start()
        self.epochs.check_superseded()
        if not self.author.stopped:
            await self.epochs.finish_opening()
            self.epochs.check_forked()
            self._finish_leaving()
            await self.consent.resume()
            self.agreements.settle_all()
            await self.calls.start()
            self.errands.start()
            self.governance.load()
            await self.councils.start()
        self._spawn(self.eraser.run())
        self._spawn(self.wanted_bodies.run())
        self._spawn(self.wanted_bodies.insist())
        self._spawn(self.audit.run())
        self._spawn(self.knowledge.indexer.run())
        self._spawn(self.embedding.run())
        self._spawn(self.blobs.run())
        self._spawn(self.blob_carrying.run())
        self._spawn(self.sketching.run())
        self._spawn(self.passed_on.run())
        self._spawn(self.queries.routing.run())
        if network:
            self._spawn(self.retention.run())
            self._spawn(self.snapshots.run())
            self._spawn(self.document_snapshots.run())
            self._spawn(self.checkpointer.run())
            self._spawn(self.witnesses.run())
            self._spawn(self.receipts.run())
            self.peers.start()
            self.fallback.start()
            self.nearby.follow()

    async def rename(self, name: str) -> None:
        """Store another name of this node."""
        await self.store.put(Value(SETTINGS, b"name", check_name(name).encode()))

    async def claimed_name(self, url: str, node: bytes) -> str:
        """Return what a node calls itself: what its manifest says, else what was told here. A claim."""
        return await self.manifests.name(url, node) or self.peers.book.peer(node).name

    def fallback_kind(self, node: bytes) -> Literal["sse", "pull", "none"]:
        """Return how events of a peer come while there is no link."""
        return self.fallback.kind(node)

    def _http_signer(self) -> Signer:
        return Signer(self.store.epoch, self.store.keys.ed25519)

    def _key_of(self, node: bytes) -> KeyOf:
        """Return what tells the key of a node's epoch in force."""

        def key_of(epoch: bytes) -> bytes | None:
            newest = self.store.identities.newest(node)
            return newest.record.keys.ed25519 if newest is not None and newest.id == epoch else None

        return key_of

    def _published(self, published: Published) -> None:
        """Heal a fork of our own, and take out a node that asked to leave a room of ours."""
        if published.commit.proofs:
            self.epochs.check_forked()
        for row in published.rows if "room.leave" in published.kinds else ():
            if row.kind == "room.leave" and row.verdict is Verdict.ACCEPTED:
                self._spawn(self._let_go(row.stream, row.epoch))

    async def _let_go(self, stream: str, epoch: bytes) -> None:
        room = self.store.admission.authority.rooms.get(bytes.fromhex(stream.removeprefix("room:")))
        node = self.store.identities.node_of(epoch)
        if room is None or node is None or room.host != self.store.node or node not in room.present():
            return
        if (stream, node) in self._leaving:  # it may say so many times before it is out
            return
        self._leaving.add((stream, node))
        try:
            await membership.remove(self.store, self.author, room, node)
        except FoedusError as error:
            log.warning("%s could not be taken out of a room: %s", node.hex(), error)
        finally:
            self._leaving.discard((stream, node))

    def _finish_leaving(self) -> None:
        """Take out who asked to leave while this node was down or just before a crash."""
        for chain in self.store.admission.chains:
            if chain.stream.startswith("room:") and chain.seq and chain.node != self.store.node:
                last = self.log.chain_backwards(chain.epoch, chain.stream, chain.seq + 1, 1)
                if last and last[0].kind == "room.leave" and last[0].verdict is Verdict.ACCEPTED:
                    self._spawn(self._let_go(chain.stream, chain.epoch))

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the node failed", exc_info=error)

    async def close(self) -> None:
        """End links, write what is queued, and release the home folder."""
        self.presences.close()
        await self.councils.close()
        await self.errands.close()
        await self.calls.close()
        await self.queries.close()
        await self.nearby.close()
        await self.fallback.close()
        await self.links.close()
        await self.peers.close()
        await self.agreements.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._parts.dialler.close()
        await self.client.close()
        await self.embedding.close()
        self.documents.close()
        if self._writer is not None:
            await self._writer.close()
        await self.audit.close()
        await self.ingest.close()
        self.author.close()
        self.blobs.close()
        self.index.close(is_whole=self.knowledge.indexer.is_whole)
        self.log.close()
        self._parts.lock.release()
