"""A node that is killed while it publishes and indexes finds all that it acknowledged, and nothing that was erased."""

import random
import threading
import time

import pytest

from foedus.base.errors import Unavailable
from foedus.surfaces.demo.processes import eventually
from foedus.values.knowledge import KnowledgePlaced, PacketView
from foedus.values.node import Placed
from tests.processes.nodes import add_agent, node_processes

PACKETS = 600
BATCH = 20
KILLS = 3
WITHIN_S = 60.0


def forms(first, author):
    return [
        {"kind": "knowledge.publish", "domain": "lab", "as": author, "title": f"hive w{number}w"}
        for number in range(first, first + BATCH)
    ]


class Publisher(threading.Thread):
    """Publishes PACKETS packets; what was not acknowledged is published again."""

    def __init__(self, node, author):
        super().__init__(daemon=True)
        self.node, self.author, self.acknowledged = node, author, {}

    def run(self):
        end = time.monotonic() + WITHIN_S
        while len(self.acknowledged) < PACKETS and time.monotonic() < end:
            first = len(self.acknowledged)
            try:
                placed = self.node.client.post(
                    "/knowledge/acts:batch", list[KnowledgePlaced], forms(first, self.author)
                )
            except Unavailable:
                time.sleep(0.02)
                continue
            self.acknowledged |= {first + place: one.id for place, one in enumerate(placed)}


def found(node, words, limit=10):
    return node.client.get("/knowledge/search", list[PacketView], {"q": words, "limit": limit})


@pytest.mark.slow
def test_after_a_kill_all_that_was_acknowledged_is_found_and_nothing_erased(tmp_path):
    rng = random.Random(4)
    with node_processes(tmp_path, "north") as [node]:
        author = add_agent(node, "bot").did
        publisher = Publisher(node, author)
        publisher.start()
        for _ in range(KILLS):
            before = len(publisher.acknowledged)
            eventually("it publishes", lambda before=before: len(publisher.acknowledged) > before, WITHIN_S)
            time.sleep(rng.uniform(0, 0.2))  # at any place in a commit: that is what is tested
            node.kill()
            node.start()
        publisher.join(WITHIN_S)
        assert len(publisher.acknowledged) == PACKETS
        erased = publisher.acknowledged.pop(7)
        node.client.post(f"/events/{erased}/erase", Placed, {"reason": "author"})
        node.kill()
        node.start()
        for number, event in publisher.acknowledged.items():
            assert event in {view.id for view in found(node, f"w{number}w")}
        assert erased not in {view.id for view in found(node, "w7w")}
