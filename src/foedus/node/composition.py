"""The composition root: every part of a node is built here, and its tasks are owned here. ``joining`` connects them."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Literal

from foedus.adapters.document_bases import MemoryBases
from foedus.adapters.federation_client import FederationClient
from foedus.adapters.log_errors import DamagedDatabase
from foedus.adapters.memory_blobs import MemoryBlobs
from foedus.adapters.sqlite_knowledge import SqliteKnowledge
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.log.port import Value
from foedus.node.access import Access
from foedus.node.agents import Agents
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
from foedus.node.joining import join
from foedus.node.knowledge import Knowledge
from foedus.node.knowledge_embedding import KnowledgeEmbedding
from foedus.node.knowledge_indexing import KnowledgeIndexer
from foedus.node.leaving import Leaving
from foedus.node.lines import Lines
from foedus.node.link_events import LinkEvents
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
from foedus.node.policy_effects import PolicyEffects
from foedus.node.presence_rights import PresenceRights
from foedus.node.presences import PresenceBook
from foedus.node.pruned import PrunedChains
from foedus.node.publisher import Publisher
from foedus.node.queries import Queries
from foedus.node.rates import Rates
from foedus.node.receipts import Receipts
from foedus.node.records import RecordBook
from foedus.node.reputations import Reputations
from foedus.node.retention import Retention
from foedus.node.sketching import Sketching
from foedus.node.standings import Standings
from foedus.node.store import Store, wall_clock
from foedus.node.visible import VisibleLog
from foedus.node.wanted_bodies import WantedBodies
from foedus.node.withholding import Withholding
from foedus.node.witnessing import Witnesses
from foedus.sync.http_signature import KeyOf, Signer

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
        self.withholding = Withholding(self)
        self.link_events = LinkEvents(self)
        self.policy_effects = PolicyEffects(self)
        self.publisher = Publisher()
        try:
            self.store = Store(self.home, self.log, self.publisher, clock)
            self._make_parts()
        except (PeerViolation, ValueError, TypeError, LookupError) as error:  # nobody else wrote what they read
            raise DamagedDatabase(f"{self.home.database}: {error}") from error
        join(self)

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
        self._make_http()
        self.nearby = Nearby(self.store, self.peers, self.policy)
        self.epochs = Epochs(self.store, self.author)
        self.leaving = Leaving(self.store, self.author, self.spawn)
        self.agents = Agents(self.store, self.author)
        self.access = Access(self.store, self.agents)
        self.passkeys = Passkeys(self.store, self.policy)
        self.crossings = Crossings(self.store, self.agreements.border_terms)
        self.crdts = Crdts(self.store, self.publisher, self.withholding.clause)
        self._make_documents()
        self.snapshots = Snapshots(self.store, self.author, self.crdts)
        self.petnames = Petnames(self.store)
        approvals = Approvals(self.store)
        self.consent = Consent(self.store, self.author, self.agents, self.crossings, approvals)
        self.standings = Standings(self.store)
        self.branches = BranchCollector(self.store, self.link_events.ask)
        self.eraser = Eraser(self.store, self.publisher, self.ingest, self.link_events.ask)
        self.eraser.derived.append(approvals.forget)
        self.retention = Retention(self.store, self.publisher, {})
        self.retention.agreed = self._agreed_days
        self.wanted_bodies = WantedBodies(self.store, self.publisher, self.ingest, self.link_events.ask)
        self.retention.sealed.on_back = self.wanted_bodies.want
        self.policy.on_changed += [self.policy_effects.follow, self.nearby.follow]
        self.policy_effects.follow(self.policy.current)
        self.pruned = PrunedChains(self.store, self.ingest, self.link_events.go_on)
        self.checkpointer = Checkpointer(self.store, self.author, self.publisher)
        self.audit = AuditTrail(self.store, self._parts.audit, partial(remembered, self.store))
        door, ingest = self.withholding.door, self.ingest
        self.audited = Audited(self.store, self.audit.note, door, ingest.clauses, ingest.refusals)
        self.witnesses = Witnesses(self.store, self.author, self.audit, self._reachable)
        self.receipts = Receipts(self.store, self.author, self.audit, self._agreement_with)
        self._make_councils()
        self._make_asking()
        self.reputations = Reputations(self.store, self.audit, self.peers, self.spawn)
        self._make_knowledge()
        self.started_at = self.store.now()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: ClosingWriter | None = None

    def _make_http(self) -> None:
        """Make what asks other nodes by HTTP: for who they are, and for all where no link opens."""
        self.client = FederationClient(self._http_signer, self._key_of, self.store.now)
        self.manifests = ManifestReader(self.client)
        self.fallback = Fallback(self)
        self.lines = Lines(self)

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
        rows = DocumentRows(self.store, self.withholding.clause, self.blobs)
        bases = self._parts.bases(self.home.documents) if self._parts.bases else MemoryBases()
        self.documents = Documents(self.store, self.publisher, rows, bases, self._parts.replicas)
        self.document_snapshots = DocumentSnapshots(self.store, self.author, self.blobs, self.documents)
        rights = PresenceRights(self.store, self.crossings, self.withholding.clause)
        self.presences = PresenceBook(self.store, self.links, self.audience, rights)

    def _make_knowledge(self) -> None:
        self.index = self._parts.knowledge(self.home.knowledge) if self._parts.knowledge else SqliteKnowledge(None)
        indexer = KnowledgeIndexer(self.store, self.publisher, self.index, self.link_events.ask)
        found_by = self.policy.current.knowledge
        self.embedding = KnowledgeEmbedding(
            self.store,
            self.index.vectors,
            indexer.told,
            partial(open_embedder, self.home, found_by),
            found_by.least_similarity,
        )
        self.knowledge = Knowledge(self.store, self.index, (indexer, self.embedding), self.audience, self.crossings)

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

    # --- life --------------------------------------------------------------------------------

    async def start(self, *, network: bool = True) -> None:
        """Begin to write, complete what a crash cut short, and dial."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        gc.freeze()  # what was loaded stays: later collections need not look at it
        self._writer = self._parts.writer(self.log, asyncio.get_running_loop())
        self._writer.expects_more = self.ingest.checking.is_far_behind
        self.store.start(self._writer)
        self.standings.start()
        self.epochs.check_superseded()
        if not self.author.stopped:
            await self.epochs.finish_opening()
            self.epochs.check_forked()
            self.leaving.finish()
            await self.consent.resume()
            self.agreements.settle_all()
            await self.calls.start()
            self.errands.start()
            self.governance.load()
            await self.councils.start()
        self.spawn(self.eraser.run())
        self.spawn(self.wanted_bodies.run())
        self.spawn(self.wanted_bodies.insist())
        self.spawn(self.audit.run())
        self.spawn(self.knowledge.indexer.run())
        self.spawn(self.embedding.run())
        self.spawn(self.blobs.run())
        self.spawn(self.blob_carrying.run())
        self.spawn(self.sketching.run())
        self.spawn(self.passed_on.run())
        self.spawn(self.queries.routing.run())
        if network:
            self.spawn(self.retention.run())
            self.spawn(self.snapshots.run())
            self.spawn(self.document_snapshots.run())
            self.spawn(self.checkpointer.run())
            self.spawn(self.witnesses.run())
            self.spawn(self.receipts.run())
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

    def spawn(self, work: object) -> None:
        """Run a coroutine as a task of the node, until it closes."""
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
