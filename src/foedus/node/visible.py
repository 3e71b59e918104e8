"""The log as one peer may see it, in local order: what the HTTP doors answer, and what fallback pushes.

A cursor is ``store id . local number . view``. The view is a digest of what decides which streams the peer may see:
its tier, its agreement, its rooms, who else is in them. Where that has changed since the cursor was given, events with
lower local numbers may have become visible, and reading begins again from the start: what is sent twice, the other
side drops.
"""

from __future__ import annotations

from typing import NamedTuple

from foedus.base.cbor import encode
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.base.limits import BATCH_BYTES_MAX
from foedus.log import streams
from foedus.log.chains import Chain
from foedus.log.port import Gap, Row
from foedus.node.audience import Audience
from foedus.node.store import Store
from foedus.trust.peering import Peering

PUBLIC_KINDS = frozenset({"node", "participant"})
"""Streams that all accepted peers may hold: they may travel where others can listen."""
_READ = 500
_SCAN_MAX = 4_000
"""Rows read for one page: what the peer may not see is passed over, and that may be nearly all."""
_VIEW_HEX = 16
_LOCAL_DIGITS_MAX = 18
_FRAME_BYTES = 4


class Viewer(NamedTuple):
    """Who reads. ``secure``: nobody can listen on the way. ``own_only``: just what this node wrote itself."""

    node: bytes
    secure: bool = True
    own_only: bool = False


class Page(NamedTuple):
    """Visible rows with their envelopes; ``end``: read on from here; ``more``: at once, the log goes on."""

    rows: list[tuple[Row, bytes]]
    end: int
    more: bool


class VisibleLog:
    """Reads the log for peers. Whether the peer may ask at all, the caller has judged."""

    def __init__(self, store: Store, audience: Audience, book: Peering) -> None:
        self._store = store
        self._audience = audience
        self._book = book

    def cursor(self, viewer: Viewer, local: int) -> str:
        """Return the cursor after a local number."""
        return f"{self._store.log.store_id.hex()}.{local}.{self.view(viewer)}"

    def start(self, viewer: Viewer, cursor: str) -> int:
        """Return the local number to read after ('' from the start); 410 for another store's cursor."""
        if not cursor:
            return 0
        store_id, _, rest = cursor.partition(".")
        local, _, view = rest.partition(".")
        if not (local.isascii() and local.isdecimal()) or len(local) > _LOCAL_DIGITS_MAX or len(view) != _VIEW_HEX:
            raise UsageError("that is not a cursor", code="bad_cursor", remedy="take it from an earlier answer")
        if store_id != self._store.log.store_id.hex():
            raise UsageError(
                "the cursor is of another store",
                code="foreign_cursor",
                http_status=410,
                remedy="begin again without a cursor",
            )
        return int(local) if view == self.view(viewer) else 0

    def view(self, viewer: Viewer) -> str:
        """Return the digest of what decides which streams the viewer may see."""
        peer = self._book.peer(viewer.node)
        rooms = sorted(self._audience.rooms_of(viewer.node))
        held = self._store.admission.authority.rooms
        writers: set[bytes] = set()
        for room in rooms:
            writers |= held[bytes.fromhex(room)].ever_present()
        writers |= self._store.admission.chains.knowing
        tiers = {node: self._audience.tier(node) for node in writers}
        facts = [
            [peer.tier.value, peer.is_paused, viewer.secure, *self._audience.agreed(viewer.node)],
            rooms,
            [[node, tier.value if tier else ""] for node, tier in sorted(tiers.items())],
        ]
        return sha256(encode(facts)).hex()[:_VIEW_HEX]

    def may_go(self, viewer: Viewer, chain: Chain | None) -> bool:
        """Whether a chain may be sent to the viewer on this way."""
        if chain is None or (viewer.own_only and chain.node != self._store.node):
            return False
        return (viewer.secure or chain.kind in PUBLIC_KINDS) and self._audience.may_see(viewer.node, chain)

    def envelope(self, viewer: Viewer, row: Row) -> bytes | None:
        """Return the envelope of a row that the viewer may see, else None."""
        chain = self._store.admission.chains.get((row.epoch, row.stream))
        return self._store.sendable(row) if self.may_go(viewer, chain) else None

    def pruned(self, viewer: Viewer, after: bytes, limit: int) -> list[Gap]:
        """Return the last gap of each chain that the viewer may see, in the order of chain ids from ``after`` on."""
        admission = self._store.admission
        found = {}
        for chain in admission.chains:
            gaps = admission.gaps.of(chain.key) if chain.kind == "room" else []
            if gaps and (chain_id := streams.chain_id(*chain.key)) > after and self.may_go(viewer, chain):
                found[chain_id] = gaps[-1]
        return [found[chain_id] for chain_id in sorted(found)[:limit]]

    def page(self, viewer: Viewer, after: int, limit: int) -> Page:
        """Return the visible rows after a local number: at most ``limit``, and what one batch may hold."""
        rows: list[tuple[Row, bytes]] = []
        size, end, scanned = 0, after, 0
        while True:
            found = self._store.log.since(end, _READ)
            for row in found:
                data = self.envelope(viewer, row)
                if data is not None:
                    size += len(data) + _FRAME_BYTES
                    if len(rows) == limit or size > BATCH_BYTES_MAX:
                        return Page(rows, end, more=True)
                    rows.append((row, data))
                end = row.local
            scanned += len(found)
            if len(found) < _READ or scanned >= _SCAN_MAX:
                return Page(rows, end, more=len(found) == _READ)
