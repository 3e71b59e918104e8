"""The stock JavaScript client of A2A at one real node reaches an agent at another, which is killed in the middle."""

import os
from pathlib import Path

import pytest

from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.devices import sign
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.persons import Person
from foedus.surfaces.demo.calling import raised
from foedus.surfaces.demo.processes import NodeProcess, eventually
from foedus.trust.border import CALL, SPEAK
from foedus.values.access import TokenView
from foedus.values.calls import CapabilityView, WorkPage
from foedus.values.node import Placed
from tests.js.npm import Conversation
from tests.processes.nodes import add_agent, connect, is_linked, node_id, node_processes, say, shared_room

PROGRAM = "reach.js"
SOURCE = Path(__file__).parents[1] / "js" / "agents"
WITHIN_S = 60.0
TAKES = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class QuickToTrust(NodeProcess):
    """A node at which participants of others rise at once."""

    def launch(self):
        self.home.policy_path.write_text("[federation.policy]\nrise_days = 0\nrise_acts = 1\n")
        super().launch()


class Reach(Conversation):
    """The program with the client."""

    def __init__(self):
        super().__init__(SOURCE, PROGRAM)

    def __call__(self, *command):
        self.say(*command)
        return self.end()

    def end(self):
        answer = self.hear()
        assert "error" not in answer, answer
        return answer


def trusted(node, name):
    """Make an agent that may speak and call in a person's name; return its DID."""
    agent, key = add_agent(node, name), Ed25519Key(os.urandom(SEED_BYTES))
    did = did_of(key.public)
    enrolment = sign(node.client, key, enrolment_draft(key, parse_id(node_id(node)), "human", "ada"))
    ada = Person(did, key, parse_id(node.client.post(path_of("participants", did, "acts"), Placed, enrolment).id))
    for command in (SPEAK, CALL):
        ada.give(node.client, agent.did, Scope(command, after_foreign=True))
    return agent.did


def rises(node, agent):
    try:
        raised(node, agent)
    except UsageError:
        return False
    return True


def take(node, agent):
    found = []

    def handed():
        page = node.client.get("/calls/work", WorkPage, {"agent": agent, "wait_ms": 1_000})
        found.extend([page.work] if page.work else [])
        return bool(found)

    eventually("it is handed", handed, WITHIN_S)
    return found[0]


def answer(node, agent):
    work = take(node, agent)
    node.client.tell(
        "POST", f"/calls/{work.call}/result", {"output": {"text": work.input["text"].upper()}, "agent": agent}
    )


def has_no_work(node, agent):
    return node.client.get("/calls/work", WorkPage, {"agent": agent, "wait_ms": 0}).work is None


@pytest.mark.slow
def test_a_stock_client_reaches_an_agent_that_is_killed_and_nothing_runs_twice(tmp_path):
    with node_processes(tmp_path, "north", "south", kind=QuickToTrust) as [north, south], Reach() as reach:
        scout = trusted(north, "scout")
        clerk = add_agent(south, "clerk").did
        connect(north, south)
        south.client.post("/capabilities", CapabilityView, {"name": "shout", "agent": clerk, "takes": TAKES})
        say(north, shared_room(south, north), scout, "here I am")
        eventually("its act counts", lambda: rises(south, "scout"), WITHIN_S)
        token = north.client.post(path_of("participants", scout, "token"), TokenView, {"device": ""}).token
        reach("open", f"{north.url}/a2a/{node_id(south)}/{clerk}/", token)
        assert reach("skills") == {"signed": 1, "skills": ["shout"]}

        reach.say("follow", "m0", "salve")
        answer(south, clerk)
        states = reach.end()["states"]
        assert (states[0], states[-1]) == ("TASK_STATE_SUBMITTED", "TASK_STATE_COMPLETED")

        begun = reach("send", "m1", "do it once")["id"]
        take(south, clerk)
        waiting = reach("send", "m2", "keep it")["id"]
        eventually("it is called", lambda: reach("look", waiting)["state"] == "TASK_STATE_WORKING", WITHIN_S)
        south.kill()
        away = reach("send", "m3", "deliver it")["id"]
        south.start()
        eventually("they are linked", lambda: is_linked(north, node_id(south)), WITHIN_S)
        answer(south, clerk)
        answer(south, clerk)
        for task, output in ((waiting, "KEEP IT"), (away, "DELIVER IT")):
            eventually("it is done", lambda task=task: reach("look", task)["state"] == "TASK_STATE_COMPLETED", WITHIN_S)
            assert output in reach("look", task)["output"]
        eventually("it is told", lambda: reach("look", begun)["state"] == "TASK_STATE_FAILED", WITHIN_S)
        again = [reach("send", name, "again")["id"] for name in ("m1", "m2", "m3")]
        assert again == [begun, waiting, away]
        assert has_no_work(south, clerk)
