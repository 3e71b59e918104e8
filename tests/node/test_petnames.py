"""Names that people give: theirs alone, shown before any claim, and what looks like them is marked."""

import pytest

from foedus.base.errors import FoedusError, NotFound
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import SPEAK
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol


async def test_a_name_given_here_stands_before_every_claim_and_survives_a_restart(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await bob.service.participant_add_custodial("scout")
        room = await share(bob, alice)
        await bob.say("hello", "scout")
        await until(lambda: alice.texts() == ["hello"], "the message arrives")
        scout = next(view for view in alice.service.participants("scout"))
        await alice.service.name_set("bob", "our supplier")
        await alice.service.name_set(scout.did, "their scout")

        alice = await it.restart("alice")
        assert alice.service.peer("our supplier").name == "bob"
        assert alice.peer(bob).known_as == "our supplier"
        assert alice.service.participants("their sc")[0].known_as == "their scout"
        (message,) = alice.service.messages(room).messages
        assert (message.author_known_as, message.node_known_as) == ("their scout", "our supplier")
        assert (message.author_name, message.node_name) == ("scout", "bob")
        assert {member.node_known_as for member in alice.service.room(room).members} == {"alice", "our supplier"}
        assert [view.name for view in alice.service.names()] == ["our supplier", "their scout"]
        assert bob.service.names() == []

        await alice.service.name_remove("our supplier")
        assert alice.peer(bob).known_as == ""
        with pytest.raises(NotFound):
            await alice.service.name_remove("our supplier")


async def test_a_stranger_by_a_name_like_one_given_here_is_marked(tmp_path):
    async with street(tmp_path) as it:
        alice, bob, thief = [await it.add(name) for name in ("alice", "bob", "thief")]
        await connect(alice, bob)
        await alice.service.name_set(bob.id, "BigBank")
        await thief.node.rename("B1g-B\u0430nk")
        await thief.service.peer_request(alice.url)
        await until(alice.service.peers_pending, "the request waits")
        (request,) = alice.service.peers_pending()
        assert request.looks_like == ["BigBank"]
        assert request.known_as == ""


async def test_an_agent_elsewhere_by_the_name_of_ours_is_marked(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await alice.service.participant_add_custodial("treasurer")
        await bob.service.participant_add_custodial("treasurerr")
        await until(lambda: len(alice.service.participants("treasurer")) == 2, "bob's agent is known")
        ours, theirs = alice.service.participants("treasurer")
        assert (ours.looks_like, theirs.looks_like) == ([], ["treasurer"])


async def test_two_names_that_look_alike_are_not_given(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        other = alice.service.identity().did
        await alice.service.name_set(bob.id, "paypal")
        await alice.service.name_set(bob.id, "Paypal")
        for name, code in (("paypa1", "name_looks_alike"), ("", "bad_name"), ("a\u202eb", "bad_name")):
            with pytest.raises(FoedusError) as refused:
                await alice.service.name_set(other, name)
            assert refused.value.code == code
        with pytest.raises(FoedusError):
            await alice.service.name_set("did:key:nobody", "nobody")


async def test_what_waits_for_a_human_and_what_was_granted_name_whom_it_concerns_by_names_known_here(tmp_path):
    async with street(tmp_path) as it:
        bank, mill = await it.add("B1gbank"), await it.add("mill")
        ada = await enrol(mill, "ada")
        scout = await agent(mill, "scout")
        await connect(mill, bank)
        room = await share(bank, mill)
        await mill.service.name_set(ada.did, "Bigbank")

        asked = await mill.say("may I?", "scout")
        waiting = await mill.service.approval(asked.approval)
        assert (waiting.agent.known_as, waiting.host_known_as, waiting.host_looks_like) == ("scout", "", ["Bigbank"])
        await mill.service.name_set(ada.did, "our ada")
        await mill.service.name_set(bank.id, "the bank")
        waiting = await mill.service.approval(asked.approval)
        assert (waiting.host_known_as, waiting.host_looks_like) == ("the bank", [])

        granted = await ada.give(scout, Scope(SPEAK, rooms=[room, "no id"], hosts=[bank.id]))
        view = mill.service.grant(granted)
        assert (view.issuer.known_as, view.audience.known_as) == ("our ada", "scout")
        assert (view.room_names, view.host_names, view.hosts_known_as) == (["plans", ""], ["B1gbank"], ["the bank"])


async def test_a_participant_is_named_by_what_it_calls_itself_where_that_is_one_alone(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await bob.service.participant_add_custodial("scout")
        await until(lambda: alice.service.participants("scout"), "bob's agent is known")
        (scout,) = alice.service.participants("scout")
        assert (await alice.service.name_set("scout", "their scout")).id == scout.did
        assert (await alice.service.name_set("their scout", "the scout")).id == scout.did
        await alice.service.participant_add_custodial("scout")
        with pytest.raises(FoedusError, match="may be any of"):
            await alice.service.name_set("scout", "which")
        with pytest.raises(NotFound, match="no peer or participant"):
            await alice.service.name_set("nobody", "nobody")
