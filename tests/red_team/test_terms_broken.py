"""A node whose terms have changed goes on as before: after the end, beyond its tier, by a version that was replaced."""

import pytest

from foedus.log import streams
from foedus.node.federation_values import from_text
from foedus.sync.frames import Ended, Missing, Pending, Want
from foedus.trust.agreement import in_order, sign
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
            await until(alice.service.rooms, "alice is in its room")
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
        victim = await it.add("victim")
        while True:
            async with villain(victim) as evil:
                if (evil.id < victim.id) is first:
                    await _replays(victim, evil)
                    return
            await victim.service.peer_disconnect(evil.id)


async def _replays(victim, evil):
    """Let two versions be signed, the second without speech, and bring the first again in each way that there is."""
    stream = streams.pair(evil.node, victim.node.store.node)
    chain = []

    async def tells(kind, body):
        envelope = evil.write(stream, len(chain) + 1, id_of(chain[-1]) if chain else None, kind=kind, body=body)
        chain.append(envelope)
        await evil.deliver(envelope)
        await until(lambda: victim.node.log.by_ids([id_of(envelope)]), f"{kind} is held")

    async def agree(terms):
        """Propose at the victim; the liar signs, as its word is worth at this moment."""
        drafted = victim.service.agreements.draft(evil.id, terms)
        document = from_text(drafted.document)
        mine = sign(evil.keys.ed25519, document)
        await victim.service.agreements.propose(evil.id, drafted.document)
        theirs = sign(victim.node.store.keys.ed25519, document)
        signatures = list(in_order(evil.node, victim.node.store.node, mine, theirs))
        body = {"agreement": document, "signatures": signatures, "human": None}
        await tells("agreement.sign", body)
        await until(lambda: victim.service.agreements.show(evil.id).in_force.id == drafted.id, "it is in force")
        return drafted, body

    wide, body = await agree(Terms(retention_days=90))
    narrow, _ = await agree(Terms(theirs=SideTerms(commands=["/foedus/query"])))
    await tells("agreement.sign", body)
    proposal = {"agreement": body["agreement"], "signature": sign(evil.keys.ed25519, body["agreement"]), "human": None}
    await tells("agreement.propose", proposal)
    shown = victim.service.agreements.show(evil.id)
    assert (shown.in_force.id, shown.in_force.version) == (narrow.id, 3)
    assert {view.state for view in victim.service.agreements.history(evil.id) if view.id == wide.id} == {"replaced"}
    assert shown.waits_for_us == []
    row = await ends(victim, "agreement_overtaken", "without effect", evil.id)
    assert row.subject == stream
