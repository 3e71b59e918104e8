"""Stock yjs and y-websocket clients at two real nodes: through a standstill, a cut link and `kill -9` all are equal."""

import os
import signal
from pathlib import Path

import pytest

from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.devices import sign
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.persons import Person
from foedus.surfaces.demo.processes import eventually
from foedus.trust.border import SPEAK
from foedus.values.node import Placed
from tests.js.npm import Conversation
from tests.processes.forwarder import ForwardedNode
from tests.processes.nodes import add_agent, assert_verifies, connect, is_linked, node_id, node_processes, shared_room

PROGRAM = "editors.js"
SOURCE = Path(__file__).parents[1] / "js" / "documents"
WITHIN_S = 60.0


class Editors(Conversation):
    """The program with the clients."""

    def __init__(self):
        super().__init__(SOURCE, PROGRAM)

    def ask(self, *command):
        self.say(*command)
        return self.hear()

    def open(self, name, node, room, agent):
        self.ask("open", name, node.url, room, "page", node.home.token(), agent)

    def texts(self, names):
        return {self.ask("text", name) for name in names}

    def are_equal(self, names, *parts):
        texts = self.texts(names)
        return len(texts) == 1 and all(part in text for part in parts for text in texts)


def agent_after_foreign(node, name):
    """Make an agent that a human lets speak anywhere, also after it has read what strangers wrote."""
    agent, key = add_agent(node, name), Ed25519Key(os.urandom(SEED_BYTES))
    did, own = did_of(key.public), parse_id(node_id(node))
    enrolment = sign(node.client, key, enrolment_draft(key, own, "human", f"{name}'s human"))
    placed = node.client.post(path_of("participants", did, "acts"), Placed, enrolment)
    Person(did, key, parse_id(placed.id)).give(node.client, agent.did, Scope(SPEAK, after_foreign=True))
    return agent.did


@pytest.mark.slow
def test_stock_clients_at_two_nodes_end_with_one_document(tmp_path):
    with node_processes(tmp_path, "a", "b") as (a, b), Editors() as editors:
        at_a, at_b = agent_after_foreign(a, "ann"), agent_after_foreign(b, "ben")
        connect(a, b)
        room = shared_room(a, b)
        names = ["a1", "a2", "b1", "b2"]
        for name, node, agent in zip(names, (a, a, b, b), (at_a, at_a, at_b, at_b), strict=True):
            editors.open(name, node, room, agent)
        for name in names:
            editors.ask("type", name, 0, f"[{name} types at once]")
        eventually("all hold what was typed", lambda: editors.are_equal(names), WITHIN_S)
        text = editors.ask("text", "a1")
        assert sorted(text) == sorted("".join(f"[{name} types at once]" for name in names))

        a._running().send_signal(signal.SIGSTOP)
        for name in names:
            editors.ask("edit", name, 5, f"<{name} apart>")
        editors.ask("cut", "b2", 0, 3)
        a._running().send_signal(signal.SIGCONT)
        apart = [f"<{name} apart>" for name in names]
        eventually("they are one again", lambda: editors.are_equal(names, *apart[:2]), WITHIN_S)

        editors.ask("edit", "b1", 0, "<before the kill>")
        b.kill()
        for name in names:
            editors.ask("edit", name, 0, f"<{name} while b is dead>")
        b.start()
        dead = [f"<{name} while b is dead>" for name in names]
        eventually("all are one again", lambda: editors.are_equal(names, "<before the kill>", *dead), WITHIN_S)

        editors.open("late at a", a, room, at_a)
        editors.open("late at b", b, room, at_b)
        everyone = [*names, "late at a", "late at b"]
        eventually("late ones have it all", lambda: editors.are_equal(everyone, *dead), WITHIN_S)
        assert len({editors.ask("state", name) for name in everyone}) == 1
        a.stop()
        b.stop()
        assert_verifies(a)
        assert_verifies(b)


@pytest.mark.slow
def test_a_cut_link_heals_and_clients_see_each_other_on_both_sides_of_it(tmp_path):
    with node_processes(tmp_path, "a", "b", kind=ForwardedNode) as (a, b), Editors() as editors:
        at_a, at_b = agent_after_foreign(a, "ann"), agent_after_foreign(b, "ben")
        connect(b, a, url=a.wire.url)
        room = shared_room(a, b)
        at = {"a1": (a, at_a), "a2": (a, at_a), "b1": (b, at_b), "b2": (b, at_b)}
        for name, (node, agent) in at.items():
            editors.open(name, node, room, agent)
            editors.ask("edit", name, 0, f"[{name}]")
        eventually("all hold what was typed", lambda: editors.are_equal(at, *(f"[{name}]" for name in at)), WITHIN_S)
        for name in at:
            editors.ask("cursor", name, f"user {name}")
        everyone = [f"user {name}" for name in at]
        eventually("all see all", lambda: all(editors.ask("users", name) == everyone for name in at), WITHIN_S)

        for node in (a, b):
            node.wire.cut()
        eventually("the link is cut", lambda: not (is_linked(a, node_id(b)) or is_linked(b, node_id(a))), WITHIN_S)
        for name in at:
            editors.ask("edit", name, 3, f"<{name} alone>")
        editors.ask("cut", "a1", 0, 2)
        editors.ask("cut", "b1", 0, 2)
        for side, other in ((["a1", "a2"], "b"), (["b1", "b2"], "a")):
            own = [f"<{name} alone>" for name in side]
            eventually("each side goes on", lambda side=side, own=own: editors.are_equal(side, *own), WITHIN_S)
            assert f"<{other}1 alone>" not in editors.ask("text", side[0])
            users = [f"user {name}" for name in side]
            eventually(
                "and sees itself", lambda side=side, users=users: editors.ask("users", side[0]) == users, WITHIN_S
            )

        for node in (a, b):
            node.wire.heal()
        alone = [f"<{name} alone>" for name in at]
        eventually("all are one again", lambda: editors.are_equal(at, *alone), WITHIN_S)
        assert len({editors.ask("state", name) for name in at}) == 1
        eventually("and see all again", lambda: all(editors.ask("users", name) == everyone for name in at), WITHIN_S)
