"""Recall@5 of the search on 200 labelled packets: by words, by meaning with the local model, and by both fused.

To each packet there are three questions: one that names the thing, one as somebody asks who does not know its name, and
one with hardly a word of the packet.

``python -m bench.recall``; it needs the extra ``local-embedding``. The table in docs/knowledge.md is its output.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.nodes import make_home, run, running
from foedus.base.cbor import encode
from foedus.log import streams
from foedus.node.composition import Node
from foedus.state.knowledge.port import terms_of

LABELLED = Path(__file__).parents[1] / "tests" / "bench" / "labelled" / "knowledge.jsonl"
FOUND = 5


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A packet, and three questions that it answers.

    ``named`` says what the thing is called; ``question`` describes it in the words that come to mind, some of which the
    packet has; ``paraphrase`` has hardly a word of the packet.
    """

    title: str
    content: str
    named: str
    question: str
    paraphrase: str


class Recall(NamedTuple):
    """Of all questions, the part (0 to 1) whose packet is among the first five."""

    words: float
    meaning: float
    fused: float


def labelled() -> list[Labelled]:
    """Return the labelled pairs."""
    return msgspec.json.Decoder(Labelled).decode_lines(LABELLED.read_bytes())


async def _publish(node: Node, pairs: list[Labelled]) -> list[bytes]:
    rest = {"type": "note", "data": None, "confidence": 1_000_000, "tags": [], "dependencies": []}
    bodies = [encode(rest | {"title": pair.title, "content": pair.content}) for pair in pairs]
    stream = streams.knowledge("labelled")
    rows = await node.author.order([node.author.node_act(stream, "knowledge.publish", body) for body in bodies])
    return [row.id for row in rows]


async def recall(node: Node) -> dict[str, Recall]:
    """Measure at a node that has an embedder; return by kind of question."""
    pairs = labelled()
    packets = await _publish(node, pairs)
    await node.knowledge.indexer.caught_up()
    while node.embedding.held().awaiting:  # noqa: ASYNC110  # its task tells nobody when it is done
        await asyncio.sleep(0.1)
    kinds = {kind: [getattr(pair, kind) for pair in pairs] for kind in ("named", "question", "paraphrase")}
    return {kind: await _found(node, asked, packets) for kind, asked in kinds.items()}


async def _found(node: Node, asked: list[str], packets: list[bytes]) -> Recall:
    hits = [0, 0, 0]
    for question, packet in zip(asked, packets, strict=True):
        words = node.index.search(terms_of(question), "", FOUND)
        near = await node.embedding.nearest(question, "")
        fused = await node.knowledge.search(question, FOUND)
        found = (
            [hit.subject for hit in words],
            [hit.subject for hit in near[:FOUND]],
            [ranked.packet.id for ranked in fused],
        )
        hits = [count + (packet in each) for count, each in zip(hits, found, strict=True)]
    return Recall(*(count / len(asked) for count in hits))


async def _measure(folder: Path) -> dict[str, Recall]:
    home = make_home(folder, "recall")
    home.policy_path.write_text('[knowledge]\nembedder = "local"\n')
    async with running(home) as node:
        return await recall(node)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as folder:
        found = run(_measure(Path(folder)))
    print("| search | by its name | as people ask | in other words |\n|---|---|---|---|")
    for name in Recall._fields:
        print(f"| {name} | " + " | ".join(f"{getattr(each, name):.3f}" for each in found.values()) + " |")


if __name__ == "__main__":
    main()
