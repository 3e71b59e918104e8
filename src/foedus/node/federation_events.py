"""The doors for events: pushed in through ingest, read out through the audience, page by page or as a stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from foedus.base.base64url import to_base64url
from foedus.base.cbor import frame, split_frames
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, HTTP_PAGE_MAX, MINUTE
from foedus.log.port import Row
from foedus.node.composition import Node
from foedus.node.fallback_doors import PRUNED_PAGE
from foedus.node.federation_access import Asking
from foedus.node.federation_values import (
    CURSOR_HEADER,
    EVENTS_TYPE,
    MORE_HEADER,
    PRUNED_TYPE,
    SSE_TYPE,
    BadBody,
    check_media_type,
    json_reply,
    number,
)
from foedus.node.ports import FederationResponse
from foedus.node.reports import Report
from foedus.node.visible import Viewer
from foedus.node.waiting import happens
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.events import Pruned
from foedus.trust.peer import State

OPENING = b"retry: 1000\n\n"
HEARTBEAT_S = 10.0
"""Silence on a stream: proxies cut a connection that is silent for 30 to 60 s."""
STREAMS_PER_PEER = 2
"""Streams of one peer: the one it reads, and the one that it has not noticed to be dead."""
TOLD_EVERY = MINUTE // 2
"""Between two words of one peer on what was pruned: each of its 128 checkpoints costs a check of ML-DSA-65."""
_STREAM_PAGE = 256


class TooOften(UsageError):
    """The peer tells the same again and again."""

    code = "rate_limited"
    http_status = 429
    remedy = "tell it again in half a minute"


class TooManyStreams(UsageError):
    """The peer has its streams already."""

    code = "too_many_streams"
    http_status = 429
    remedy = "close a stream first"


@dataclass
class Counts:
    """What passed these doors for one peer."""

    sent: int = 0
    received: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class EventDoors:
    """Takes and gives events."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._visible = node.visible
        self._counts: dict[bytes, Counts] = {}
        self._streams: Counter[bytes] = Counter()
        self._told_at: dict[bytes, Instant] = {}

    def counts(self, peer: bytes) -> Counts:
        """Return the counters of a connected peer since this node started."""
        return self._counts.setdefault(peer, Counts())

    def head(self, asking: Asking) -> str:
        """Return the cursor of the end of the log."""
        return self._visible.cursor(_viewer(asking), self._node.log.last_local)

    # --- in ----------------------------------------------------------------------------------

    async def post(self, asking: Asking) -> FederationResponse:
        """Take a batch through the one door in."""
        request = asking.request
        check_media_type(request, EVENTS_TYPE)
        if len(request.body) > BATCH_BYTES_MAX:
            raise BadBody(f"a batch has at most {BATCH_BYTES_MAX} bytes", code="too_large", http_status=413)
        envelopes = split_frames(request.body, BATCH_EVENTS_MAX)
        self._node.links.agreed_rates.check(asking.peer)
        report = await self._node.ingest.take(envelopes, carrier=asking.peer)
        self._node.links.agreed_rates.arrived(asking.peer, report.new)
        self._note(asking.peer, len(envelopes), report)
        await asyncio.sleep(self._node.rates.event_delay_s(asking.peer, len(envelopes)))
        return json_reply(200, {**_shown(report), "clock": self._node.store.now(), "head": self.head(asking)})

    async def post_pruned(self, asking: Asking) -> FederationResponse:
        """Take what the peer no longer holds: it pushes events that wait for those before them."""
        check_media_type(asking.request, PRUNED_TYPE)
        frames = [decode_frame(data) for data in split_frames(asking.request.body, PRUNED_PAGE)]
        told = [it for it in frames if isinstance(it, Pruned)]
        if len(told) < len(frames):
            raise BadBody("the body is not about what was pruned")
        now = self._node.store.now()
        self._told_at = {peer: at for peer, at in self._told_at.items() if at > now - TOLD_EVERY}
        if asking.peer in self._told_at:
            raise TooOften("what was pruned is told once in half a minute")
        self._told_at[asking.peer] = now
        for pruned in told:
            await self._node.pruned.take(asking.peer, pruned)
        return json_reply(200, {"taken": len(told)})

    def _note(self, peer: bytes, received: int, report: Report) -> None:
        counts = self.counts(peer)
        counts.received += received
        counts.rejected.update(rejection.reason for rejection in report.refused)
        self._node.peers.last_seen[peer] = self._node.store.now()
        if report.own:
            self._node.epochs.saw_own()

    # --- out ---------------------------------------------------------------------------------

    async def get(self, asking: Asking) -> FederationResponse:
        """Give a page of what the peer may see, in local order."""
        viewer, query = _viewer(asking), asking.request.query
        limit = number(asking.request, "limit", 100, HTTP_PAGE_MAX)
        page = self._visible.page(viewer, self._visible.start(viewer, query.get("since", "")), limit)
        self.counts(asking.peer).sent += len(page.rows)
        headers = {
            "content-type": EVENTS_TYPE,
            CURSOR_HEADER: self._visible.cursor(viewer, page.end),
            MORE_HEADER: "1" if page.more else "0",
        }
        return FederationResponse(status=200, headers=headers, body=b"".join(frame(data) for _, data in page.rows))

    async def pruned(self, asking: Asking) -> FederationResponse:
        """Give what chains that the peer may see no longer hold here, each with the checkpoint that vouches for it."""
        after = asking.request.query.get("after", "")
        found = self._visible.pruned(_viewer(asking), parse_id(after) if after else b"", PRUNED_PAGE + 1)
        headers = {"content-type": PRUNED_TYPE, MORE_HEADER: str(int(len(found) > PRUNED_PAGE))}
        body = b"".join(
            frame(encode_frame(Pruned(gap.epoch, gap.stream, gap.after, gap.checkpoint))) for gap in found[:PRUNED_PAGE]
        )
        return FederationResponse(status=200, headers=headers, body=body)

    async def stream(self, asking: Asking) -> FederationResponse:
        """Give what the peer may see, and go on with what comes."""
        viewer, request = _viewer(asking), asking.request
        since = request.headers.get("last-event-id") or request.query.get("since", "")
        start = self._visible.start(viewer, since)
        if self._streams[viewer.node] >= STREAMS_PER_PEER:
            raise TooManyStreams(f"a peer has at most {STREAMS_PER_PEER} streams")
        return FederationResponse(status=200, headers={"content-type": SSE_TYPE}, stream=self._chunks(viewer, start))

    async def _chunks(self, viewer: Viewer, start: int) -> AsyncIterator[bytes]:
        if self._streams[viewer.node] >= STREAMS_PER_PEER:  # many were let in before the first was read
            return
        grown = asyncio.Event()
        listeners = self._node.publisher.listeners
        listeners.append(listener := lambda _: grown.set())
        self._streams[viewer.node] += 1
        try:
            yield OPENING
            view, reached = self._visible.view(viewer), start
            while self._is_connected(viewer):
                grown.clear()
                if (now := self._visible.view(viewer)) != view:
                    view, reached = now, 0  # what it may see has changed: some of that lies before
                page = self._visible.page(viewer, reached, _STREAM_PAGE)
                reached = page.end
                if page.rows:
                    yield b"".join(self._message(viewer, row, data) for row, data in page.rows)
                elif not page.more and not await happens(grown, HEARTBEAT_S):
                    yield b": still here\nid: %b\n\n" % self._visible.cursor(viewer, reached).encode()
        finally:
            self._streams[viewer.node] -= 1
            listeners.remove(listener)

    def _is_connected(self, viewer: Viewer) -> bool:
        return self._node.peers.book.peer(viewer.node).state is State.CONNECTED

    def _message(self, viewer: Viewer, row: Row, data: bytes) -> bytes:
        self.counts(viewer.node).sent += 1
        cursor = self._visible.cursor(viewer, row.local).encode()
        return b"id: %b\ndata: %b\n\n" % (cursor, to_base64url(data).encode())


def _viewer(asking: Asking) -> Viewer:
    return Viewer(asking.peer, secure=asking.request.secure)


def _shown(report: Report) -> dict[str, Any]:
    """Return what became of a batch. What was put off (``missing_prev`` …) is to be sent again."""
    rejected = sorted([*report.refused, *report.deferred], key=lambda rejection: rejection.index)
    return {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "rejected": [{"index": it.index, "id": it.id.hex(), "reason": it.reason} for it in rejected],
        "want_records": [epoch.hex() for epoch in report.want_records],
    }
