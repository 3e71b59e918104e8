"""Who may ask a council for an update: judged at the author's node, and by every member alike before it votes."""

import secrets

import pytest
from msgspec.structs import replace

from foedus.base.cbor import decode, encode, to_plain
from foedus.base.errors import FoedusError
from foedus.consensus.machine import Get, Put
from foedus.consensus.updates import Update
from foedus.node.council_agents import AskedCouncil, asked_words
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import PROPOSE
from tests.node.councils import all_hold, connected, found, put, seat, value
from tests.node.nodes import until
from tests.node.people import agent, enrol


def signed(person, node, council, key, data, auth=None):
    """An update that a person's device signs."""
    cited = (person.enrolment,) if auth is None else auth
    command = encode(to_plain(Put(key, data, None)))
    until_place = seat(node, council).live.replica.ledger.sequence + 500
    nonce = secrets.token_bytes(16)
    unsigned = Update(council, person.did, person.key.public, until_place, nonce, cited, command, bytes(64))
    return replace(unsigned, signature=person.key.sign(unsigned.signed()))


def robots(node, council, command):
    """An update of the agent whose key a node keeps."""
    who = node.node.agents.find("robot")
    return node.node.council_agents.signed(council, who, encode(to_plain(command)))


async def test_people_ask_for_themselves_and_agents_by_a_persons_grant(tmp_path):
    async with connected(tmp_path, people=["ada"]) as (it, nodes):
        alice, bob, ada = nodes[0], nodes[1], it.people["ada"]
        robot = await agent(alice, "robot")
        council = await found(nodes)
        asked = await alice.node.councils.ask(council, signed(ada, alice, council, "a", b"1"))
        assert decode(asked.result) == ["done", None]
        await all_hold(nodes, council, "a", b"1")

        with pytest.raises(FoedusError, match="human_required"):
            robots(alice, council, Put("b", b"1", None))
        with pytest.raises(FoedusError, match="waits for a human"):
            await alice.service.council_put_as("board", "robot", "c", b"1")
        (waiting,) = [each for each in alice.service.approvals() if each.state == "waiting"]
        assert (waiting.text, waiting.council_name) == ("c = 1", "board")
        view = await ada.allow(waiting.id, Scope(PROPOSE, digest=waiting.digest))
        assert view.state == "done", view
        await all_hold(nodes, council, "c", b"1")

        given = await ada.give(robot, Scope(PROPOSE, councils=[council.hex()]))
        held = next(grant for grant in alice.service.grants() if grant.id == given)
        assert (held.councils, held.council_names) == ([council.hex()], ["board"])
        made = await alice.node.councils.ask(council, robots(alice, council, Put("b", b"1", None)))
        assert decode(made.result) == ["done", None]
        await all_hold(nodes, council, "b", b"1")
        await until(lambda: bob.node.councils.made(council, made.sequence - 1, 1), "it is in the log of another")
        update = bob.node.councils.made(council, made.sequence - 1, 1)[0].batch.updates[made.position]
        assert update.author == robot
        assert len(update.auth) == 2

        kept = robots(alice, council, Put("b", b"2", None))
        await ada.take_back(given)
        with pytest.raises(FoedusError) as refused:
            await alice.node.councils.ask(council, kept)
        assert refused.value.code == "grant.human_required"
        with pytest.raises(FoedusError) as refused:
            await bob.node.councils.ask(council, signed(ada, alice, council, "a", b"2"))
        assert refused.value.code == "foreign"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Get("k"), "read k"),
        (Put("k", b"v", None), "k = v"),
        (Put("k", None, None), "delete k"),
        (Put("k", b"v", (None,)), "k = v\nonly if k is not there"),
        (Put("k", None, (b"\xffw",)), "delete k\nonly if k is now: \ufffdw"),
    ],
)
def test_what_an_agent_asks_is_told_to_people_with_its_condition(command, words):
    assert asked_words(encode(to_plain(AskedCouncil(bytes(32), encode(to_plain(command)))))) == words


async def test_a_lying_member_and_leader_gets_nothing_made_that_its_author_may_not_ask(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        leader = seat(nodes[0], council).live.replica.leader
        liar = next(node for node in nodes if seat(node, council).live.me == leader)
        honest = [node for node in nodes if node is not liar]
        await agent(liar, "robot")
        robot = await enrol(liar, "loose", "agent")
        seat(liar, council).may = lambda _membership, _update: True
        bad = signed(robot, liar, council, "k", b"stolen")
        bare = signed(robot, liar, council, "k", b"stolen", auth=())
        futures = [seat(liar, council).live.propose(it) for it in (bad, bare)]
        drivers = [seat(node, council).live for node in honest]
        await until(lambda: all(it.refused["not_permitted"] for it in drivers), "all refuse it")
        await put(honest[0], council, "k", b"mine")
        await all_hold(honest, council, "k", b"mine")
        assert not any(future.done() and not future.cancelled() for future in futures)
        assert seat(honest[0], council).live.replica.view > 0
        assert all(value(node, council, "k") == b"mine" for node in honest)


async def test_what_waits_is_let_go_once_its_author_may_not_ask_any_more(tmp_path):
    async with connected(tmp_path, people=["ada"]) as (it, nodes):
        alice, ada = nodes[0], it.people["ada"]
        robot = await agent(alice, "robot")
        given = await ada.give(robot, Scope(PROPOSE))
        council = await found(nodes)
        for name in ("carol", "dora"):
            await it.stop(name)
        driver = seat(alice, council).live
        future = driver.propose(robots(alice, council, Put("k", b"1", None)))
        assert len(driver.replica.pending) == 1
        await ada.take_back(given)
        await until(lambda: not len(driver.replica.pending), "it is let go")
        assert not future.done()
