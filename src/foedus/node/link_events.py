"""What the parts of the node hear of links and peers, and what is asked of all links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.log.chains import ChainKey, Position
from foedus.node.agreed_rates import CLAUSE as OVER_RATE
from foedus.node.link import Link
from foedus.node.reports import Report

if TYPE_CHECKING:
    from foedus.node.composition import Node


class LinkEvents:
    """Tells the parts of the node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def event_delay_s(self, peer: bytes, report: Report) -> float:
        """Return for how long a peer's credit is held back: by our policy, and by what was agreed."""
        agreed_s = self._node.links.agreed_rates.arrived(peer, report.new)
        if agreed_s:
            self._node.ingest.refusals[OVER_RATE] += 1
        return max(agreed_s, self._node.rates.event_delay_s(peer, report.count))

    def go_on(self, peer: bytes, key: ChainKey) -> None:
        """Ask a peer for a chain from our head: it moved by itself."""
        link = self._node.links.get(peer)
        if link is not None and link.session.is_open:
            link.go_on(key)

    def reported(self, link: Link, report: Report) -> None:
        """Go on with what a batch of a peer shows, which is durable now."""
        for frame in self._node.pruned.reported(link.node, report):
            self._node.spawn(self._node.pruned.take(link.node, frame))
        if report.own:
            self._node.epochs.saw_own()
        self._node.branches.collect()

    def ended(self, link: Link) -> None:
        """Let go of what waited for a link that is no more."""
        self._node.queries.ended(link)
        self._node.blob_carrying.ended(link)
        self._node.presences.ended(link)
        self._node.councils.unlinked(link)

    def lost(self, link: Link) -> None:
        """Write down why the link of a peer ended."""
        self._node.audited.link_ended(link.node, link.closing, by_peering=link.is_closed_by_peering)
        self._node.pruned.forget(link.node)

    def peer_changed(self, node: bytes) -> None:
        """Judge anew what counts and what goes out: a peer's state, or what is agreed with it, is another."""
        self._node.withholding.folds_changed()
        self._node.witnesses.changed()
        self._node.queries.routing.changed()
        link = self._node.links.get(node)
        if link is not None and link.session.is_open:
            self._node.outbox.terms_changed(link)

    def opened(self, link: Link) -> None:
        """Take up what waited for a link on which events flow now."""
        self._node.lines.linked(link.node)
        self._node.calls.linked(link)
        self._node.queries.routing.changed()
        self._node.blob_carrying.opened(link)
        self._node.presences.opened(link)
        self._node.councils.linked(link)

    def learned(self, node: bytes) -> None:
        """Note that an identity record of a node came, and look what follows."""
        self._node.audited.learned(node)
        self._node.councils.learned()
        if node == self._node.store.node:
            self._node.epochs.check_superseded()

    def claims(self) -> list[Position]:
        """Return what connected peers said they hold of this node's chains."""
        return [
            Position(*claim)
            for link in self._node.links.open()
            for claim in link.session.claims()
            if self._node.store.identities.node_of(claim.epoch) == self._node.store.node
        ]

    def ask(self, ids: list[bytes]) -> None:
        """Ask every peer for events by id."""
        for link in self._node.links.open():
            link.run_effects(link.session.want(ids))

    def epoch_opened(self) -> None:
        """Tell every peer the new record; where keys changed, links shake hands again."""
        self._node.audited.learned(self._node.store.node)
        for link in self._node.links.all():
            link.close("rekey", "a new epoch was opened")
        self._node.councils.learned()
        self._node.agreements.settle_all()

    def reloaded(self) -> None:
        """Let links resume from what is durable, after a commit failed and memory was taken from the log again."""
        self._node.audience.refresh()
        for link in self._node.links.all():
            link.close("unavailable", "the log could not be written")
