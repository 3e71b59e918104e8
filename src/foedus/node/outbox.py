"""The one door out: what of the log goes to which peer, through the audience of ``trust``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from foedus.base.limits import BATCH_BYTES_MAX, RECORDS_MAX
from foedus.log import streams
from foedus.log.bodies import MemberRemove
from foedus.log.chains import ChainKey, Position
from foedus.log.event import parse_envelope
from foedus.log.evidence import make_proof
from foedus.log.port import Proof as StoredProof
from foedus.log.port import Row
from foedus.node.audience import Audience
from foedus.node.http_line import Line
from foedus.node.link import Link
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.sync.effects import ReadChain
from foedus.sync.frames.events import Missing, Proof, Pruned, Records

_IN_FORCE_THERE_S = 1.0
"""A version that is in force here is on its way to the peer: what it allows is taken there a moment later."""
_SHARE = 0.1
"""Of the event loop's time for offering anew, which looks at every chain for every link."""


class Outbox:
    """Offers chains to links, pushes what is new, answers wants. ``links``: the links that are open now."""

    def __init__(
        self, store: Store, publisher: Publisher, audience: Audience, links: Callable[[], Iterable[Link]]
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._audience = audience
        self._links = links
        self.on_forbidden: Callable[[bytes, Row], None] = lambda _node, _row: None
        """A peer asked for an event that it may not see; it hears the same as of one that is not there."""
        self._reoffering: asyncio.TimerHandle | None = None
        self._rested_at = 0.0
        publisher.listeners.append(self._published)
        publisher.is_pushed_on = self._is_pushed_on

    # --- reading -----------------------------------------------------------------------------

    def head(self, key: ChainKey) -> Position | None:
        """Return the end of a chain as it is held, or None where nothing of it is."""
        chain = self._store.admission.chains.get(key)
        return chain.position if chain is not None and chain.seq else None

    def read(self, wanted: ReadChain) -> list[tuple[int, bytes]]:
        """Return envelopes of a chain, from memory where they are recent, else from the log."""
        key = (wanted.epoch, wanted.stream)
        recent = self._publisher.recent.after(key, wanted.after_seq, wanted.max_events, wanted.max_bytes)
        if recent is not None:
            return recent
        rows = self._store.log.chain(*key, wanted.after_seq, wanted.max_events, wanted.max_bytes)
        gap = self._store.admission.gaps.next(key, wanted.after_seq)
        return [(row.seq, self._store.sendable(row)) for row in rows if gap is None or row.seq <= gap.after]

    def pruned(self, wanted: ReadChain) -> Pruned | None:
        """Return what to answer who asks for events that retention dropped."""
        gap = self._store.admission.gaps.behind((wanted.epoch, wanted.stream), wanted.after_seq)
        return None if gap is None else Pruned(gap.epoch, gap.stream, gap.after, gap.checkpoint)

    def id_at(self, epoch: bytes, stream: str, seq: int) -> bytes | None:
        """Return the id of the held event at a place."""
        rows = self._store.log.chain(epoch, stream, seq - 1, 1)
        return rows[0].id if rows and rows[0].seq == seq else None

    # --- a link opens ------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Offer everything that the peer may see, and show it the proofs of forks."""
        link.offer(self._audience.visible(link.node))
        for proof in self._store.log.proofs():
            self.show_proof(link, proof)
        self._show_removals(link)

    def terms_changed(self, link: Link) -> None:
        """Offer and withdraw by what is agreed now, and show what a former version kept back."""
        self.reoffer(link)
        asyncio.get_running_loop().call_later(_IN_FORCE_THERE_S, self._show_removals, link)
        link.wake_chains()

    def _show_removals(self, link: Link) -> None:
        for room_id, room in self._store.admission.authority.rooms.items():
            gone = any(entry.node == link.node for entry in room.memberships.values())
            if gone and not self._audience.is_member(link.node, room_id.hex()):
                self._show_removal(link, streams.members(room_id))

    def show_proof(self, link: Link, proof: StoredProof) -> None:
        """Send an equivocation proof of a chain that the peer may see."""
        chain = self._store.admission.chains.get((proof.epoch, proof.stream))
        if chain is not None and (chain.node == link.node or self._audience.may_see(link.node, chain)):
            self.tell_node(link, chain.node)
            link.when_there_is_room(lambda: link.control(Proof(proof.one.encode(), proof.other.encode())))

    def tell_writers(self, link: Link, positions: Sequence[Position]) -> None:
        """Send the identity records of who wrote these chains, where the peer was not told them."""
        for node in dict.fromkeys(self._store.identities.node_of(position.epoch) for position in positions):
            if node is not None:
                self.tell_node(link, node)

    def tell_node(self, line: Line, node: bytes) -> None:
        """Send a node's identity records, where the peer was not told them."""
        newest = self._store.identities.newest(node)
        if newest is None or node == line.node or line.told.get(node) == newest.id:
            return
        line.told[node] = newest.id
        line.when_there_is_room(partial(self.send_records, line, node))

    def tell_again(self, link: Link, epochs: Iterable[bytes]) -> None:
        """Answer who asks for records: those of nodes of which it may see something. Of others there is no answer."""
        for node in dict.fromkeys(self._store.identities.node_of(epoch) for epoch in epochs):
            if node is None:
                continue
            is_known = node in link.told or node in {self._store.node, link.node}
            if is_known or self._audience.wrote_for(node, link.node):
                link.when_there_is_room(partial(self.send_records, link, node))

    def send_records(self, line: Line, node: bytes) -> None:
        """Send all that is held of a node's identity, branches too."""
        records = [record.plain() for record in self._store.identities.held(node)]
        for start in range(0, len(records), RECORDS_MAX // 2):
            line.control(Records(tuple(records[start : start + RECORDS_MAX // 2])))

    # --- the log grows -----------------------------------------------------------------------

    def _is_pushed_on(self, carrier: bytes | None) -> bool:
        return any(link.node != carrier for link in self._links())

    def _published(self, published: Published) -> None:
        last = {key: rows[-1] for key, rows in published.chains.items()}
        heads = {key: Position(*key, row.seq, row.id) for key, row in last.items()}
        members = any(streams.parse(stream).kind == "members" for _, stream in heads) or bool(
            published.commit.verdicts or published.commit.truncations
        )
        firsts = (rows[0] for rows in published.chains.values())
        begun = any(row.seq == 1 and row.stream.startswith("knowledge:") for row in firsts)
        if members:
            self._audience.refresh()
        truncated = {(part.epoch, part.stream) for part in published.commit.truncations}
        leaves = published.rows if "member.remove" in published.kinds else ()
        removed = {row.stream for row in leaves if row.kind == "member.remove"}
        if published.commit.bodies:
            self._pass_on([fill.id for fill in published.commit.bodies], published.carrier)
        for link in self._links():
            self._push(link, heads, truncated, published.carrier)
            for stream in removed:
                self._withdraw_room(link, stream)
            for proof in published.commit.proofs:
                self.show_proof(link, proof)
        if members or begun:  # who sees the first packet of a node may see who wrote it, too
            self._reoffer_all()

    def _push(
        self, link: Link, heads: dict[ChainKey, Position], truncated: set[ChainKey], carrier: bytes | None
    ) -> None:
        fresh = []
        for key, position in heads.items():
            chain = self._store.admission.chains.get(key)
            if chain is None or not self._audience.may_see(link.node, chain):
                continue
            if key in link.offered and key not in truncated:
                if link.node == carrier:
                    link.grown[key] = position
                else:
                    link.advanced(position)
            else:
                fresh.append(position)
        if fresh:
            link.offer(fresh)

    def _pass_on(self, filled: Sequence[bytes], carrier: bytes | None) -> None:
        """Send events again whose body has come: who got them without, or asked for it in vain, still wants it."""
        rows = self._store.log.by_ids(filled).values()
        for link in self._links():
            if link.node == carrier or not link.session.is_open:
                continue
            offered = (row for row in rows if (row.epoch, row.stream) in link.offered)
            found = [self._store.sendable(row) for row in offered if self._may_see(link, row)]
            link.run_effects(link.session.send_events(found))

    def _withdraw_room(self, link: Link, members: str) -> None:
        """Stop a room at once where the peer was taken out of it, and show it why."""
        offered = {key for key in link.offered if key[1] == members}
        chains = [chain for key in offered if (chain := self._store.admission.chains.get(key))]
        if not chains or any(self._audience.may_see(link.node, chain) for chain in chains):
            return
        self._show_removal(link, members)
        link.withdraw(members)
        link.withdraw("room:" + members.removeprefix("members:"))

    def _reoffer_all(self) -> None:
        """Offer anew on all links, now or soon: who changes its rooms all day gets _SHARE of our time for it."""
        if self._reoffering is not None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._rested_at:
            self._reoffering = loop.call_at(self._rested_at, self._reoffer_now)
        else:
            self._reoffer_now()

    def _reoffer_now(self) -> None:
        loop = asyncio.get_running_loop()
        self._reoffering = None
        began = loop.time()
        for link in self._links():
            self.reoffer(link)
        self._rested_at = loop.time() + (loop.time() - began) / _SHARE

    def reoffer(self, link: Link) -> None:
        """After memberships, tiers, states or agreements changed: offer what became visible, withdraw what is not.

        Of a room that closes the peer's own chains stay visible: they alone are offered again.
        """
        visible = self._audience.visible(link.node)
        gone = link.offered - {(position.epoch, position.stream) for position in visible}
        for stream in sorted({stream for _, stream in gone}):
            link.withdraw(stream)
        fresh = [position for position in visible if (position.epoch, position.stream) not in link.offered]
        if fresh:
            link.offer(fresh)
        link.ask_unbarred()

    def _show_removal(self, link: Link, stream: str) -> None:
        """Show a node that is no longer a member how that came: the membership stream up to its removal."""
        room = self._store.admission.authority.rooms.get(bytes.fromhex(stream.removeprefix("members:")))
        if room is None or not link.session.is_open or not self._audience.is_agreed(link.node, streams.parse(stream)):
            return
        events = [
            event for event in self._store.admission.authority.controls.of_stream(stream) if event.node == room.host
        ]
        removals = [
            index
            for index, event in enumerate(events)
            if isinstance(event.body, MemberRemove) and event.body.node == link.node
        ]
        shown = events[: removals[-1] + 1] if removals else []
        rows = self._store.log.by_ids([event.id for event in shown])
        link.tell_writers([Position(event.epoch, stream, event.seq, event.id) for event in shown])
        link.run_effects(link.session.send_events([row.envelope.encode() for row in rows.values()]))

    # --- wants -------------------------------------------------------------------------------

    def answer(self, link: Link, ids: Sequence[bytes]) -> None:
        """Send wanted events that the peer may see; name the others missing, whether absent or forbidden."""
        rows = self._store.log.by_ids(ids)
        found: list[bytes] = []
        missing: list[bytes] = []
        size = 0
        for event_id in ids:
            row = rows.get(event_id)
            chain = self._store.admission.chains.get((row.epoch, row.stream)) if row else None
            if row is None or chain is None:
                missing.append(event_id)
                continue
            if not self._may_have(link, chain.node, row):
                self.on_forbidden(link.node, row)
                missing.append(event_id)
                continue
            data = self._store.sendable(row)
            size += len(data)
            if size > BATCH_BYTES_MAX:
                break
            found.append(data)
        if found:
            link.run_effects(link.session.send_events(found))
        if missing:
            link.control(Missing(tuple(missing)))

    def _may_have(self, link: Link, origin: bytes, row: Row) -> bool:
        return origin == link.node or self._may_see(link, row)

    def _may_see(self, link: Link, row: Row) -> bool:
        chain = self._store.admission.chains.get((row.epoch, row.stream))
        return chain is not None and self._audience.may_see(link.node, chain)


def proof_of(one: bytes, other: bytes) -> StoredProof:
    """Return the proof that two envelopes make; raises Malformed, TooLarge or NotCanonical."""
    return make_proof(parse_envelope(one), parse_envelope(other))
