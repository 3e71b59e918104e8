"""One peer without a link: read what it has for us, push what we have for it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from foedus.adapters.federation_client import Message, Query, Refused
from foedus.adapters.websocket_client import Unreachable
from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, encode, frame, split_frames
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, PeerViolation, Unavailable
from foedus.base.limits import BATCH_EVENTS_MAX, FRAME_EVENTS, HTTP_PAGE_MAX, MINUTE, SECOND
from foedus.log.port import Value
from foedus.node.fallback_doors import ROOT, PeerDoors
from foedus.node.fallback_talk import PeerTalk
from foedus.node.federation_values import CURSOR_HEADER, EVENTS_TYPE, MORE_HEADER
from foedus.node.visible import Viewer
from foedus.node.waiting import happens
from foedus.sync.backoff import Backoff

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.publisher import Published

log = logging.getLogger("foedus.fallback")

SPACE = "fallback"
POLL_FIRST_S = 1.0
POLL_MAX_S = 30.0
"""Between two looks: doubles while nothing comes."""
STREAM_AGAIN_S = 60.0
"""After a stream did not begin: what stands between refuses it, and will for a while."""
_FIRST_WORD_S = 10.0
_PAUSE_MAX = 60 * SECOND
_QUEUE_MAX = 2 * FRAME_EVENTS
_PATIENCE = 3
"""So often the same events are tried before those after them are looked at."""
_AGAIN_AFTER = 5 * MINUTE
"""Then everything is read once more, for what was left out: what is held, the other side drops."""
_PRUNED_EVERY = MINUTE
"""Between two questions what the other side no longer holds, while events wait for those before them."""
_CURSOR_MAX = 200
_PUT_OFF = frozenset({"missing_prev", "unknown_peer", "excessive_drift"})
_GONE = 410


_Queue: TypeAlias = "asyncio.Queue[Message | FoedusError]"


class PutOff(Unavailable):
    """Events could not be placed yet, here or there: they are tried again."""

    code = "put_off"


class _Reading:
    """A durable cursor; where events after it are put off, it waits for them, goes on, and begins again later."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        self._tries = 0
        self._again_at: Instant | None = None

    def put_off(self, now: Instant) -> None:
        """Raise PutOff to try again from the cursor; return where others shall not wait any longer."""
        self._tries += 1
        if self._tries < _PATIENCE:
            raise PutOff("events were put off")
        self._again_at = self._again_at or now + _AGAIN_AFTER

    def move(self, cursor: str, now: Instant) -> None:
        """Go on from ``cursor``, or from the start where it is time to look for what was left out."""
        self._tries = 0
        self.cursor = cursor
        if self._again_at is not None and now >= self._again_at:
            self.cursor, self._again_at = "", None


