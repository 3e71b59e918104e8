"""Two, three nodes on loopback: connecting, rooms, relay, leaving, tiers, strangers."""

import asyncio

import pytest

from foedus.base.errors import FoedusError
from foedus.node.room_forms import Said
from tests.node.nodes import connect, entries, share, street, until
from tests.node.people import trusted_agent


async def test_two_nodes_connect_share_a_room_and_talk(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await alice.service.participant_add_custodial("scout")
        await share(alice, bob)
        await alice.say("hello", "scout")
        await until(lambda: bob.texts() == ["hello"], "the message arrives")
        (message,) = bob.service.messages("plans").messages
        assert (message.author_name, message.author_kind, message.node_name) == ("scout", "agent", "alice")
        assert message.verified
        await bob.say("good day")
        await until(lambda: alice.texts() == ["hello", "good day"], "the answer arrives")


async def test_a_late_joiner_gets_the_whole_history(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await share(alice)
        for number in range(20):
            await alice.say(str(number))
        await connect(bob, alice)
        await alice.service.room_share("plans", "bob")
        await until(bob.service.rooms, "bob sees the room")
        await until(lambda: bob.texts() == [str(number) for number in range(20)], "all of it")


async def test_what_was_said_while_a_node_was_away_arrives_when_it_returns(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await it.stop("bob")
        await alice.say("are you there?")
        bob = await it.start("bob")
        await until(lambda: bob.texts() == ["are you there?"], "bob catches up")
        await bob.say("now I am")
        await until(lambda: alice.texts()[-1] == "now I am", "alice hears")


async def test_members_relay_for_members_that_never_connected(tmp_path):
    async with street(tmp_path) as it:
        alice, bob, carol = [await it.add(name) for name in ("alice", "bob", "carol")]
        await trusted_agent(alice, "scout")
        await connect(alice, bob)
        await connect(carol, bob)
        await share(bob, alice, carol)
        await alice.say("from alice", "scout")
        await carol.say("from carol")
        for node in (alice, bob, carol):
            await until(lambda node=node: sorted(node.texts()) == ["from alice", "from carol"], f"{node.name} has both")
        message = carol.service.messages("plans").messages[0]
        assert (message.author_name, message.node, message.verified) == ("scout", alice.id, True)
        assert alice.peer(carol) is None


async def test_talk_goes_on_while_the_host_is_away(tmp_path):
    async with street(tmp_path) as it:
        host, bob, carol = [await it.add(name) for name in ("host", "bob", "carol")]
        await connect(bob, host)
        await connect(carol, host)
        await connect(bob, carol)
        await share(host, bob, carol)
        await it.stop("host")
        await bob.say("without the host")
        await until(lambda: carol.texts() == ["without the host"], "carol hears bob")
        host = await it.start("host")
        await until(lambda: host.texts() == ["without the host"], "the host catches up")


async def test_a_disconnected_peer_gets_nothing_more(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await alice.say("before")
        await until(lambda: bob.texts() == ["before"], "it arrives")
        await alice.service.peer_disconnect("bob", "we are done")
        await until(lambda: bob.peer(alice).state == "disconnected", "bob is told")
        await alice.say("after")
        await it.restart("bob")
        await asyncio.sleep(0.5)
        assert it.running["bob"].texts() == ["before"]


async def test_events_of_a_room_never_reach_a_node_that_is_no_member(tmp_path):
    async with street(tmp_path) as it:
        alice, bob, carol = [await it.add(name) for name in ("alice", "bob", "carol")]
        await connect(alice, bob)
        await connect(carol, alice)
        await connect(carol, bob)
        room = await share(alice, bob)
        await alice.say("between us")
        await until(lambda: bob.texts() == ["between us"], "bob has it")
        await asyncio.sleep(0.3)
        assert room not in {view.room for view in carol.service.rooms()}
        assert not [view for view in carol.service.events(limit=1000).events if room in view.stream]


async def test_an_unshared_peer_sees_its_removal_and_is_rejected_from_then_on(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await bob.say("still in")
        await until(lambda: alice.texts() == ["still in"], "it arrives")
        await alice.service.room_unshare("plans", "bob")
        await until(lambda: bob.service.room("plans").left, "bob learns of it")
        with pytest.raises(FoedusError) as refused:
            await bob.say("again")
        assert refused.value.code == "not_permitted"
        await alice.say("among ourselves")
        await asyncio.sleep(0.3)
        assert bob.texts() == ["still in"]
        await alice.service.room_share("plans", "bob")
        await until(lambda: bob.texts() == ["still in", "among ourselves"], "shared again, the history comes")
        await bob.say("back")
        await until(lambda: alice.texts()[-1] == "back", "and bob speaks again")


async def test_a_node_leaves_and_its_host_takes_it_out(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await bob.service.room_leave("plans")
        await until(lambda: {member.node for member in alice.service.room("plans").members} == {alice.id}, "bob is out")
        await until(lambda: bob.service.room("plans").left, "and knows it")


async def test_a_two_party_room_is_for_two_participants(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await trusted_agent(bob, "clerk")
        await connect(alice, bob)
        for name in ("scout", "nosy"):
            await alice.service.participant_add_custodial(name)
        await until(lambda: bob.service.participants("scout") and alice.service.participants("clerk"), "listed")
        clerk = alice.service.participants("clerk")[0].did
        room = (await alice.service.room_direct(clerk, "scout")).room
        assert (await alice.service.room_direct(clerk, "scout")).room == room
        await alice.say("just you", "scout", room)
        await until(bob.service.rooms, "the room arrives")
        await until(lambda: bob.texts(room) == ["just you"], "the message arrives")
        await bob.say("just me", "clerk", room)
        await until(lambda: alice.texts(room)[-1] == "just me", "the answer arrives")
        with pytest.raises(FoedusError) as refused:
            await alice.service.say(room, Said(text="me too", as_="nosy"))
        assert refused.value.code == "not_permitted"


@pytest.mark.parametrize(("tier", "arrives"), [("CORE", True), ("SANDBOX", True), ("EXTERNAL", False)])
async def test_what_comes_in_depends_on_the_tier_given(tmp_path, tier, arrives):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob, tier=tier)
        room = await alice.service.room_create("plans")
        await alice.service.room_share(room.room, bob.id)
        await alice.say("offered")
        if arrives:
            await until(lambda: bob.texts(room.room) == ["offered"] if bob.service.rooms() else False, "it arrives")
        else:
            await until(lambda: bob.node.ingest.refusals["not_permitted"] > 0, "it is refused and counted")
            assert bob.service.rooms() == []


@pytest.mark.parametrize("tier", ["SANDBOX", "EXTERNAL"])
async def test_nothing_of_a_room_goes_out_to_a_lesser_tier(tmp_path, tier):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(bob, alice, tier="CORE")
        await share(alice, bob)
        await alice.say("one")
        await until(lambda: bob.texts() == ["one"], "it arrives")
        await alice.service.peer_tier("bob", tier)
        await until(lambda: bob.peer(alice).their_tier == tier, "bob is told")
        await alice.say("two")
        await asyncio.sleep(0.3)
        assert bob.texts() == ["one"]
        with pytest.raises(FoedusError) as refused:
            await alice.service.room_share((await alice.service.room_create("more")).room, "bob")
        assert refused.value.code == "tier"


async def test_a_trusted_key_needs_no_prompt(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await bob.service.peer_trust(alice.service.identity().ed25519, "SANDBOX")
        await alice.service.peer_request(bob.url, expect=bob.id)
        await until(lambda: alice.is_linked(bob) and bob.is_linked(alice), "connected")
        assert bob.peer(alice).tier == "SANDBOX"
        assert alice.peer(bob).their_tier == "SANDBOX"


async def test_a_known_name_with_another_key_is_a_stranger(tmp_path):
    async with street(tmp_path) as it:
        bank, customer = await it.add("bigbank"), await it.add("customer")
        await connect(bank, customer)
        thief = await it.add("thief")
        await thief.node.rename("bigbank")
        await thief.service.peer_request(customer.url, note="we changed our keys")
        await until(customer.service.peers_pending, "the request waits")
        (request,) = customer.service.peers_pending()
        assert request.node == thief.id != bank.id
        assert request.name_clash == [bank.id]
        assert customer.peer(thief).state == "incoming"
        await asyncio.sleep(0.2)
        assert customer.peer(thief).tier == "UNKNOWN"


async def test_declined_is_told_and_ignored_is_not(tmp_path):
    async with street(tmp_path) as it:
        alice, bob, carol = [await it.add(name) for name in ("alice", "bob", "carol")]
        await alice.service.peer_request(bob.url)
        await carol.service.peer_request(bob.url)
        await until(lambda: len(bob.service.peers_pending()) == 2, "both wait")
        await bob.service.peer_decline("alice")
        await until(lambda: alice.peer(bob).state == "turned_down", "alice is told")
        await bob.service.peer_ignore("carol")
        await asyncio.sleep(0.3)
        assert carol.peer(bob).state == "requested"
        assert bob.service.peers_pending() == []


async def test_nothing_flows_before_both_agree(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await alice.service.participant_add_custodial("scout")
        await alice.service.peer_request(bob.url)
        await until(bob.service.peers_pending, "the request waits")
        await asyncio.sleep(0.3)
        assert bob.service.participants() == []
        assert entries(bob.node) == 0


async def test_a_paused_peer_gets_what_it_missed_when_resumed(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await alice.service.peer_pause("bob")
        await alice.say("later")
        await asyncio.sleep(0.3)
        assert bob.texts() == []
        await alice.service.peer_resume("bob")
        await until(lambda: bob.texts() == ["later"], "it comes")


async def test_messages_are_read_backwards_from_any_of_them(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        for number in range(6):
            await (alice if number % 2 else bob).say(str(number))
            await until(lambda: len(alice.texts()) == len(bob.texts()), "both have it")
        held = alice.service.messages("plans").messages
        page = alice.service.messages("plans", before=held[4].id, limit=3).messages
        assert [message.id for message in page] == [message.id for message in held[1:4]]
        assert alice.service.messages("plans", before=held[0].id).messages == []
        with pytest.raises(FoedusError, match="no such message"):
            alice.service.messages("plans", before="ab" * 32)
