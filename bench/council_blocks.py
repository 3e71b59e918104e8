"""Councils of 4, 7 and 10 nodes in one process, without links: what a block costs as members grow.

Keys, checks, logs and disks are real, each member's own; links and processes are not there, and an update that all
members hear of is read once for all. So this compares sizes; ``bench.council`` says how fast real nodes are.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from bench.council_updates import Author
from bench.nodes import run
from bench.options import Figures, Options
from bench.processor import spent_s
from foedus.consensus.founding import Founding
from foedus.consensus.membership import INTERVAL, Member
from foedus.consensus.messages import Signed
from foedus.consensus.updates import read_update
from foedus.crypto.mldsa import MlDsaKey, verify
from foedus.log.port import Commit, Value
from foedus.node.composition import Node
from foedus.node.council_checking import CouncilChecking
from foedus.node.council_founding import SPACE
from foedus.node.council_messages import Founded, write
from foedus.node.home import Home, create_home
from foedus.node.link import Link
from foedus.sync.frames.members import CouncilSays

_SIZES = (4, 7, 10)
_BATCH = 100
_SEALS = 100


class _Wire:
    """Brings what members say to each other in the next turn of the loop, and counts it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.messages = 0
        self._nodes = {node.store.node: node for node in nodes}
        for node in nodes:
            node.councils.carrier.send = partial(self._send, _Sender(node.store.node))  # type: ignore[method-assign]

    def _send(self, sender: _Sender, to: bytes, council: bytes, data: bytes) -> None:
        self.messages += 1
        frame = CouncilSays(council, data)
        asyncio.get_running_loop().call_soon(self._nodes[to].councils.frame, cast("Link", sender), frame)


class _Sender:
    """In place of a link."""

    def __init__(self, node: bytes) -> None:
        self.node = node

    def close(self, *why: Any) -> None:
        raise AssertionError(why)


def _hold(nodes: Sequence[Node]) -> bytes:
    """Let all nodes know each other and a council that all have signed; return its id."""
    ordered = sorted(nodes, key=lambda node: node.store.node)
    members = tuple(Member(node.store.node, node.store.keys.ed25519.public) for node in ordered)
    founding = Founding(1, "board", secrets.token_bytes(32), members)
    signed = [Signed(index, it.store.keys.ed25519.sign(founding.signed())) for index, it in enumerate(ordered)]
    held = Value(SPACE, founding.id, write(Founded(founding, tuple(signed))))
    records = [(node.store.record.id, node.store.record.encode()) for node in nodes]
    for node in nodes:
        node.store.log.commit(Commit(records=records, values=[held]))
    return founding.id


@asynccontextmanager
async def _council(folder: Path, size: int) -> AsyncIterator[tuple[list[Node], _Wire, bytes]]:
    nodes = []
    for number in range(size):
        home = Home(folder / f"{size}-{number}")
        create_home(home, f"n{number}")
        nodes.append(Node(home))
    council, wire = _hold(nodes), _Wire(nodes)
    try:
        for node in nodes:
            await node.start()
        while not all(node.councils.has_begun(council) for node in nodes):  # noqa: ASYNC110  # a benchmark may look
            await asyncio.sleep(0.01)
        for node in nodes:
            node.councils.seat(council).may = lambda _membership, _update: True  # its author is nobody's participant
        yield nodes, wire, council
    finally:
        for node in nodes:
            await node.close()


async def _cost(folder: Path, size: int, options: Options) -> Figures:
    figures: Figures = {}
    async with _council(folder, size) as (nodes, wire, council):
        driver, author, checked = nodes[0].councils.seat(council).live, Author(), Counter[str]()
        find_new = CouncilChecking._new  # noqa: SLF001  # counted here, and nowhere else wanted

        def counted(checking: CouncilChecking, checks: Sequence[Any]) -> dict[Any, Any]:
            new = find_new(checking, checks)
            checked["signatures"] += len(new)
            return new

        CouncilChecking._new = counted  # type: ignore[method-assign]  # noqa: SLF001
        for per_block, blocks in ((1, options.size(100, 4)), (_BATCH, options.size(40, 2))):
            work = [[read_update(author.update(council, n, 900)) for n in range(per_block)] for _ in range(blocks)]
            wire.messages = checked["signatures"] = 0
            begun, spent = driver.replica.ledger.sequence, spent_s()
            for updates in work:
                await asyncio.gather(*driver.propose_all(updates))
            made = driver.replica.ledger.sequence - begun
            name = f"council_n{size}_{'single' if per_block == 1 else 'batch'}"
            figures[f"{name}_block_ms"] = (spent_s() - spent) * 1_000 / made
            figures[f"{name}_messages"] = wire.messages / made
            figures[f"{name}_signatures"] = checked["signatures"] / made
        CouncilChecking._new = find_new  # type: ignore[method-assign]  # noqa: SLF001
    return figures


def _seal_ms(size: int) -> float:
    """Return what seals cost one member for each block: its own, and those of others up to a quorum."""
    key, signed = MlDsaKey(bytes(32)), secrets.token_bytes(200)
    seal, others = key.sign(signed), (size + (size - 1) // 3) // 2
    begun = spent_s()
    for _ in range(_SEALS):
        key.sign(signed)
        for _ in range(others):
            verify(key.public, signed, seal)
    return (spent_s() - begun) * 1_000 / _SEALS / INTERVAL


def council_blocks(options: Options) -> Figures:
    figures: Figures = {}
    for size in _SIZES:
        figures |= run(_cost(options.folder, size, options))
        figures[f"council_n{size}_seal_block_ms"] = _seal_ms(size)
    ratio = figures["council_n10_single_block_ms"] / figures["council_n4_single_block_ms"]
    return figures | {"council_growth_of_square": ratio / (_SIZES[-1] / _SIZES[0]) ** 2}