class PeerFallback:
    """Events are received (by SSE, else by pull) and pushed; questions and calls are talk. ``run`` until cancelled."""

    def __init__(self, node: Node, peer: bytes, urls: Callable[[], Sequence[str]]) -> None:
        self.kind: Literal["sse", "pull", "none"] = "none"
        self._node = node
        self._peer = peer
        self._doors = PeerDoors(node, peer, urls)
        stored: Any = node.log.values(SPACE).get(peer)
        cursors = decode(stored) if stored else {}
        self._pulled = _Reading(cursors.get("pull", ""))
        self._pushed = _Reading(cursors.get("push", ""))
        self._stream_at = 0
        self._pruned_at = self._told_at = 0
        self._grown = asyncio.Event()
        self._spoken = asyncio.Event()
        self._talk = PeerTalk(node, peer, self._doors, self._spoken.set)

    async def run(self) -> None:
        """Serve until cancelled; a mistake of ours is logged and ends this worker alone."""
        listeners = self._node.publisher.listeners
        listeners.append(self._published)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._for_ever(self._receive))
                group.create_task(self._for_ever(self._push))
                group.create_task(self._for_ever(self._talk.listen))
                group.create_task(self._for_ever(self._talk.speak))
        except ExceptionGroup:
            log.exception("fallback with %s failed", self._peer.hex())
        finally:
            self.kind = "none"
            listeners.remove(self._published)

    def _published(self, published: Published) -> None:
        if published.rows:
            self._grown.set()

    async def _for_ever(self, work: Callable[[], Any]) -> None:
        """Do it again and again; after each failure wait longer."""
        backoff = Backoff(maximum=_PAUSE_MAX)
        while True:
            try:
                await work()
                backoff.reset()
            except FoedusError as error:
                log.info("%s with %s: %s: %s", work.__name__, self._peer.hex(), error.code, error)
                self._begin_again(error)
                await asyncio.sleep(backoff.next(random.random()) / SECOND)  # noqa: S311  # jitter, not a secret

    def _begin_again(self, error: FoedusError) -> None:
        """Drop our cursor where the peer's store is another one now."""
        if error.http_status == _GONE:
            self._pulled.cursor = ""

    async def _keep(self) -> None:
        """Store both cursors."""
        cursors = {"pull": self._pulled.cursor, "push": self._pushed.cursor}
        await self._node.store.put(Value(SPACE, self._peer, encode(cursors)))

    # --- in ----------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Follow the stream while it flows, else pull until it is time to try the stream again."""
        if self._node.store.now() >= self._stream_at:
            try:
                await self._follow()
            except FoedusError as error:
                if self.kind != "sse" and error.http_status != _GONE:
                    self._stream_at = self._node.store.now() + int(STREAM_AGAIN_S * SECOND)
                self._begin_again(error)
                log.info("stream of %s: %s: %s", self._peer.hex(), error.code, error)
            self.kind = "none"
        await self._pull()

    async def _follow(self) -> None:
        """Take what the stream brings, in the batches in which it comes; raise what ends it."""
        queue: _Queue = asyncio.Queue(_QUEUE_MAX)
        reader = asyncio.create_task(self._read(queue))
        try:
            item: Message | FoedusError = await _first(queue)
            self.kind = "sse"
            while True:
                await self._take_messages([item, *_waiting(queue)])
                item = await queue.get()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, queue: _Queue) -> None:
        try:
            async with aclosing(self._doors.stream(self._pulled.cursor)) as messages:  # type: ignore[type-var]
                async for message in messages:
                    await queue.put(message)
            await queue.put(Unreachable("the stream ended"))
        except FoedusError as error:
            await queue.put(error)

    async def _take_messages(self, items: Sequence[Message | FoedusError]) -> None:
        messages = [item for item in items if isinstance(item, Message)]
        if messages:
            envelopes = [from_base64url(message.data) for message in messages if message.data]
            await self._take(envelopes, _cursor(messages[-1].cursor or self._pulled.cursor))
        for item in items:
            if isinstance(item, FoedusError):
                raise item

    async def _pull(self) -> None:
        """Ask for pages until there are none, then again after a pause that grows."""
        wait_s = POLL_FIRST_S
        while self._node.store.now() < self._stream_at or self.kind != "pull":
            parameters = {"limit": str(HTTP_PAGE_MAX)}
            if self._pulled.cursor:
                parameters["since"] = self._pulled.cursor
            answer = await self._doors.call(Query("GET", f"{ROOT}/events", parameters))
            self.kind = "pull"
            envelopes = split_frames(answer.body, BATCH_EVENTS_MAX)
            if not (cursor := _cursor(answer.headers.get(CURSOR_HEADER, ""))):
                raise PeerViolation("the other node gave no cursor")
            await self._take(envelopes, cursor)
            if answer.headers.get(MORE_HEADER) != "1":
                wait_s = POLL_FIRST_S if envelopes else min(2 * wait_s, POLL_MAX_S)
                self._spoken.clear()
                await happens(self._spoken, wait_s)  # what it asks may stand on events that it wrote just before

    async def _take(self, envelopes: Sequence[bytes], cursor: str) -> None:
        """Bring a batch through the one door in; the cursor moves once it is durable."""
        self._node.peers.last_seen[self._peer] = self._node.store.now()
        if envelopes:
            report = await self._node.ingest.take(envelopes, carrier=self._peer)
            await asyncio.sleep(self._node.links.agreed_rates.arrived(self._peer, report.new))
            if report.own:
                self._node.epochs.saw_own()
            if report.want_records:
                await self._doors.learn_writers(report.want_records)
                report = await self._node.ingest.take(envelopes, carrier=self._peer)
            if any(it.reason == "missing_prev" for it in report.deferred) and self._node.store.now() >= self._pruned_at:
                self._pruned_at = self._node.store.now() + _PRUNED_EVERY
                with suppress(Refused):  # an older node has no such door
                    await self._doors.learn_pruned()
            if report.deferred:
                self._pulled.put_off(self._node.store.now())
        if cursor != self._pulled.cursor:
            self._pulled.move(cursor, self._node.store.now())
            if envelopes:
                await self._keep()

    # --- out ---------------------------------------------------------------------------------

    async def _push(self) -> None:
        """Send what this node wrote and the peer may see, then wait for more."""
        viewer, visible = Viewer(self._peer, own_only=True), self._node.visible
        self._grown.clear()
        rates = self._node.links.agreed_rates
        left = rates.left(self._peer)
        if left == 0:
            await asyncio.sleep(rates.wait_s(self._peer))
            return
        page = visible.page(
            viewer, visible.start(viewer, self._pushed.cursor), min(BATCH_EVENTS_MAX, left or BATCH_EVENTS_MAX)
        )
        if page.rows:
            body = b"".join(frame(data) for _, data in page.rows)
            answer = await self._doors.call(Query("POST", f"{ROOT}/events", body=body, media_type=EVENTS_TYPE))
            rates.sent(self._peer, sum(rates.is_ours((row.epoch, row.stream)) for row, _ in page.rows))
            reasons = _reasons(answer.body)
            if "missing_prev" in reasons and self._node.store.now() >= self._told_at:
                self._told_at = self._node.store.now() + _PRUNED_EVERY
                with suppress(Refused):  # an older node has no such door
                    await self._doors.tell_pruned()
            if reasons & _PUT_OFF:
                self._pushed.put_off(self._node.store.now())
        self._pushed.move(visible.cursor(viewer, page.end), self._node.store.now())
        if page.rows:
            await self._keep()
        if not page.more:
            await happens(self._grown, POLL_MAX_S)


