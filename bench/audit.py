"""What audit rows and receipts cost: the same border acts into a node with them and into one without."""

from __future__ import annotations

from statistics import median

from bench.nodes import feed, make_home, run, running
from bench.options import Figures, Options
from bench.processor import cost_s
from bench.world import World
from foedus.base.limits import FRAME_EVENTS
from foedus.node.composition import Node

_BATCHES = 48
"""More than a second of ingest: rows and receipts are written once a second, as under lasting load."""
_ROUNDS = 12


def _without(node: Node) -> Node:
    """Let a node decide as ever, and neither note it nor acknowledge anything."""
    node.publisher.bookkeepers.remove(node.audited.published)
    node.publisher.bookkeepers.remove(node.receipts.published)
    node.ingest.on_finished = lambda _carrier, _report: None
    node.ingest.on_crossed = lambda _id, _node: None
    node.crossings.grants_count = lambda _node: True
    return node


async def _rounds(options: Options) -> Figures:
    world = World(by_agents=True)
    friends = [node.record for node in world.nodes]
    ratios, audited_s = [], 0.0
    count, rounds = options.size(_BATCHES, 4), options.size(_ROUNDS, 1)
    async with (
        running(make_home(options.folder, "with", friends, world.signers), warm=True) as one,
        running(make_home(options.folder, "without", friends, world.signers), warm=True) as other,
    ):
        pair = [one, _without(other)]
        for batches in (world.prelude, world.batches(8)):
            for node in pair:
                await feed(node, batches, world.host.id)
        for number in range(rounds):
            batches = world.batches(count)
            turn = pair if number % 2 else pair[::-1]
            cost = {id(node): await cost_s(node, batches, world.host.id) for node in turn}
            ratios.append(cost[id(one)] / cost[id(other)])
            audited_s += cost[id(one)]
        assert one.audit.head.rows, "nothing was audited"
    events = rounds * count * FRAME_EVENTS
    return {"audit_cost_ratio": median(ratios), "border_act_cost_us": audited_s / events * 1e6}


def audit(options: Options) -> Figures:
    return run(_rounds(options))
