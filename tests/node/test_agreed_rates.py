"""The clause `rates`: a node keeps to what it agreed, and one that does not is slowed, or told so over HTTP."""

import pytest

from foedus.base.cbor import frame
from foedus.base.limits import MINUTE
from foedus.node.room_forms import Said
from foedus.sync.pace import Allowance
from foedus.trust.agreements.terms import SideTerms, Terms
from tests.node.federated import EVENTS, ask, two_connected
from tests.node.nodes import connect, share, street, until
from tests.node.test_agreements_across_nodes import agree

CLAUSE = "agreement.rates"


def test_an_allowance_lets_a_minutes_worth_through_at_once_and_then_one_by_one():
    allowance = Allowance(60)
    assert (allowance.left(0), allowance.owes(0)) == (60, 0)
    allowance.spend(60, 0)
    assert (allowance.left(0), allowance.wait(0), allowance.owes(0)) == (0, 1_000_000, 0)
    assert (allowance.left(1_000_000), allowance.wait(1_000_000)) == (1, 0)
    allowance.spend(31, 1_000_000)
    assert (allowance.left(1_000_000), allowance.owes(1_000_000)) == (0, 30_000_000)
    assert allowance.owes(0) == 30_000_000, "a clock that steps back gives nothing"
    assert allowance.left(9 * MINUTE) == 60, "and no silence gives more than a minute's worth"


async def say(node, room, count, word="text"):
    for start in range(0, count, 100):
        await node.service.say_batch(room, [Said(text=f"{word} {n}") for n in range(start, min(count, start + 100))])


async def test_a_node_sends_no_more_than_it_agreed_and_all_arrives_in_the_end(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        room = await share(alice, bob)
        await say(alice, room, 1, "before")
        await until(lambda: bob.texts(room) and not alice.peer(bob).lag, "both know the chain: nothing goes twice")
        await agree(alice, bob, Terms(ours=SideTerms(rate=600)))
        start = alice.node.store.now()
        await say(alice, room, 620)
        await until(lambda: len(bob.texts(room)) >= 595, "what a minute allows comes at once")
        early = len(bob.texts(room)) - 1
        assert early <= 600 + (alice.node.store.now() - start) * 600 // MINUTE
        assert alice.peer(bob).lag, "and what waits is seen to wait"
        assert alice.node.links.agreed_rates.held_back[bob.node.store.node]
        await bob.say("the other way there is no rate", room=room)
        await until(lambda: "the other way there is no rate" in alice.texts(room), "it is heard")
        await until(lambda: len(bob.texts(room)) == 622, "all arrive")
        assert alice.node.store.now() - start > 1_500_000, "the rest at ten a second"
        assert not bob.node.ingest.refusals[CLAUSE], "who keeps to it is never slowed"


async def test_a_peer_that_does_not_keep_to_it_gets_its_credit_later(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        room = await share(alice, bob)
        await agree(alice, bob, Terms(ours=SideTerms(rate=600)))
        alice.node.links.agreed_rates.left = lambda _peer: None
        start = alice.node.store.now()
        await say(alice, room, 640)
        await until(lambda: len(bob.texts(room)) == 640, "what has come is kept")
        await until(lambda: bob.node.ingest.refusals[CLAUSE], "it is counted by its clause")
        assert alice.peer(bob).lag, "but it is not acknowledged yet"
        await until(lambda: not alice.peer(bob).lag, "all is acknowledged", 20)
        assert alice.node.store.now() - start > 2_500_000
        assert not bob.node.links.get(alice.node.store.node).session.is_closed


async def test_over_http_the_refusal_names_the_clause(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        room = await share(alice, bob)
        await agree(alice, bob, Terms(ours=SideTerms(rate=10)))
        await until(lambda: not alice.peer(bob).lag, "all is there")
        bob.node.links.agreed_rates.arrived(alice.node.store.node, {(alice.node.store.epoch, f"room:{room}"): 10})
        key = (alice.node.store.epoch, f"members:{room}")
        (row,) = alice.node.log.chain(*key, 0, 1)
        body = frame(row.envelope.encode())
        assert (await ask(alice, bob, "POST", "/events", body=body, media_type=EVENTS)).status == 200
        bob.node.links.agreed_rates.arrived(alice.node.store.node, {key: 10})
        with pytest.raises(Exception, match="10/minute") as refused:
            await ask(alice, bob, "POST", "/events", body=body, media_type=EVENTS)
        assert (refused.value.code, refused.value.http_status) == (CLAUSE, 429)
        assert bob.node.ingest.refusals[CLAUSE] == 1
        assert (await ask(alice, bob, "GET", "/status")).status == 200


async def test_what_events_are_judged_by_is_not_counted(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        room = await share(alice, bob)
        await agree(alice, bob, Terms(ours=SideTerms(rate=1)))
        await say(alice, room, 5)
        await until(lambda: alice.node.links.agreed_rates.held_back[bob.node.store.node], "talk waits for its minute")
        await alice.service.participant_add_custodial("late")
        await until(lambda: "late" in {it.name for it in bob.service.participants()}, "who is new is told at once")
        await agree(alice, bob, Terms(ours=SideTerms(rate=1_000)))
        await until(lambda: len(bob.texts(room)) == 5, "another rate holds at once", 20)
