"""Search: questions of six words at a node that holds 10⁵ packets; and how fast the index follows the log."""

from __future__ import annotations

import random
import time

from bench.nodes import make_home, run, running
from bench.options import Figures, Options
from foedus.base.cbor import encode
from foedus.log import streams
from foedus.node.composition import Node

BATCH = 250
QUESTIONS = 200
_WORDS = 30_000
_PACKET_WORDS = 60
_ASKED_WORDS = 6


class Language:
    """Words that are as frequent as in a human language (Zipf), from a seed."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(self._random.choices(letters, k=self._random.randint(3, 9))) for _ in range(_WORDS)]
        total, self._weights = 0.0, []
        for rank in range(1, _WORDS + 1):
            total += 1 / rank
            self._weights.append(total)

    def say(self, count: int) -> str:
        """Return so many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=count))


async def _publish(node: Node, language: Language, packets: int) -> None:
    stream = streams.knowledge("bench")
    for _ in range(packets // BATCH):
        bodies = [
            encode(
                {
                    "type": "note",
                    "title": language.say(6),
                    "content": language.say(_PACKET_WORDS),
                    "data": None,
                    "confidence": 1_000_000,
                    "tags": [],
                    "dependencies": [],
                }
            )
            for _ in range(BATCH)
        ]
        await node.author.order([node.author.node_act(stream, "knowledge.publish", body) for body in bodies])


async def _search(options: Options) -> Figures:
    packets = options.size(100_000, 2_000)
    language = Language()
    async with running(make_home(options.folder, "search")) as node:
        await _publish(node, language, packets)
        await node.knowledge.indexer.caught_up()
        begun = time.perf_counter()
        node.knowledge.indexer.read_anew()
        await node.knowledge.indexer.caught_up()
        rebuilt = time.perf_counter() - begun
        taken = []
        for _ in range(QUESTIONS):
            question = language.say(_ASKED_WORDS)
            begun = time.perf_counter()
            found = await node.knowledge.search(question, 10)
            taken.append(time.perf_counter() - begun)
            assert found
    taken.sort()
    return {
        "index_per_s": packets / rebuilt,
        "search_p50_ms": taken[QUESTIONS // 2] * 1e3,
        "search_p95_ms": taken[QUESTIONS * 95 // 100] * 1e3,
    }


def search(options: Options) -> Figures:
    return run(_search(options))
