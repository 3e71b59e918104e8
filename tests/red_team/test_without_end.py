"""What a hostile peer, participant or stranger could make grow for ever, or take all of."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp

from foedus.base.limits import BODY_MAX
from foedus.node.pruned import EARLY_MAX
from foedus.surfaces.http.limits import STREAMS_PER_PARTICIPANT
from foedus.sync.frames import Ping, Pong, Pruned
from tests.hostile.evil import Evil, villain
from tests.node.nodes import street, until
from tests.node.test_participant_tokens import bearer, custodial
from tests.red_team.ending import audited, counted


async def test_strangers_leave_no_evidence_behind_that_is_kept_for_a_year(tmp_path):
    """Each made a new identity, sent one bad frame, and was remembered for 300 days, on disk for ever."""
    async with street(tmp_path) as it, aiohttp.ClientSession() as session:
        victim = await it.add("victim")
        for _ in range(3):
            stranger = Evil()
            await stranger.dial(session, victim.url)
            await stranger.send_plain(["ping", -1])
            await until(lambda stranger=stranger: stranger.is_cut_off, "it is cut off")
            await stranger.leave()
        await audited(victim, "malformed_frame", "closed", stranger.id)
        assert not victim.node.audit.ledger._nodes


async def test_one_participant_does_not_take_the_streams_of_all(tmp_path):
    """The page of the operator, other people and peers without a link all follow by the same 256 places."""
    async with street(tmp_path) as it, aiohttp.ClientSession() as session, AsyncExitStack() as held:
        victim = await it.add("victim")
        _, hers = await custodial(victim, "greedy")
        _, his = await custodial(victim, "modest")
        events = f"{victim.url}/api/v1/events"

        async def follow(headers):
            sent = session.get(events, headers={**headers, "Accept": "text/event-stream"})
            return await held.enter_async_context(sent)

        opened = [await follow(hers) for _ in range(STREAMS_PER_PARTICIPANT)]
        assert {response.status for response in opened} == {200}
        refused = await follow(hers)
        assert (refused.status, (await refused.json())["code"]) == (503, "too_many_streams")
        before = len(asyncio.all_tasks())
        for _ in range(20):
            assert (await follow(hers)).status == 503
        assert len(asyncio.all_tasks()) < before + 20, "what was refused follows nothing"
        assert (await follow(his)).status == 200
        assert (await follow(bearer(victim.service.token))).status == 200


async def test_a_peer_that_says_it_lacks_what_nobody_knows_fills_no_memory(tmp_path):
    """4,096 answers of 64 KiB were kept, 256 MiB, until the end; those of other peers found no place then."""
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        kept = victim.node.pruned._early
        async with villain(victim) as evil:
            await evil.send(Pruned(bytes(32), f"room:{'ab' * 32}", 0, bytes(BODY_MAX)))
            await counted(victim, "bad_checkpoint")
            for start in range(0, EARLY_MAX + 8, 8):
                frames = [Pruned((start + n).to_bytes(32), f"room:{'ab' * 32}", 0, bytes(3_500)) for n in range(8)]
                await evil.send(*frames)
            await evil.send(Ping(7))
            await evil.wait_for(Pong)
            assert len(kept[evil.node]) == EARLY_MAX
        await until(lambda: not kept, "nothing of it is left when it has gone")
