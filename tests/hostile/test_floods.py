"""Much of everything from one accepted peer: memory and the event loop stay with everyone else."""

import asyncio
import secrets
import time
import tracemalloc

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.log import streams
from foedus.node import intake, outgoing
from foedus.node import records as records_module
from foedus.node.asking_again import CHAINS_MAX
from foedus.sync.frames.events import Ack, AckPosition, ChainPosition, Cursors, Events, Proof, Records, Want
from tests.hostile.evil import Evil, browser, id_of, stranger_records, villain
from tests.node.nodes import connect, share, street, until


async def slowest_answer(victim, flood):
    """Run a flood; return the longest that the node took to write something of its own meanwhile.

    That is in seconds of this process: what other processes do on the machine does not count.
    """
    room = (await victim.service.room_create("diary")).room
    worst = 0.0
    task = asyncio.create_task(flood)
    while not task.done():
        started = time.process_time()
        await victim.say("still here", room=room)
        worst = max(worst, time.process_time() - started)
        await asyncio.sleep(0.01)
    await task
    return worst


async def test_events_of_thousands_of_unknown_epochs_and_chains_cost_little_memory(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            unknown = [
                evil.write(streams.NODE, epoch=secrets.token_bytes(32), author=secrets.token_bytes(32)).encode()
                for _ in range(5_000)
            ]
            rooms = [
                evil.write(streams.pair(evil.node, secrets.token_bytes(32)), 5, bytes(32)).encode()
                for _ in range(5_000)
            ]

            async def flood():
                for start in range(0, 5_000, 250):
                    await evil.deliver(*unknown[start : start + 250])
                    await evil.deliver(*rooms[start : start + 250])
                    await evil.wait_for(Ack, 2 * (start // 250 + 1))  # within its credit

            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            worst = await slowest_answer(victim, flood())
            await asyncio.sleep(0.5)
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert not evil.is_cut_off, evil.goodbye
            assert len(victim.node.links.get(evil.node).again) <= CHAINS_MAX
            assert grown < 40_000_000, grown
            assert worst < 3, worst
            assert len(victim.node.store.admission.chains) < 20
            assert victim.service.status().authoring


async def test_a_flood_of_proofs_leaves_the_node_to_others(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            one, other = sorted((evil.write(streams.NODE) for _ in range(2)), key=id_of)
            proof = Proof(one.without_body().encode(), other.without_body().encode())

            async def flood():
                for _ in range(2_000):
                    await evil.send(proof)

            assert await slowest_answer(victim, flood()) < 2
            assert victim.service.status().contested_chains == 1
            assert len(list(victim.node.log.proofs())) == 1


async def test_strangers_with_long_histories_leave_the_node_to_others(tmp_path):
    async with street(tmp_path) as it, browser() as session:
        victim = await it.add("victim")
        evil = Evil()
        for _ in range(39):
            evil.rotate()

        async def flood():
            for _ in range(40):
                await evil.dial(session, victim.url)
                await evil.leave()

        assert await slowest_answer(victim, flood()) < 1
        assert len(victim.node.store.identities.nodes()) == 1


async def test_one_peer_cannot_fill_the_book_of_identities(tmp_path, monkeypatch):
    monkeypatch.setattr(records_module, "NODES_PER_CARRIER_MAX", 10)
    async with street(tmp_path) as it:
        victim, honest, third = [await it.add(name) for name in ("victim", "honest", "third")]
        async with villain(victim) as evil:
            fakes = stranger_records(24)
            for start in range(0, 24, 8):
                await evil.send(Records(tuple(fakes[start : start + 8])))
            await until(lambda: victim.node.records.refusals["too_many_nodes"] == 14, "the rest is dropped")
            assert not evil.is_cut_off
            await connect(honest, victim)
            await connect(third, honest)
            room = await share(honest, victim, third)
            await third.say("hello", room=room)
            await until(lambda: victim.texts(room) == ["hello"], "who writes is made known by another")
            await it.restart("victim")
            victim = it.running["victim"]
            assert victim.node.records._brought[evil.node] == 10, "and that is remembered"


async def test_more_writers_than_a_link_has_places_for_their_records_break_no_link(tmp_path, monkeypatch):
    monkeypatch.setattr(outgoing, "CONTROL_QUEUE_MAX", 24)
    monkeypatch.setattr(outgoing, "_BULKY_FRAMES", 12)
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        async with villain(alice) as evil:
            ghosts = [Evil(f"ghost {number}") for number in range(30)]
            room, events = evil.room(
                evil.node, alice.node.store.node, bob.node.store.node, *(ghost.node for ghost in ghosts)
            )
            for ghost in ghosts:
                await evil.send(Records((ghost.records[0].plain(),)))
            await until(lambda: all(alice.node.store.holds(ghost.epoch) for ghost in ghosts), "alice knows them")
            await evil.deliver(*events)
            await until(lambda: alice.node.audience.is_member(ghosts[-1].node, room.hex()), "alice sees all members")
            said = [
                ghost.write(streams.room(room), auth=[id_of(event)], body={"text": "boo"})
                for ghost, event in zip(ghosts, events[4:], strict=True)
            ]
            await evil.deliver(*said)
            await until(lambda: len(alice.texts(room.hex())) == 30, "alice has them all")
            await connect(bob, alice)
            await until(lambda: bob.service.rooms() and len(bob.texts(room.hex())) == 30, "and so has bob")
            assert bob.is_linked(alice)


async def test_more_chains_at_once_than_python_calls_deep_arrive(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        author = alice.node.author
        rooms = [secrets.token_bytes(32) for _ in range(450)]
        created = [
            [
                author.node_act(streams.members(sha256(body)), "room.create", body),
                author.node_act(
                    streams.members(sha256(body)),
                    "member.add",
                    {"node": bob.node.store.node, "participant": None, "heads": [], "role": None, "title": None},
                ),
            ]
            for body in (encode({"host": alice.node.store.node, "name": "r", "random": random}) for random in rooms)
        ]
        await author.order([draft for pair in created for draft in pair])
        await connect(bob, alice)
        await until(lambda: len(bob.service.rooms()) == 450, "bob has all rooms")
        assert not bob.node.ingest.refusals["internal"]


async def test_credit_that_is_overrun_ends_the_link(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            stuck = asyncio.Event()
            monkeypatch.setattr(victim.node.ingest, "finish", lambda _pending: stuck.wait())  # a disk that hangs
            junk = b"\0\0\x90\0" + bytes(0x9000)
            for _ in range(6):
                await evil.send(Events(junk * 13))
            await until(lambda: evil.is_cut_off, "the link ends")
            assert evil.goodbye == "credit_overrun"


async def test_batches_that_hold_nothing_do_not_pile_up(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            link = victim.node.links.get(evil.node)
            for _ in range(20_000):
                await evil.send_plain(["events", b"\0\0\0\0"])
                if evil.is_cut_off:
                    break
            assert link.intake.waiting <= intake.BACKLOG_MAX
            await until(lambda: evil.is_cut_off or victim.node.ingest.refusals["non_canonical"] == 20_000, "it ends")


async def test_lies_in_acknowledgements_harm_nobody(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        await victim.service.participant_add_custodial("scout")
        async with villain(victim) as evil:
            chain = victim.node.store.admission.chains.of_node(victim.node.store.node)[0]
            far = AckPosition(chain.epoch, chain.stream, (1 << 53) - 1)
            await evil.send(Ack((far, AckPosition(secrets.token_bytes(32), "node", 9)), 0))
            await victim.service.participant_add_custodial("clerk")
            await asyncio.sleep(0.1)
            assert not evil.is_cut_off
            assert victim.service.metrics()
            await evil.send(Ack((), 2_000_000))
            await until(lambda: evil.is_cut_off, "credit that was never out ends the link")
            assert evil.goodbye == "credit_overrun"


async def test_a_peer_that_never_returns_credit_waits_alone(tmp_path):
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(bob, victim)
        async with villain(victim) as evil:
            evil.returns_credit = False
            room = await share(victim, bob)
            await victim.service.room_share(room, evil.id)
            for number in range(120):
                await victim.say(f"{number} " + "x" * 30_000, room=room)
            await until(lambda: len(bob.texts(room)) == 120, "bob has all")
            got = sum(len(each.batch) for each in evil.got(Events))
            assert got <= 2 * 1_048_576
            assert not evil.is_cut_off


async def test_wants_and_cursors_by_the_thousand_leave_the_node_to_others(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            room = (await victim.service.room_create("plans")).room
            await victim.service.room_share(room, evil.id)
            ids = [bytes.fromhex((await victim.say(f"{number}", room=room)).id) for number in range(50)]
            epoch = victim.node.store.epoch

            async def flood():
                for _ in range(40):
                    await evil.send(Want(tuple(ids * 20)))
                    lies = [ChainPosition(epoch, f"room:{room}", seq % 50 + 1, bytes(32)) for seq in range(50)]
                    await evil.send(Cursors(tuple(lies), more=False))
                    await asyncio.sleep(0)

            assert await slowest_answer(victim, flood()) < 3
            assert victim.service.status().contested_chains == 0


async def test_a_host_that_changes_its_members_all_day_does_not_hold_up_the_others(tmp_path):
    async with street(tmp_path) as it:
        victim, bob = await it.add("victim"), await it.add("bob")
        await connect(bob, victim)
        async with villain(victim) as evil:
            for _ in range(3):
                members = [secrets.token_bytes(32) for _ in range(200)]
                _, events = evil.room(evil.node, victim.node.store.node, *members)

                async def flood(events=events):
                    for event in events:
                        await evil.deliver(event)

                assert await slowest_answer(victim, flood()) < 3


async def test_a_peer_that_leaves_in_the_middle_of_its_batches_leaves_no_work_behind(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            batch = [evil.write(streams.pair(evil.node, secrets.token_bytes(32))) for _ in range(200)]
            for _ in range(6):
                await evil.deliver(*batch)
            evil.socket._writer.transport.abort()
            await until(lambda: victim.node.links.get(evil.node) is None, "the link is over")
            await until(lambda: victim.node.ingest.checking.is_idle, "and so are its checks")
