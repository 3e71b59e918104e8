"""Calls while both nodes are killed again and again: none runs twice, and each has one outcome that stays."""

import random
import threading
import time
from collections import Counter

import pytest

from foedus.base.errors import FoedusError
from foedus.surfaces.demo.processes import eventually
from foedus.values.calls import CallView, CapabilityView, WorkPage
from tests.processes.nodes import add_agent, connect, is_linked, node_id, node_processes

CALLS = 40
KILLS = 5
WITHIN_S = 60.0
WAIT_MS = 20_000


class Worker(threading.Thread):
    """Does what it is handed: it counts each input. What it says is lost where the node is down."""

    def __init__(self, node, agent):
        super().__init__(daemon=True)
        self.node, self.agent, self.done, self.stops = node, agent, Counter(), threading.Event()

    def run(self):
        while not self.stops.is_set():
            try:
                page = self.node.client.get("/calls/work", WorkPage, {"agent": self.agent, "wait_ms": 200})
                if page.work is not None:
                    self.done[page.work.input] += 1
                    result = {"output": page.work.input, "agent": self.agent}
                    self.node.client.tell("POST", f"/calls/{page.work.call}/result", result)
            except FoedusError:
                time.sleep(0.02)  # the node is down, or the call was ended meanwhile


class Caller(threading.Thread):
    """Makes calls one after the other, each with another input, until nobody is killed any more and CALLS had a result.

    What is not written down may not have begun: while a node is away, many are refused.
    """

    def __init__(self, node, capability, host):
        super().__init__(daemon=True)
        self.node, self.capability, self.host = node, capability, host
        self.tried = self.answered = 0
        self.survived = threading.Event()

    def run(self):
        while self.answered < CALLS or not self.survived.wait(0.02):
            body = {"name": "echo", "node": self.host, "offer": self.capability.offer}
            body |= {"input": self.tried, "wait_ms": WAIT_MS}
            self.tried += 1
            try:
                view = self.node.client.post("/calls", CallView, body, timeout_s=WITHIN_S)
                self.answered += view.outcome == "result"
            except FoedusError:
                time.sleep(0.05)


def all_ended(node):
    return all(view.state != "open" for view in node.client.get("/calls", list[CallView], {"limit": 500}))


@pytest.mark.slow
def test_no_call_runs_twice_while_both_nodes_are_killed(tmp_path):
    rng = random.Random(5)
    with node_processes(tmp_path, "north", "south") as [north, south]:
        agent = add_agent(south, "clerk").did
        connect(north, south)
        offer = {"name": "echo", "agent": agent, "takes": {"type": "integer"}}
        capability = south.client.post("/capabilities", CapabilityView, offer)
        worker, caller = Worker(south, agent), Caller(north, capability, node_id(south))
        worker.start()
        caller.start()
        for kill in range(KILLS):
            before = caller.tried
            eventually("it calls", lambda before=before: caller.tried > before + 2, WITHIN_S)
            time.sleep(rng.uniform(0, 0.1))  # anywhere in a call: that is what is tested
            killed = north if kill == KILLS - 1 else south
            killed.kill()
            killed.start()
            eventually("they are linked", lambda: is_linked(north, node_id(south)), WITHIN_S)
        caller.survived.set()
        caller.join(2 * WITHIN_S)
        assert not caller.is_alive()
        eventually("every call has its outcome", lambda: all_ended(north), WITHIN_S)
        worker.stops.set()
        worker.join(WITHIN_S)
        views = north.client.get("/calls", list[CallView], {"limit": 500})
        assert max(worker.done.values()) == 1
        results = [view.output for view in views if view.outcome == "result"]
        assert len(results) == len(set(results)) >= CALLS
        assert set(results) <= set(worker.done)
        assert {view.outcome for view in views} <= {"result", "outcome_unknown", "not_run", ""}
        south.kill()
        south.start()
        eventually("they are linked", lambda: is_linked(north, node_id(south)), WITHIN_S)
        assert north.client.get("/calls", list[CallView], {"limit": 500}) == views
