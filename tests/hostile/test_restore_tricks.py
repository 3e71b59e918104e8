"""Can a peer make an honest node open epochs, stop writing, or forget? Only the node's own keys could."""

import asyncio
import secrets

from foedus.identity.record import successor
from foedus.sync.frames.events import ChainPosition, Cursors, Events, Records
from tests.hostile.evil import browser, fresh_keys, villain
from tests.node.nodes import connect, entries, share, street, until


def number(node):
    return node.node.store.record.record.n


def writes(node):
    return node.service.status().authoring


async def overheard(evil):
    """What the villain was sent, to be played back."""
    await evil.wait_for(Events)
    await asyncio.sleep(0.3)
    return [each.batch for each in evil.got(Events)]


async def test_a_nodes_own_events_and_records_played_back_to_it_do_nothing(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room = (await victim.service.room_create("plans")).room
            await victim.service.room_share(room, evil.id)
            for text in ("one", "two"):
                await victim.say(text)
            batches = await overheard(evil)
            assert batches
            events = entries(victim.node)
            for batch in batches * 3:
                await evil.send(Events(batch))
            for record in victim.node.store.identities.held(victim.node.store.node):
                await evil.send(Records((record.plain(),) * 5))
            await asyncio.sleep(0.7)
            assert (number(victim), writes(victim), entries(victim.node)) == (0, True, events)
            await victim.say("three")
            assert victim.texts() == ["one", "two", "three"]


async def test_events_of_before_a_rotation_played_back_after_it_do_nothing(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room = (await victim.service.room_create("plans")).room
            await victim.service.room_share(room, evil.id)
            await victim.say("one")
            batches = await overheard(evil)
            await victim.service.key_rotate()
            await until(lambda: evil.is_cut_off, "links shake hands anew")
            async with browser() as session:
                await evil.return_to(session, victim)
                for batch in batches * 3:
                    await evil.send(Events(batch))
                await asyncio.sleep(0.7)
                assert (number(victim), writes(victim)) == (1, True)
                await evil.leave()


async def test_a_record_for_the_node_that_it_never_signed_is_nothing(tmp_path):
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(victim, bob)
        async with villain(victim) as evil:
            for target in (victim, bob):
                await evil.send(Records((forged_successor(target),)))
            await asyncio.sleep(0.3)
            assert (number(victim), writes(victim)) == (0, True)
            assert victim.peer(bob).epoch_number == 0


def forged_successor(target):
    """A record that claims to follow the target's, and is not signed by the target's keys."""
    store = target.node.store
    data, proof = successor(store.record, store.keys, fresh_keys(), "rotation", secrets.token_bytes(32)).plain()
    return [data, {**proof, "former": [bytes(64), bytes(3309)]}]


async def test_what_claims_to_be_a_peers_next_epoch_is_not_shown_to_the_human(tmp_path):
    """After a real rotation further epochs wait for a human: a forged one must not wait in the real one's name."""
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(victim, bob)
        await bob.service.key_rotate()
        await until(lambda: victim.peer(bob).epoch_number == 1 and victim.is_linked(bob), "one epoch a day is followed")
        async with villain(victim) as evil:
            await evil.send(Records((forged_successor(bob),)))
            await until(lambda: victim.node.records.refusals["bad_identity_record"], "it is refused")
            assert victim.peer(bob).held_epoch is None


async def test_a_restored_node_does_not_wait_for_ever_for_events_that_a_liar_claims_to_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.node.epochs._ANSWER_S", 1.0)
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(victim, bob)
        await share(victim, bob)
        await it.stop("victim")
        it.backup("victim")
        victim = await it.start("victim")
        await victim.say("lost")
        await until(lambda: bob.texts() == ["lost"], "bob has it")
        await it.stop("bob")
        await it.stop("victim")
        it.restore("victim")
        victim = await it.start("victim")
        async with villain(victim) as evil:
            lies = [
                ChainPosition(chain.epoch, chain.stream, seq, secrets.token_bytes(32))
                for chain in victim.node.store.admission.chains
                for seq in (chain.seq + 2, 1 << 40)
            ]
            await evil.send(Cursors(tuple(lies), more=False))
            await it.start("bob")
            await until(lambda: number(victim) == 1 and writes(victim), "it opens an epoch all the same")
            assert victim.texts() == ["lost"]