class _Rejection(msgspec.Struct):
    reason: str


class _Pushed(msgspec.Struct):
    rejected: list[_Rejection]


def _cursor(text: str) -> str:
    """Return a cursor of the other side, which is opaque, within bounds."""
    if len(text) > _CURSOR_MAX or not text.isprintable():
        raise PeerViolation("the other node gave a cursor that is none")
    return text


def _reasons(body: bytes) -> set[str]:
    """Return why events were not taken by the other side."""
    try:
        return {rejection.reason for rejection in msgspec.json.decode(body, type=_Pushed).rejected}
    except (msgspec.DecodeError, RecursionError):
        raise PeerViolation("the answer to a push is not as described") from None


async def _first(queue: _Queue) -> Message:
    """Return the stream's first word; raise what came instead. A proxy that holds back answers gives none."""
    try:
        async with asyncio.timeout(_FIRST_WORD_S):
            first = await queue.get()
    except TimeoutError:
        raise Unreachable("the stream says nothing: something between holds it back") from None
    if isinstance(first, FoedusError):
        raise first
    return first


def _waiting(queue: _Queue) -> list[Message | FoedusError]:
    """Return what has come meanwhile, up to one batch."""
    found: list[Message | FoedusError] = []
    while len(found) < FRAME_EVENTS and not queue.empty():
        found.append(queue.get_nowait())
    return found
