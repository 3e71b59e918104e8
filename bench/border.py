"""What the grants of agents cost: ingest of acts under a known chain of two, beside the same acts of humans."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from bench.nodes import feed, make_home, run, running
from bench.options import Figures, Options
from bench.processor import cost_s
from bench.world import World
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import check_chain, issue_delegation, parse_delegation
from foedus.trust.border import SPEAK

_BATCHES = 16
_LINKS = 4
_COLD_ROUNDS = 200


async def _rounds(options: Options) -> Figures:
    humans, agents = World(), World(by_agents=True)
    ratios = []
    async with (
        running(_home(options.folder, "humans", humans), warm=True) as one,
        running(_home(options.folder, "agents", agents), warm=True) as other,
    ):
        pair = [(one, humans), (other, agents)]
        for node, world in pair:
            await feed(node, world.prelude, world.host.id)
            await feed(node, world.batches(_BATCHES), world.host.id)
        for number in range(options.size(12, 1)):
            turn = pair if number % 2 else pair[::-1]  # who comes second finds the machine warmer
            fed = [(node, world.batches(_BATCHES), world.host.id) for node, world in turn]
            cost = {id(node): await cost_s(node, batches, carrier) for node, batches, carrier in fed}
            ratios.append(cost[id(other)] / cost[id(one)])
        withheld = sum(count for clause, count in other.ingest.refusals.items() if clause.startswith("grant."))
        assert not withheld, other.ingest.refusals
    return {"border_cost_ratio": median(ratios)}


def _home(folder: Path, name: str, world: World) -> Path:
    return make_home(folder, name, [node.record for node in world.nodes], world.signers)


def _cold_chain() -> Figures:
    """Parse, check the signatures of, and judge a chain that was never seen."""
    keys = [Ed25519Key(bytes([number + 1]) * 32) for number in range(_LINKS + 1)]
    dids = [did_of(key.public) for key in keys]
    tokens = [
        issue_delegation(
            key, audience=dids[place + 1], subject=dids[0], command=SPEAK,
            policy=[["==", ".room", "harbour"]], nonce=bytes(12), expires=None,
        )
        for place, key in enumerate(keys[:-1])
    ]  # fmt: skip
    spent = []
    for _ in range(_COLD_ROUNDS):
        begun = time.perf_counter()
        check_chain(
            [parse_delegation(token) for token in tokens], issuer=dids[-1], subject=dids[0], command=SPEAK,
            arguments={"room": "harbour"}, now_s=time.time_ns() // 1_000 // SECOND, revoked=lambda _: False,
        )  # fmt: skip
        spent.append(time.perf_counter() - begun)
    return {"cold_chain_ms": median(spent) * 1_000}


def border(options: Options) -> Figures:
    return run(_rounds(options)) | _cold_chain()
