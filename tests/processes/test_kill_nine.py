"""Two real nodes exchange 10,000 events while one is killed with `kill -9` five times, at random."""

import os
import random
import threading
import time

import pytest

from foedus.base.errors import Unavailable
from foedus.surfaces.demo.processes import eventually
from tests.processes.nodes import (
    assert_verifies,
    connect,
    ids_on_disk,
    node_processes,
    say,
    shared_room,
    status,
    trusted_agent,
)

EVENTS_EACH = 5_000
BATCH = 50
KILLS = 5
WITHIN_S = 120.0


class Speaker(threading.Thread):
    """Says EVENTS_EACH messages in batches, and remembers every id that was acknowledged.

    A batch whose acknowledgement was lost with the node is said again: it may stand in the log twice, under two ids.
    """

    def __init__(self, node, room, agent):
        super().__init__(daemon=True)
        self.node, self.room, self.agent = node, room, agent
        self.acknowledged = []
        self.failure = None

    def run(self):
        try:
            while len(self.acknowledged) < EVENTS_EACH:
                first = len(self.acknowledged)
                self._say([f"{self.agent} {number}" for number in range(first, first + BATCH)])
        except Exception as error:
            self.failure = error
            raise

    def _say(self, texts):
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                self.acknowledged += say(self.node, self.room, self.agent, *texts)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


def kill_at_random(node, speakers, rng):
    """Kill the node KILLS times, spread over what the speakers have to say; it always comes back."""
    total = EVENTS_EACH * len(speakers)
    for moment in sorted(rng.uniform(0.05, 0.9) for _ in range(KILLS)):
        eventually("the speakers go on", lambda at=moment: _said(speakers) >= at * total, WITHIN_S)
        time.sleep(rng.uniform(0, 0.05))
        node.kill()
        time.sleep(rng.uniform(0, 0.3))
        node.start()


def _said(speakers):
    for speaker in speakers:
        if speaker.failure is not None:
            raise speaker.failure
    return sum(len(speaker.acknowledged) for speaker in speakers)


def the_same(one, other):
    """Return what both hold where it is the same."""
    return one if one == other else None


@pytest.mark.slow
def test_two_nodes_lose_and_double_nothing_while_one_is_killed_five_times(tmp_path):
    seed = int(os.environ.get("FOEDUS_TEST_SEED") or random.randrange(1 << 32))
    print(f"FOEDUS_TEST_SEED={seed}")  # noqa: T201  # pytest shows it where the test fails
    with node_processes(tmp_path, "a", "b") as (a, b):
        trusted_agent(a, "at-a")
        trusted_agent(b, "at-b")
        connect(a, b)
        room = shared_room(a, b)
        speakers = [Speaker(a, room, "at-a"), Speaker(b, room, "at-b")]
        for speaker in speakers:
            speaker.start()
        kill_at_random(b, speakers, random.Random(seed))
        for speaker in speakers:
            speaker.join(WITHIN_S)
            assert speaker.failure is None
        held = eventually("both hold the same events", lambda: the_same(ids_on_disk(a), ids_on_disk(b)), WITHIN_S)
        assert status(a).contested_chains == status(b).contested_chains == 0
        assert status(a).authoring
        assert status(b).authoring
        assert status(b).identity.epoch_number == 0, "a killed node is not a restored one"
        a.stop()
        b.stop()
        acknowledged = {event for speaker in speakers for event in speaker.acknowledged}
        assert len(acknowledged) >= 2 * EVENTS_EACH
        assert held >= acknowledged
        assert held <= ids_on_disk(a) & ids_on_disk(b)  # a checkpoint or a receipt may have been written since
        assert_verifies(a)
        assert_verifies(b)
