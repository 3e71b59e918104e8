"""What a hostile peer, participant or stranger could make grow for ever, or take all of."""

import asyncio
import secrets
from contextlib import AsyncExitStack

import aiohttp
import pytest

from foedus.base.errors import FoedusError
from foedus.base.limits import BODY_MAX
from foedus.log import control, erasures, rests, streams, waiting
from foedus.node import author_bounds
from foedus.node.pruned import EARLY_MAX
from foedus.surfaces.http.limits import STREAMS_PER_PARTICIPANT
from foedus.sync.frames.events import Pruned
from foedus.sync.frames.keeping import Ping, Pong
from tests.hostile.evil import Evil, villain
from tests.node.nodes import connect, share, street, until
from tests.node.people import enrol
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


async def test_an_agent_that_writes_all_day_does_not_keep_a_withdrawal_from_peers(tmp_path, monkeypatch):
    """Peers hold 32 MiB of what a node says of who may do what. One agent filled them in seconds, with grants of its
    own: from then on no peer took a revocation of that node any more, not even of the agent's own grant."""
    monkeypatch.setattr(control, "CONTROL_BYTES_PER_NODE_MAX", 256_000)
    monkeypatch.setattr(author_bounds, "AGENT_BYTES_MAX", 64_000)
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(b, "ada"), await enrol(b, "scout", "agent")
        await connect(b, a)
        await share(a, b)
        granted = await ada.give(scout.did)
        refused = None
        for _ in range(160):
            try:
                await scout.give(ada.did)
            except FoedusError as error:
                refused = error
                break
        await ada.take_back(granted)
        held = a.node.store.admission.authority.participants
        await until(lambda: held[bytes.fromhex(b.id), ada.did].withdrawals, "the withdrawal arrives")
        assert refused is not None
        assert (refused.code, refused.http_status, bool(refused.remedy)) == ("stream_full", 409, True)
        await audited(b, "stream_full", "refused", scout.did)
        assert not a.service.status().refused.get("over_quota")


async def test_what_was_taken_back_takes_no_room_any_more(tmp_path, monkeypatch):
    """Grants counted for ever, so after some thousand approvals nobody of the node could allow anything any more."""
    monkeypatch.setattr(author_bounds, "HUMAN_BYTES_MAX", 16_000)
    monkeypatch.setattr(rests, "REST_AFTER", 0)
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(b, "ada"), await enrol(b, "scout", "agent")
        await connect(b, a)
        granted = [await ada.give(scout.did)]
        await ada.take_back(granted[0])
        for _ in range(15):
            granted.append(await ada.give(scout.did))
            await ada.take_back(granted[-1])
        head = next(chain for chain in b.node.store.admission.chains if chain.stream == f"participant:{ada.did}")
        there = a.node.store.admission.chains
        await until(lambda: there.get(head.key) and there.get(head.key).seq == head.seq, "all of it arrives")
        held = b.node.store.admission.authority.participants[bytes.fromhex(b.id), ada.did].grants
        assert {grant.id.hex() for grant in held.values()} <= {granted[-1]}
        assert b.service.grant(granted[0]).state == "revoked"


async def test_an_agent_that_erases_what_is_not_there_does_not_silence_its_node(tmp_path, monkeypatch):
    """Peers hold 65,536 ids that the erasures of a node name. One agent in a room names them in 1,024 acts; the next
    erasure of its node waited at every peer for ever, and behind it all that its node said in that room."""
    for module in (erasures, author_bounds):
        monkeypatch.setattr(module, "TARGETS_PER_NODE_MAX", 640)
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        await connect(b, a)
        await share(a, b)
        stream = streams.room(b.service._rooms.find("plans").id)

        def erase():
            targets = [secrets.token_bytes(32) for _ in range(64)]
            return ada.act(
                stream, "event.erase", {"targets": targets, "reason": "author"}, [ada.enrolment, ada.membership()]
            )

        with pytest.raises(FoedusError) as refused:
            await b.service.say_signed_batch("plans", [erase() for _ in range(12)])
        assert refused.value.code == "too_many_erasures"
        for _ in range(5):
            await b.service.say_signed("plans", erase())
        with pytest.raises(FoedusError) as refused:
            await b.service.say_signed("plans", erase())
        assert (refused.value.code, refused.value.http_status) == ("too_many_erasures", 409)
        await ada.say("still heard")
        await until(lambda: a.texts() == ["still heard"], "it arrives")
        await audited(b, "too_many_erasures", "refused", ada.did)
        assert not a.service.status().refused.get("over_quota")


async def test_an_agent_that_cites_what_peers_may_not_see_does_not_silence_its_node(tmp_path, monkeypatch):
    """Peers let 10,000 citations of one node wait for what they do not hold, and put off the next act that has one.
    Who stands in two rooms cites in the one what was said in the other: its node's own check found it at hand."""
    monkeypatch.setattr(waiting, "PENDING_MAX", 20)
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        await connect(b, a)
        await share(a, b)
        await b.service.room_create("home")
        private = [bytes.fromhex((await ada.say(f"{n}", room="home")).id) for n in range(14)]
        other = ada.membership("home")
        codes = []
        for grants in (private, private, private, private, [other]):
            try:
                await ada.say("who may know this?", grants=grants)
            except FoedusError as error:
                codes.append((error.code, error.http_status))
        await ada.say("still heard")
        await until(lambda: "still heard" in a.texts(), "it arrives")
        assert codes == [("cites_elsewhere", 403)] * 5
        await audited(b, "cites_elsewhere", "refused", ada.did)
