"""An accepted peer that lies: whatever it sends is refused with a code, and its link and everyone else's go on."""

import asyncio
import secrets

from foedus.crypto.ed25519 import Ed25519Key
from foedus.log import streams
from foedus.sync.frames.events import ChainPosition, Cursors, Events
from foedus.sync.positions import CHAINS_MAX
from tests.hostile.evil import id_of, now, villain
from tests.node.nodes import entries, street, until


def held(victim, envelope):
    return bool(victim.node.log.by_ids([id_of(envelope)]))


async def refused(victim, evil, code, *envelopes):
    """Deliver what must be refused, and see that valid events behind it are taken on the same link."""
    before = victim.node.ingest.refusals[code]
    await evil.deliver(*envelopes)
    await until(lambda: victim.node.ingest.refusals[code] > before, f"{code} is counted")
    assert not [each for each in envelopes if held(victim, each)]
    assert not evil.is_cut_off, evil.goodbye


async def test_an_altered_byte_anywhere_in_an_envelope_is_refused(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            device = Ed25519Key(secrets.token_bytes(32))
            room, events = evil.room(evil.node, victim.node.store.node)
            await evil.deliver(*events)
            await until(lambda: held(victim, events[-1]), "the room is there")
            start = entries(victim.node)
            honest = evil.write(streams.room(room), body={"text": "hi"}, auth=[id_of(events[1])], device=device)
            data = honest.encode()
            for place in range(len(data)):
                altered = bytearray(data)
                altered[place] ^= 1 << (place % 8)
                await evil.deliver(bytes(altered))
            await until(lambda: sum(victim.node.ingest.refusals.values()) >= len(data), "each is refused")
            assert entries(victim.node) == start
            await evil.deliver(honest)
            await until(lambda: held(victim, honest), "the honest one is taken behind them")


async def test_a_stream_name_of_no_known_form_is_refused_and_the_link_goes_on(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            await refused(victim, evil, "malformed_event", evil.write("gossip:everyone"))
            good = evil.write(streams.NODE, kind="node.profile", body={"name": "m", "endpoints": []})
            await evil.deliver(good)
            await until(lambda: held(victim, good), "the next is taken")


async def test_a_tier_of_no_known_name_is_told_off_and_nothing_breaks(tmp_path, caplog):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            await evil.send_plain(["tier", "EMPEROR"])
            await until(lambda: evil.is_cut_off, "the link ends")
            assert evil.goodbye == "malformed_frame"
    assert "Traceback" not in caplog.text


async def test_more_chains_than_a_link_remembers_stop_that_link_and_no_author(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            known = victim.node.links.get(evil.node).session._exchange.positions
            while room := CHAINS_MAX - len(known):
                count = min(room, 990)
                junk = [ChainPosition(secrets.token_bytes(32), "node", 1, bytes(32)) for _ in range(count)]
                await evil.send(Cursors(tuple(junk), more=False))
                await until(lambda room=room, count=count: CHAINS_MAX - len(known) == room - count, "they are taken")
            async with asyncio.timeout(5):
                await victim.service.participant_add_custodial("scout")
            await until(lambda: evil.is_cut_off, "the link has no room for our own new chain")
            assert evil.goodbye == "too_many_chains"


async def test_events_by_another_key_and_of_other_writers_are_refused(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with villain(victim) as evil:
            thief = Ed25519Key(secrets.token_bytes(32))
            await refused(victim, evil, "invalid_signature", evil.write(streams.NODE, signer=thief))
            own = victim.node.store
            await refused(
                victim, evil, "invalid_signature", evil.write(streams.NODE, epoch=own.epoch, author=own.node, seq=9)
            )
            alien = streams.pair(secrets.token_bytes(32), secrets.token_bytes(32))
            await refused(victim, evil, "not_permitted", evil.write(alien))
            other = streams.room(secrets.token_bytes(32))
            await refused(victim, evil, "missing_prev", evil.write(other))


async def test_clocks_that_lie(tmp_path):
    async with street(tmp_path) as it:
        clock = [0]
        victim = await it.add("victim", lambda: now() + clock[0])
        async with villain(victim) as evil:
            early = evil.write(
                streams.NODE, kind="node.profile", body={"name": "m", "endpoints": []}, at=now() + 120_000_000
            )
            await refused(victim, evil, "excessive_drift", early)
            clock[0] = 70_000_000
            await evil.deliver(early)
            await until(lambda: held(victim, early), "its time has come")
            for hlc in ((now(), 5), (now() - 86_400_000_000, 0)):
                late = evil.write(streams.NODE, 2, id_of(early), hlc=hlc)
                await refused(victim, evil, "hlc_not_growing", late)
            await evil.send_plain(["events", b"\x00\x00\x00\x00"])
            await until(lambda: victim.node.ingest.refusals["non_canonical"], "an empty envelope is refused")
            assert not evil.is_cut_off


async def test_claims_to_be_ahead_in_our_own_chains_open_no_epoch(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        await victim.service.participant_add_custodial("scout")
        async with villain(victim) as evil:
            store = victim.node.store
            lies = [
                ChainPosition(chain.epoch, chain.stream, seq, secrets.token_bytes(32))
                for chain in store.admission.chains
                for seq in (chain.seq, chain.seq + 1, (1 << 53) - 1)
            ]
            await evil.send(Cursors(tuple(lies), more=False))
            await asyncio.sleep(0.5)
            assert victim.service.status().authoring
            assert store.record.record.n == 0
            assert victim.service.status().contested_chains == 0
            assert not [each for each in evil.got(Events) if not each.batch]
