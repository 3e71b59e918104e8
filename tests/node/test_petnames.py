"""Names that people give: theirs alone, shown before any claim, and what looks like them is marked."""

import pytest

from foedus.base.errors import FoedusError, NotFound
from tests.node.nodes import connect, share, street, until


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
