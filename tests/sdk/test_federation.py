"""Join a federation by an address, and ask all of it."""

import asyncio

import pytest

from foedus.base.errors import Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import DAY, MINUTE, SECOND
from foedus.identity.ucan import decode_container, parse_delegation
from foedus.sdk import (
    Client,
    Device,
    FederatedMesh,
    FederationScope,
    NoDevice,
    PeerAddress,
    PlainClient,
    Question,
    WrongKey,
)
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.border import COMMANDS
from tests.node.aging import Clock
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.test_agreements_across_nodes import agree, in_force


def operator(running, person=None):
    device = Device(person.key, person.did, parse_id(running.id)) if person else None
    return Client(running.url, running.node.home.token(), device)


def address(running, key=""):
    return PeerAddress("127.0.0.1", running.server.port, key or running.id)


async def accept(running, asker):
    await until(lambda: asker.id in {it.node for it in running.service.peers_pending()}, "the request arrives")
    await running.service.peer_accept(asker.id)


async def test_joining_waits_for_the_other_side_and_returns_what_was_agreed(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        async with operator(oak, ada) as client:
            mesh = FederatedMesh(client)
            joining = asyncio.create_task(mesh.join_federation(address(elm)))
            await accept(elm, oak)
            token = await joining
            assert oak.is_linked(elm) or oak.peer(elm).state == "connected"
            assert (token.peer, token.issuer, token.audience) == (elm.id, ada.did, ada.did)
            assert set(token.commands) == set(COMMANDS)
            delegations = [parse_delegation(it) for it in decode_container(token.container.encode())]
            assert {it.command for it in delegations} == set(COMMANDS)
            assert {(it.issuer, it.subject) for it in delegations} == {(ada.did, ada.did)}
            assert all(0 <= it.expires - token.expires <= 1 for it in delegations)
            again = await mesh.join_federation(address(elm, elm.service.identity().did))
            assert (again.peer, again.agreement) == (token.peer, token.agreement)
            assert (await mesh.join_federation(address(elm, elm.service.identity().ed25519))).peer == elm.id


async def test_a_delegation_of_the_token_carries_an_agent_once_it_is_given(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        tally = await agent(oak, "tally")
        await connect(oak, elm)
        await share(elm, oak)
        async with operator(oak, ada) as client:
            token = await FederatedMesh(client).join_federation(address(elm), audience=tally)
            assert (await client.rooms.say("plans", "may I?", as_=tally)).approval
            for command, delegation in zip(token.commands, token.delegations, strict=True):
                if command == "/foedus/room/speak":
                    await client.grants.give(delegation)
            assert (await client.rooms.say("plans", "I may", as_=tally)).id
        await until(lambda: elm.texts() == ["I may"], "it crosses")


async def test_the_token_holds_what_was_agreed_and_no_longer_than_that(tmp_path):
    """Not what there is: of two commands the one that the agreement lets this side, until the agreement ends."""
    clock = Clock()
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak", clock), await nodes.add("elm", clock)
        ada = await enrol(oak, "ada")
        await connect(oak, elm)
        ends = clock() // SECOND + 3_600
        elms, oaks = SideTerms(commands=["/foedus/query/ask"]), SideTerms(commands=["/foedus/room/speak"])
        await agree(elm, oak, Terms(ours=elms, theirs=oaks, expires=ends * SECOND), ada)
        async with operator(oak, ada) as client:
            token = await FederatedMesh(client).join_federation(address(elm))
        assert token.commands == ("/foedus/room/speak",)
        (delegation,) = [parse_delegation(it) for it in token.delegations]
        assert (delegation.command, token.agreement) == ("/foedus/room/speak", in_force(oak, elm))
        assert token.expires <= ends
        assert delegation.expires <= ends + 1


async def test_a_delegation_carries_nothing_after_its_day(tmp_path):
    clock = Clock()
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak", clock), await nodes.add("elm", clock)
        ada = await enrol(oak, "ada")
        tally = await agent(oak, "tally")
        await connect(oak, elm)
        await share(elm, oak)
        async with operator(oak, ada) as client:
            token = await FederatedMesh(client).join_federation(address(elm), audience=tally)
            for command, delegation in zip(token.commands, token.delegations, strict=True):
                if command == "/foedus/room/speak":
                    await client.grants.give(delegation)
            assert (await client.rooms.say("plans", "in time", as_=tally)).id
            await until(lambda: elm.texts() == ["in time"], "it crosses")
            clock.ahead = DAY + MINUTE
            late = await client.rooms.say("plans", "too late", as_=tally)
            assert late.approval, "a person is asked again"
            assert not late.id


async def test_another_key_is_never_asked_and_only_people_join(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        async with operator(oak, ada) as client:
            for key in ("ab" * 32, oak.service.identity().did):
                with pytest.raises(WrongKey):
                    await FederatedMesh(client).join_federation(address(elm, key))
        assert elm.service.peers_pending() == []
        async with operator(oak, await enrol(oak, "tally", "agent")) as client:
            with pytest.raises(UsageError) as refused:
                await FederatedMesh(client).join_federation(address(elm))
            assert refused.value.code == "not_human"
        async with operator(oak) as client:
            with pytest.raises(NoDevice):
                await FederatedMesh(client).join_federation(address(elm))


async def test_joining_ends_at_its_deadline_and_goes_on_with_the_same_request(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        async with operator(oak, ada) as client:
            mesh = FederatedMesh(client)
            with pytest.raises(Unavailable) as late:
                await mesh.join_federation(address(elm), wait_s=0)
            assert late.value.code == "not_yet"
            await accept(elm, oak)
            assert (await mesh.join_federation(address(elm))).peer == elm.id


async def test_joining_ends_with_a_no(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        async with operator(oak, ada) as client:
            joining = asyncio.create_task(FederatedMesh(client).join_federation(address(elm)))
            await until(elm.service.peers_pending, "the request arrives")
            await elm.service.peer_decline(oak.id)
            with pytest.raises(UsageError) as refused:
                await joining
            assert refused.value.code == "not_accepted"


async def test_a_question_is_answered_by_the_federation(tmp_path):
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        bea = await enrol(elm, "bea")
        await connect(oak, elm)
        await share(elm, oak)
        await bea.say("the harbour opens at six")
        await until(lambda: oak.texts() == ["the harbour opens at six"], "it is there")
        async with operator(oak, ada) as client:
            results = await FederatedMesh(client).federated_query("harbour", FederationScope.Global(max_hops=5))
            assert [set(it.sources) for it in results] == [{oak.id, elm.id}]
            assert results[0].body["text"] == "the harbour opens at six"
            event = Question(kind="causal", event=results[0].content)
            assert await FederatedMesh(client).federated_query(event, FederationScope.Local())

        def work():
            with PlainClient(oak.url, oak.node.home.token()) as plain:
                return FederatedMesh(plain).federated_query("harbour", FederationScope.Direct())

        assert len(await asyncio.to_thread(work)) == 1
