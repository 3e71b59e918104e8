"""Nodes in this process, and the connected peers that they are given without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from foedus.adapters.sqlite_log import SqliteLog
from foedus.adapters.verifier_processes import VerifierProcesses
from foedus.base.cbor import split_frames
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.identity.record import SignedRecord
from foedus.log.port import Commit, Value
from foedus.node.composition import Node
from foedus.node.home import Home, create_home
from foedus.node.ingest import Pending
from foedus.node.parts import open_parts
from foedus.node.peers import PEERS
from foedus.node.preparing import Prepared
from foedus.trust.agreement import draft
from foedus.trust.peer import Peer, State, encode_peer
from foedus.trust.tiers import Tier

T = TypeVar("T")
IN_FLIGHT = 4
"""Batches between arrival and disk, as ``node.link`` keeps them."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the event loop that ``foedus up`` uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def make_home(
    folder: Path, name: str, friends: Sequence[SignedRecord] = (), signers: Mapping[bytes, Sequence[str]] | None = None
) -> Home:
    """Make a node that holds these identities and is connected with their nodes; ``signers``: node → its humans."""
    home = Home(folder / name)
    identity, _ = create_home(home, name)
    log = SqliteLog(home.database)
    named = signers or {}
    own = bytes.fromhex(identity.node)
    peers = [
        Value(PEERS, record.node, encode_peer(_connected(record, own, named.get(record.node, ()))))
        for record in friends
    ]
    log.commit(Commit(records=[(record.id, record.encode()) for record in friends], values=peers))
    log.close()
    return home


def _connected(record: SignedRecord, own: bytes, signers: Sequence[str]) -> Peer:
    """Return a peer as peering leaves it, but for the signatures, which are checked before."""
    return Peer(
        node=record.node,
        state=State.CONNECTED,
        tier=Tier.CORE,
        their_tier=Tier.CORE,
        name="peer",
        key=record.record.keys.ed25519,
        agreement=draft(record.node, own, signers, bytes(32)),
        own_signature=bytes(64),
        peer_signature=bytes(64),
    )


@asynccontextmanager
async def running(home: Home, *, warm: bool = False) -> AsyncIterator[Node]:
    """Run a node without a server. ``warm``: with its checking processes, as after some time under load."""
    verifiers = VerifierProcesses()
    node = Node(home, parts=lambda home: open_parts(home)._replace(verifiers=verifiers))
    try:
        if warm:
            verifiers.start()
            while not verifiers.pids():  # noqa: ASYNC110  # a benchmark may wait for a child by looking
                await asyncio.sleep(0.01)
        await node.start()
        yield node
    finally:
        await node.close()


async def feed(node: Node, batches: Sequence[bytes], carrier: bytes) -> int:
    """Take batches in as a link does: parse, check and commit overlap. Return how many events were admitted."""
    prepared: asyncio.Queue[Prepared | None] = asyncio.Queue(IN_FLIGHT)
    pending: asyncio.Queue[Pending | None] = asyncio.Queue(IN_FLIGHT)

    async def prepare() -> None:
        for batch in batches:
            await prepared.put(node.ingest.prepare(split_frames(batch, BATCH_EVENTS_MAX), carrier))
        await prepared.put(None)

    async def admit() -> None:
        while (item := await prepared.get()) is not None:
            await pending.put(await node.ingest.admit(item))
        await pending.put(None)

    async with asyncio.TaskGroup() as group:
        group.create_task(prepare())
        group.create_task(admit())
        accepted = 0
        while (item := await pending.get()) is not None:
            report = await node.ingest.finish(item)
            assert not report.refused, report.refused[0]
            assert not report.deferred, report.deferred[0]
            accepted += report.accepted
    return accepted
