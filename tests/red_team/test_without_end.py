"""What a hostile peer, participant or stranger could make grow for ever, or take all of."""

import aiohttp

from tests.hostile.evil import Evil
from tests.node.nodes import street, until
from tests.red_team.ending import audited


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
