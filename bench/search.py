"""Search among 10⁵ packets: six words, and then a vector with them; and how fast the index follows the log."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.nodes import make_home, run, running
from bench.options import Figures, Options
from foedus.adapters.vector_indexes import load
from foedus.base.cbor import encode
from foedus.base.vectors import unit
from foedus.log import streams
from foedus.node.composition import Node
from foedus.query.port import Meaning

BATCH = 250
QUESTIONS = 200
_WORDS = 30_000
_PACKET_WORDS = 60
_ASKED_WORDS = 6
_DIMENSION, _TOPICS, _NOISE = 384, 60, 0.5
_VECTORS = 4_096


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
    packets = options.size(100_000, 500)
    language = Language()
    async with running(make_home(options.folder, "search")) as node:
        await _publish(node, language, packets)
        await node.knowledge.indexer.caught_up()
        begun = time.perf_counter()
        node.knowledge.indexer.read_anew()
        await node.knowledge.indexer.caught_up()
        rebuilt = time.perf_counter() - begun
        p50, p95 = await _asked(lambda: node.knowledge.search(language.say(_ASKED_WORDS), 10))
        topics = Topics()
        _embed(node, topics)

        def mean() -> Awaitable[list[Any]]:
            meaning = Meaning("bench", unit(topics.say(1)[0].tolist()))
            return node.knowledge.search(language.say(_ASKED_WORDS), 10, meaning=meaning)

        meaning_p50, meaning_p95 = await _asked(mean)
    return {
        "index_per_s": packets / rebuilt,
        "search_p50_ms": p50,
        "search_p95_ms": p95,
        "meaning_p50_ms": meaning_p50,
        "meaning_p95_ms": meaning_p95,
    }


class Topics:
    """Vectors around sixty topics, from a seed, as a model makes them of packets."""

    def __init__(self) -> None:
        self._numpy = load("numpy", "vectors")
        self._random = self._numpy.random.default_rng(7)
        self._topics = self._random.standard_normal((_TOPICS, _DIMENSION)) / _DIMENSION**0.5

    def say(self, count: int) -> Any:
        """Return so many vectors, as rows."""
        near = self._random.standard_normal((count, _DIMENSION)) * (_NOISE / _DIMENSION**0.5)
        return self._topics[self._random.integers(0, _TOPICS, count)] + near


def _embed(node: Node, topics: Topics) -> None:
    """Give every packet a vector, without a model: what is measured is finding them."""
    vectors = node.index.vectors
    vectors.use("bench", _DIMENSION)
    while page := vectors.awaiting(0, _VECTORS):
        rows = topics.say(len(page))
        vectors.put([(packet, unit(row.tolist())) for packet, row in zip(page, rows, strict=True)])


async def _asked(ask: Callable[[], Awaitable[list[Any]]]) -> tuple[float, float]:
    """Return the median and the 95th of a hundred of QUESTIONS, in ms."""
    taken = []
    for _ in range(QUESTIONS):
        begun = time.perf_counter()
        found = await ask()
        taken.append(time.perf_counter() - begun)
        assert found
    taken.sort()
    return taken[QUESTIONS // 2] * 1e3, taken[QUESTIONS * 95 // 100] * 1e3


def search(options: Options) -> Figures:
    return run(_search(options))
