"""Events that are almost right, forks, and proofs: each is refused or kept as evidence, and nothing else stops."""

import asyncio
import secrets
from contextlib import suppress

import pytest

from foedus.base.cbor import encode
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.log.event import Envelope
from foedus.sync.frames.events import Events, Missing, Proof, Want
from foedus.sync.frames.peering import Introduction, Pending, Ready
from tests.hostile.evil import Evil, browser, id_of, now, villain
from tests.node.nodes import connect, share, street, until


def held(victim, envelope):
    return victim.node.log.by_ids([id_of(envelope)]).get(id_of(envelope))


async def trap(victim, evil, *more):
    """A room that the villain hosts, with the victim in it; return (room, its stream, the villain's membership)."""
    room, events = evil.room(evil.node, victim.node.store.node, *more)
    await evil.deliver(*events)
    await until(lambda: held(victim, events[-1]), "the room is there")
    return room, streams.room(room), id_of(events[1])


async def test_an_act_that_was_signed_for_one_chain_is_not_valid_in_another(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            _, stream, membership = await trap(victim, evil)
            device = Ed25519Key(secrets.token_bytes(32))
            meant = evil.write(streams.NODE, device=device, auth=[membership])
            moved = evil.write(stream, device=device, auth=[membership])
            stolen = meant.event[meant.event.index(b"asig") :][:80]
            forged = moved.event.replace(moved.event[moved.event.index(b"asig") :][:80], stolen)
            envelope = Envelope(forged, evil.keys.ed25519.sign(b"foedus/event/1\0" + forged), None, None)
            await evil.deliver(envelope)
            await until(lambda: victim.node.ingest.refusals["invalid_signature"] == 1, "it is refused")
            assert not held(victim, envelope)


async def test_a_nonce_counts_once(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            _, stream, membership = await trap(victim, evil)
            device = Ed25519Key(secrets.token_bytes(32))
            did = did_of(device.public)
            enrolment = evil.write(
                streams.participant(did),
                kind="device.enrol",
                device=device,
                body={
                    "did": did,
                    "node": evil.node,
                    "kind": "agent",
                    "name": "parrot",
                    "custody": "node",
                    "device": device.public,
                    "possession": None,
                    "recovery": None,
                },
            )
            auth, nonce = [id_of(enrolment), membership], bytes(16)
            said = {"device": device, "auth": auth, "nonce": nonce, "body": {"text": "pay me"}}
            first = evil.write(stream, **said)
            second = evil.write(stream, 2, id_of(first), **said)
            await evil.deliver(enrolment, first, second)
            await until(lambda: held(victim, second), "both are held")
            assert [(each.verdict.name, each.reason) for each in (held(victim, first), held(victim, second))] == [
                ("ACCEPTED", ""),
                ("REJECTED", "replayed_nonce"),
            ]


@pytest.mark.parametrize(
    "body",
    [b"\x81" * 2_000 + b"\0", encode({"text": 1}), b"\xfb" + bytes(8), encode([0] * 20_000), b"\xff", b""],
    ids=["nested", "mistyped", "float", "array", "broken", "empty"],
)
async def test_bodies_that_are_not_what_their_kind_says_show_nothing(tmp_path, body):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room, stream, membership = await trap(victim, evil)
            first = evil.write(stream, auth=[membership], body=body)
            create = evil.write(streams.members(secrets.token_bytes(32)), kind="room.create", body=body)
            second = evil.write(stream, 2, id_of(first), auth=[membership], body={"text": "fine"})
            await evil.deliver(first, create, second)
            await until(lambda: held(victim, second), "what follows is taken")
            assert victim.texts(room.hex())[-1] == "fine"
            assert victim.service.events(limit=1000).events
            assert (await victim.service.verify()).ok


async def test_seqs_counters_and_clocks_have_their_bounds(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            gap = evil.write(streams.NODE, 7, secrets.token_bytes(32))
            overflow = evil.write(streams.NODE, hlc=(now(), 65_536))
            eternal = evil.write(streams.NODE, hlc=((1 << 62) - 1, 0))
            backdated = evil.write(streams.NODE, act_at=1)
            await evil.deliver(gap, overflow, eternal, backdated)
            await until(lambda: held(victim, backdated), "the one that is only odd is held")
            assert held(victim, backdated).reason == "excessive_drift"
            refusals = victim.node.ingest.refusals
            assert refusals["missing_prev"]
            assert refusals["malformed_event"]
            assert refusals["excessive_drift"] == 2
            assert victim.node.store.clock.head.us < now() + 6_000_000, "our own clock was not dragged along"


async def test_a_swapped_body_is_refused_and_the_right_one_comes_from_another_carrier(tmp_path):
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(bob, victim)
        async with villain(victim) as evil:
            room, stream, membership = await trap(victim, evil, bob.node.store.node)
            right = evil.write(stream, auth=[membership], body={"text": "truth"})
            await evil.deliver(right._replace(body=encode({"text": "lie"})))
            await until(lambda: victim.node.ingest.refusals["digest_mismatch"], "it is refused")
            assert not held(victim, right)
            async with browser() as session:
                await evil.befriend(session, bob)
                await until(bob.service.rooms, "bob has the room")
                await evil.deliver(right)
                await until(lambda: victim.texts(room.hex()) == ["truth"], "it came by bob")
                await evil.leave()


async def test_a_fork_shown_to_two_peers_convicts_its_writer_at_both(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        async with villain(alice) as evil:
            _, stream, membership = await trap(alice, evil, bob.node.store.node)
            await until(bob.service.rooms, "bob has the room by alice")
            one, other = (evil.write(stream, auth=[membership], body={"text": text}) for text in ("yes", "no"))
            await evil.deliver(one)
            await until(lambda: held(bob, one), "bob hears yes")
            await evil.deliver(other)
            for node in (alice, bob):
                await until(lambda node=node: node.service.status().contested_chains == 1, f"{node.name} has the proof")
            after = evil.write(stream, 2, id_of(one), auth=[membership])
            await evil.deliver(after)
            await until(lambda: alice.node.ingest.refusals["equivocation"] >= 2, "the chain takes no more")
            assert not evil.is_cut_off
            await alice.service.participant_add_custodial("scout")
            await until(lambda: bob.service.participants("scout"), "other chains go on")


async def test_a_forged_proof_about_another_node_convicts_nobody(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await bob.service.participant_add_custodial("clerk")
        await until(lambda: alice.service.participants("clerk"), "alice holds something of bob")
        async with villain(alice) as evil:
            store = bob.node.store
            forged = [evil.write(streams.NODE, epoch=store.epoch, author=store.node) for _ in range(2)]
            forged.sort(key=id_of)
            await evil.send(Proof(*(each.without_body().encode() for each in forged)))
            await until(lambda: evil.is_cut_off, "the link ends")
            assert evil.goodbye == "bad_proof"
            assert alice.service.status().contested_chains == 0


async def test_wants_for_what_is_forbidden_and_for_what_is_absent_get_one_answer(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        secret = (await alice.say("between us")).id
        async with villain(alice) as evil:
            ids = (bytes.fromhex(secret), secrets.token_bytes(32))
            await evil.send(Want(ids))
            assert (await evil.wait_for(Missing)).ids == ids
            assert not [each for each in evil.got(Events) if b"between us" in each.batch]


@pytest.mark.parametrize(("tier", "comes"), [("CORE", True), ("SANDBOX", True), ("EXTERNAL", False)])
async def test_what_a_peer_may_push_follows_its_tier(tmp_path, tier, comes):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim, tier=tier) as evil:
            _, events = evil.room(evil.node, victim.node.store.node)
            await evil.deliver(*events)
            if comes:
                await until(lambda: held(victim, events[-1]), "it is taken")
            else:
                await until(lambda: victim.node.ingest.refusals["not_permitted"] >= 3, "it is refused")
                assert victim.service.rooms() == []


async def test_a_host_does_not_write_for_a_room_of_another_and_no_guest_speaks_for_its_host(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room = await victim.service.room_create("plans")
            await victim.service.room_share(room.room, evil.id)
            stream = streams.members(bytes.fromhex(room.room))
            add = {"node": secrets.token_bytes(32), "participant": None, "heads": [], "role": None, "title": None}
            coup = evil.write(stream, kind="member.add", body=add)
            await evil.deliver(coup)
            await until(lambda: held(victim, coup), "it is kept as what it is")
            assert held(victim, coup).reason == "not_permitted"
            assert len(victim.service.room(room.room).members) == 2


async def test_a_guest_that_says_a_hundred_times_that_it_leaves_is_taken_out_once(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room = await victim.service.room_create("plans")
            await victim.service.room_share(room.room, evil.id)
            mine = next(member.id for member in victim.service.room(room.room).members if member.node == evil.id)
            leaves, before = [], None
            for seq in range(1, 101):
                leaves.append(
                    evil.write(
                        f"room:{room.room}",
                        seq,
                        before,
                        kind="room.leave",
                        auth=[bytes.fromhex(mine)],
                        hlc=(now(), seq),
                    )
                )
                before = id_of(leaves[-1])
            await evil.deliver(*leaves)
            await until(lambda: len(victim.service.room(room.room).members) == 1, "it is out")
            await asyncio.sleep(0.3)
            kinds = [event.kind for event in victim.service.events(limit=1000).events]
            assert kinds.count("member.remove") == 1


async def test_a_disconnected_peer_may_go_on_talking_to_itself(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            await victim.service.peer_disconnect(evil.id, "enough")
            with suppress(ConnectionError):
                for _ in range(20):
                    await evil.deliver(evil.write(streams.NODE))
            await until(lambda: evil.is_cut_off, "the link is over")
            assert evil.id not in {event.node for event in victim.service.events(limit=1000).events}
            async with browser() as session:
                again = Evil()
                again.keys, again.records = evil.keys, evil.records
                await again.dial(session, victim.url)
                await again.wait_for(Pending)
                await again.send(Ready(Introduction(again.name, "CORE")))
                await until(lambda: again.is_cut_off, "it is told again that it is over")
                await again.leave()
