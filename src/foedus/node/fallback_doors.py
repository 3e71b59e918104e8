"""The HTTP doors of a connected peer, as a node calls them: identities that moved on are made known on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from foedus.adapters.federation_client import Answer, BadHttpSignature, Door, Message, Query, Refused
from foedus.adapters.websocket_client import Unreachable
from foedus.base.cbor import frame, split_frames
from foedus.base.errors import PeerViolation, Unavailable
from foedus.base.limits import RECORDS_MAX
from foedus.identity.manifest import read_manifest
from foedus.identity.record import parse_signed_record
from foedus.log.streams import chain_id
from foedus.node.federation_values import MORE_HEADER, PRUNED_TYPE, RECORDS_TYPE
from foedus.node.visible import Viewer
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.events import Pruned

if TYPE_CHECKING:
    from foedus.node.composition import Node

ROOT = "/api/federation"
PRUNED_PAGE = 128
"""Chains of which one answer says that they begin later: half a MiB, nearly all of it signatures."""
_UNAUTHORIZED = 401
_WRITERS_AT_ONCE = 16
"""Nodes whose records are fetched for one batch: rooms have few new ones at a time."""


class PeerDoors:
    """One peer's doors; ``urls`` is asked each time, and the next is tried where one does not answer."""

    def __init__(self, node: Node, peer: bytes, urls: Callable[[], Sequence[str]]) -> None:
        self._node = node
        self._peer = peer
        self._urls = urls
        self._turn = 0
        self._told_after = b""

    def _door(self) -> Door:
        urls = self._urls()
        if not urls:
            raise Unavailable("the peer has no address that HTTP may use", code="no_address")
        return Door(urls[self._turn % len(urls)], self._peer)

    async def call(self, query: Query) -> Answer:
        """Ask; where one side does not know the other's epoch, introduce it and ask once more."""
        door = self._door()
        try:
            return await self._node.client.call(door, query)
        except Unreachable:
            self._turn += 1
            raise
        except BadHttpSignature:
            await self._meet(door)
        except Refused as error:
            if error.http_status != _UNAUTHORIZED:
                raise
            await self._introduce(door)
        return await self._node.client.call(door, query)

    def stream(self, since: str) -> AsyncIterator[Message]:
        """Yield the peer's events from a cursor on; see ``FederationClient.stream``."""
        query = Query("GET", f"{ROOT}/stream", {"since": since} if since else {})
        return self._node.client.stream(self._door(), query)

    async def learn_writers(self, epochs: Iterable[bytes]) -> None:
        """Fetch the identity records of writers that we do not know."""
        for epoch in islice(epochs, _WRITERS_AT_ONCE):
            with suppress(Refused):  # it may not be for us after all: its events then wait, as on a link
                answer = await self.call(Query("GET", f"{ROOT}/records", {"epoch": epoch.hex()}))
                records = [parse_signed_record(data) for data in split_frames(answer.body, RECORDS_MAX)]
                await self._node.records.learn(records, carrier=self._peer)

    async def learn_pruned(self) -> None:
        """Ask what the peer no longer holds, and take chains up where its checkpoints let them begin."""
        after, more = b"", "1"
        while more == "1":
            answer = await self.call(Query("GET", f"{ROOT}/pruned", {"after": after.hex()} if after else {}))
            for data in split_frames(answer.body, PRUNED_PAGE):
                pruned = decode_frame(data)
                if not isinstance(pruned, Pruned) or (named := chain_id(pruned.epoch, pruned.stream)) <= after:
                    raise PeerViolation("the answer is not about what was pruned, or not in its order")
                after = named
                await self._node.pruned.take(self._peer, pruned)
            more = answer.headers.get(MORE_HEADER, "") if answer.body else ""

    async def tell_pruned(self) -> None:
        """Tell the peer what this node no longer holds: of a page of its chains in each call."""
        found = self._node.visible.pruned(Viewer(self._peer, own_only=True), self._told_after, PRUNED_PAGE)
        self._told_after = chain_id(found[-1].epoch, found[-1].stream) if len(found) == PRUNED_PAGE else b""
        frames = (encode_frame(Pruned(gap.epoch, gap.stream, gap.after, gap.checkpoint)) for gap in found)
        if body := b"".join(map(frame, frames)):
            await self.call(Query("POST", f"{ROOT}/pruned", body=body, media_type=PRUNED_TYPE))

    async def _introduce(self, door: Door) -> None:
        """Bring our own records: the peer may not know our newest epoch."""
        store = self._node.store
        body = b"".join(frame(record.encode()) for record in store.identities.history(store.node))
        await self._node.client.call(door, Query("POST", f"{ROOT}/records", body=body, media_type=RECORDS_TYPE))

    async def _meet(self, door: Door) -> None:
        """Learn the peer's newest epoch from its manifest, which proves itself."""
        data = await self._node.client.manifest(door.url)
        signed = await asyncio.to_thread(read_manifest, data)
        if signed.manifest.node == self._peer:
            await self._node.records.learn(signed.records, carrier=self._peer)
