"""A person grants, allows and takes back from a program."""

import pytest

from foedus.base.errors import NotFound, UsageError
from foedus.identity.ucan import parse_delegation
from foedus.sdk import Client, Device, Scope
from foedus.sdk.device import now
from foedus.sdk.granting import delegation
from foedus.surfaces.cli import delegating
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol


async def test_a_person_allows_one_act_then_more_and_takes_it_back(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        tally = await agent(oak, "tally")
        await connect(oak, elm)
        room = await share(elm, oak)
        device = Device(ada.key, ada.did, oak.node.store.node)
        async with Client(oak.url, oak.node.home.token(), device) as client:
            placed = await client.rooms.say("plans", "may I?", as_=tally)
            assert (await client.approvals.allow(placed.approval)).state == "done"
            with pytest.raises(UsageError) as twice:
                await client.approvals.allow(placed.approval)
            assert twice.value.code == "already_decided"
            assert (await client.rooms.say("plans", "and now?", as_=tally)).approval
            grant = await client.grants.create(tally, Scope(rooms=[room], uses_per_hour=5))
            assert (grant.rooms, grant.uses_per_hour, grant.issuer.did) == ([room], 5, ada.did)
            assert (await client.rooms.say("plans", "thank you", as_=tally)).id
            await client.grants.revoke(grant.id)
            assert (await client.grants.show(grant.id)).state == "revoked"
            assert (await client.rooms.say("plans", "still?", as_=tally)).approval
            with pytest.raises(NotFound):
                await client.grants.create("did:key:z6MkNobody", Scope())
        await until(lambda: elm.texts() == ["may I?", "thank you"], "both cross")


async def test_a_grant_has_the_policy_of_the_command_line(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        ada = await enrol(oak, "ada")
        device = Device(ada.key, ada.did, oak.node.store.node)
        ours = delegation(
            device, ada.did, Scope(rooms=["aa", "bb"], hosts=["cc"], domains=["d"], uses_per_hour=3, after_foreign=True)
        )
        scope = delegating.Scope("/foedus/room/speak", ["aa", "bb"], ["cc"], uses=3, after_foreign=True, domains=["d"])
        theirs = delegating.grant(ada.key, ada.did, scope, now(), bytes(16))
        one, other = parse_delegation(ours), parse_delegation(theirs)
        assert str(one.policy) == str(other.policy)
        assert (one.meta, one.command, one.subject) == (other.meta, other.command, other.subject)
        assert abs(one.expires - other.expires) <= 1
