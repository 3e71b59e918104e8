"""One peer sends more than anyone reads. It loses its link or waits; everyone else is served as before."""

import secrets

from foedus.base.errors import FoedusError
from foedus.log import streams
from tests.hostile.evil import villain
from tests.node.federated import ask, two_connected
from tests.node.nodes import connect, share, street, until
from tests.node.paired import Device
from tests.node.people import agent
from tests.node.test_rates import limit
from tests.red_team.ending import audited, counted, ends


async def test_a_flood_of_events_beyond_its_credit(tmp_path):
    async with street(tmp_path) as it:
        victim, friend = await it.add("victim"), await it.add("friend")
        await connect(friend, victim)
        await share(victim, friend)
        async with villain(victim) as evil:
            junk = [
                evil.write(streams.NODE, epoch=secrets.token_bytes(32), author=secrets.token_bytes(32))
                for _ in range(250)
            ]
            for _ in range(40):
                if evil.is_cut_off:
                    break
                await evil.deliver(*junk)
            await until(lambda: evil.is_cut_off, "the link ends")
            assert evil.goodbye == "credit_overrun"
            row = await ends(victim, "credit_overrun", "closed", evil.id)
            assert row.act == "link"
            assert [each.kind for each in victim.service.peer(evil.id).evidence] == ["flood"]
            await friend.say("all well here")
            await until(lambda: victim.texts() == ["all well here"], "the friend is heard")


async def test_a_flood_of_requests_over_http(tmp_path):
    async with two_connected(tmp_path) as (it, flooder, victim):
        limit(it, "bob", federation_per_peer="5/hour")
        answers = []
        for _ in range(30):
            try:
                answers.append((await ask(flooder, victim, "GET", "/status")).status)
            except FoedusError as error:
                answers.append(error.code if "federation_per_peer" in str(error) else str(error))
        assert answers == [200] * 5 + ["rate_limited"] * 25
        row = await ends(victim, "rate_limited", "refused", flooder.id)
        assert (row.act, row.subject) == ("federation", "GET /api/federation/status")
        assert (await ask(victim, flooder, "GET", "/status")).status == 200


async def test_an_agent_that_talks_without_a_pause(tmp_path):
    async with street(tmp_path) as it:
        north = await it.add("north")
        did = await agent(north, "parrot")
        await north.service.room_create("plans")
        limit(it, "north", speech_per_participant="5/minute")
        token = (await north.service.token_issue("parrot", "")).token
        door, head = Device(north), {"Authorization": f"Bearer {token}"}
        answers = [await door.send("POST", "/api/v1/rooms/plans/messages", {"text": "again"}, head) for _ in range(30)]
        assert [status for status, _ in answers] == [201] * 5 + [429] * 25
        assert answers[-1][1]["code"] == "rate_limited"
        assert answers[-1][1]["remedy"]
        await counted(north, "speech_per_participant")
        await audited(north, "rate_limited", "refused", did)
        assert len(north.texts()) == 5
