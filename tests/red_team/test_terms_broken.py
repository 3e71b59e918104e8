"""A node whose terms have changed goes on as before: after the end, beyond its tier, by a version that was replaced."""

import pytest

from foedus.log import streams
from foedus.sync.frames.events import Missing, Want
from foedus.sync.frames.peering import Ended, Pending
from foedus.trust.agreement import sign
from foedus.trust.agreements.terms import SideTerms, Terms
from tests.hostile.evil import browser, id_of, villain
from tests.node.nodes import connect, street, until
from tests.red_team.ending import audited, ends
from tests.red_team.stage import stage


async def test_an_agreement_that_was_terminated(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with stage(victim) as scene, browser() as session:
            evil = scene.evil
            puppet = await scene.enrol("ada", "human", "device")
            await scene.says("while we were friends", puppet)
            late = scene.writes(
                body={"text": "as if nothing had happened"},
                device=puppet.key,
                auth=(puppet.stands_on, scene.membership),
            )
            await victim.service.peer_disconnect(evil.id, "enough")
            assert (await evil.wait_for(Ended)).reason
            await evil.dial(session, victim.url)
            await evil.wait_for(Pending)
            await evil.send(Pending())
            await evil.deliver(late)
            await until(lambda: evil.is_cut_off, "the link ends")
            assert not scene.held(late)
            await ends(victim, evil.goodbye, "closed", evil.id)
            ended = [row for row in (await victim.service.audit_rows(limit=1_000)).rows if row.rule.startswith("disc")]
            assert [row.actor for row in ended] == [evil.id]
            view = victim.service.explain(puppet.did, "message.text", scene.room)
            assert (view.allowed, view.code) == (False, "not_permitted")


async def test_a_terminated_agreement_and_a_friend_who_carries(tmp_path):
    async with street(tmp_path) as it:
        victim, friend = await it.add("victim"), await it.add("friend")
        await connect(friend, victim)
        async with stage(victim, friend) as scene, browser() as session:
            evil = scene.evil
            puppet = await scene.enrol("ada", "human", "device")
            await scene.says("while we were friends", puppet)
            await until(friend.service.rooms, "the friend is in the room")
            membership = scene.membership
            await victim.service.peer_disconnect(evil.id, "enough")
            await evil.wait_for(Ended)
            await evil.leave()
            await evil.befriend(session, friend)
            auth = (puppet.stands_on, membership)
            late = scene.writes(body={"text": "by the back door"}, device=puppet.key, auth=auth)
            await evil.deliver(late)
            await ends(friend, "not_permitted", "refused", evil.id)
            assert not scene.held(late)
            assert victim.texts() == friend.texts() == ["while we were friends"]
            view = victim.service.explain(puppet.did, "message.text", scene.room)
            assert (view.allowed, view.code) == (False, "not_permitted")


async def test_a_sandbox_peer_that_pushes_on(tmp_path):
    """Alice hears what it says; bob, whom she knows, does not, and it hears nothing of hers."""
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(bob, alice)
        async with villain(alice, tier="SANDBOX") as evil, villain(alice, "scout") as curious:
            room, events = evil.room(evil.node, alice.node.store.node, bob.node.store.node, curious.node)
            said = evil.write(streams.room(room), auth=[id_of(events[1])], body={"text": "tell everyone"})
            await evil.deliver(*events)
            await until(lambda: alice.node.log.by_ids([id_of(events[-1])]), "alice is in its room")
            await evil.deliver(said)
            await until(lambda: alice.texts(room.hex()) == ["tell everyone"], "alice hears it")
            secret = (await alice.say("between us", room=(await alice.service.room_create("own")).room)).id
            await evil.send(Want((bytes.fromhex(secret),)))
            await evil.wait_for(Missing)
            await ends(alice, "not_visible", "not sent", evil.id)
            await curious.send(Want((id_of(said),)))
            await curious.wait_for(Missing)
            row = await audited(alice, "not_visible", "not sent", curious.id)
            assert row.subject == streams.room(room)
            assert bob.service.rooms() == []
            view = alice.service.explain("event", id_of(said).hex())
            assert view.layers[0].presets == {"tier": "SANDBOX"}
            await alice.service.peer_tier(evil.id, "EXTERNAL")
            again = evil.write(streams.room(room), 2, id_of(said), auth=[id_of(events[1])], body={"text": "again"})
            await evil.deliver(again)
            await ends(alice, "not_permitted", "refused", evil.id)
            assert alice.service.explain("event", id_of(said).hex()).code == "tier"


@pytest.mark.parametrize("first", [True, False], ids=["the smaller lies", "the larger lies"])
async def test_an_old_version_of_the_agreement_replayed(tmp_path, first):
    async with street(tmp_path) as it:
        victims = await it.add("victim"), await it.add("other")
        while True:
            for victim in victims:
                async with stage(victim) as scene:
                    if (scene.evil.id < victim.id) is first:
                        await _replays(scene)
                        return


async def _replays(scene):
    """Let two versions be signed, the second without speech, and bring the first again in each way that there is."""
    evil, agreements = scene.evil, scene.victim.service.agreements
    wide, body = await scene.agree(Terms(retention_days=90))
    narrow, _ = await scene.agree(Terms(theirs=SideTerms(commands=["/foedus/query"])))
    await scene.tells("agreement.sign", body)
    signature = sign(evil.keys.ed25519, body["agreement"])
    await scene.tells("agreement.propose", {"agreement": body["agreement"], "signature": signature, "human": None})
    shown = agreements.show(evil.id)
    assert (shown.in_force.id, shown.in_force.version, shown.waits_for_us) == (narrow.id, 3, [])
    assert {view.state for view in agreements.history(evil.id) if view.id == wide.id} == {"replaced"}
    row = await ends(scene.victim, "agreement_overtaken", "without effect", evil.id)
    assert row.subject == scene.pair
    human, scout = await scene.enrol("grace", "human", "device"), await scene.enrol("scout")
    event = await scene.says("as the old version said", scout, [await scene.give(human, scout)])
    await ends(scene.victim, "agreement.commands", "withheld", evil.id, event)
