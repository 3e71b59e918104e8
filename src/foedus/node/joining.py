"""Which part of the node hears of what another does. ``composition`` builds them; here they are connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.node.late_openings import LateOpenings

if TYPE_CHECKING:
    from foedus.node.composition import Node


def join(node: Node) -> None:
    """Connect the parts that call each other."""
    _join_links(node)
    _join_councils(node)
    node.presences.door = node.withholding.door
    node.queries.answerer.offers = node.calls.book.search
    node.blob_carrying.on_whole.append(node.documents.blob_came)
    node.publisher.bookkeepers.append(lambda _: node.queries.judge.changed())
    node.ingest.door = node.withholding.door
    node.ingest.crossings = node.crossings
    node.ingest.may_carry = node.audience.may_carry
    node.ingest.is_awaited = LateOpenings(node.store, node.audience).is_awaited
    node.audience.terms = node.agreements.in_force
    node.agreements.on_changed = node.link_events.peer_changed
    node.peers.on_connected = node.agreements.connected
    node.peers.on_disconnected = node.agreements.disconnected
    node.peers.on_changed = node.link_events.peer_changed
    node.records.on_learned = node.link_events.learned
    node.epochs.claims = node.link_events.claims
    node.epochs.ask = node.link_events.ask
    node.epochs.on_opened = node.link_events.epoch_opened
    node.store.on_reload.append(node.link_events.reloaded)
    node.publisher.bookkeepers += [node.epochs.proved, node.leaving.published]
    node.publisher.bookkeepers.append(node.access.tokens.published)
    _join_snapshots(node)
    _join_audit(node)
    node.publisher.bookkeepers.append(node.standings.published)
    node.crossings.standing_of = node.standings.of
    node.access.tokens.governs = node.standings.is_architect
    node.standings.on_changed = node.withholding.standings_changed
    node.knowledge.door = node.withholding.door
    node.knowledge.indexer.on_read = node.embedding.wake
    node.embedding.on_made = node.sketching.wake
    node.publisher.bookkeepers += [node.sketching.published, node.queries.routing.published]
    node.publisher.bookkeepers.append(node.passed_on.published)
    node.eraser.on_erased += [node.sketching.erased, node.passed_on.erased]
    node.policy.on_changed.append(node.policy_effects.follow_knowledge)


def _join_links(node: Node) -> None:
    node.links.standing = node.peers
    node.links.outbox = node.outbox
    node.links.agreed_rates.terms = node.agreements.in_force
    node.links.event_delay_s = node.link_events.event_delay_s
    node.links.on_report = node.link_events.reported
    node.links.on_pruned = node.pruned.take
    node.links.on_query = node.queries.frame
    node.links.on_call = node.calls.frame
    node.lines.on_opened = node.calls.linked
    node.lines.on_ended = node.queries.ended
    node.links.on_blob = node.blob_carrying.frame
    node.links.on_presences = node.presences.frame
    node.links.on_opened = node.link_events.opened
    node.links.on_reach = node.queries.routing.frame
    node.links.on_ended = node.link_events.ended


def _join_councils(node: Node) -> None:
    node.links.on_council = node.councils.frame
    node.councils.on_exposed = node.audited.contradicted
    node.councils.on_begun = node.audited.council_begun
    node.councils.on_changed = node.audited.council_changed


def _join_snapshots(node: Node) -> None:
    """Keep what old deltas and updates say where they are dropped."""
    for snapshots in (node.snapshots, node.document_snapshots):
        node.publisher.bookkeepers.append(snapshots.published)
        node.eraser.on_erased.append(snapshots.erased)
        snapshots.drops = lambda stream: node.retention.ends(stream, node.peers.book.peers)

    async def write_snapshots() -> None:
        await node.snapshots.write_due(everything=True)
        await node.document_snapshots.write_due(everything=True)

    node.retention.prepare = write_snapshots


def _join_audit(node: Node) -> None:
    """Let the audit log hear of every decision."""
    node.publisher.bookkeepers.append(node.audited.published)
    node.ingest.on_finished = node.audited.reported
    node.ingest.on_crossed = node.receipts.note
    node.queries.on_judged = node.audited.question
    node.publisher.bookkeepers.append(node.receipts.published)
    node.crossings.grants_count = node.reputations.grants_count
    node.reputations.on_weighed = node.withholding.folds_changed
    node.reputations.on_breach = node.standings.on_evidence
    node.peers.on_decided = node.audited.peering
    node.peers.on_refused = node.audited.peering_refused
    node.peers.on_lost = node.link_events.lost
    node.author.on_refused = node.audited.author_refused
    node.eraser.on_erased.append(node.audited.erased)
    node.wanted_bodies.lets_go = node.retention.lets_go
    node.retention.on_pruned = node.audited.pruned
    node.retention.on_dropped = node.audited.dropped
    node.witnesses.on_refused = node.audited.not_countersigned
    node.outbox.on_forbidden = node.audited.forbidden
    node.links.on_turned_away = node.audited.turned_away
    node.pruned.on_refused = node.audited.bad_answer
    node.records.on_refused = node.audited.record_refused
    node.consent.approvals.on_change = node.audited.approval
    node.agreements.on_without_effect = node.audited.without_effect
