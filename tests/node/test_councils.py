"""Councils of real nodes: founding, deciding, proofs, members that go away and come back."""

import asyncio
import time
from itertools import combinations

import pytest

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import decode
from foedus.base.errors import FoedusError, PeerViolation, Unavailable, UsageError
from foedus.consensus import verify_commit_proof
from foedus.consensus.machine import Get, Put
from foedus.consensus.messages import Stable, Vote
from foedus.node import council_driver
from foedus.node.council_asked import CouncilDown
from foedus.node.council_messages import read, write
from foedus.sdk import Client
from foedus.sync.frames.members import CouncilSays
from tests.node.councils import NAMES, all_hold, begun, connected, found, put, root
from tests.node.nodes import connect, street, until


async def test_what_one_proposes_is_made_at_all_and_a_proof_taken_elsewhere_verifies(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        made = await put(nodes[1], council, "colour", b"green")
        assert decode(made.result) == ["done", None]
        await all_hold(nodes, council, "colour", b"green")
        unequal = await nodes[2].node.councils.propose(council, Put("colour", b"red", (b"blue",)))
        assert decode(unequal.result) == ["unequal", b"green"]
        assert decode((await nodes[3].node.councils.propose(council, Get("colour"))).result) == ["value", b"green"]
        await until(lambda: nodes[3].node.councils.made(council, made.sequence - 1, 1), "it is in the log of another")
        proved = verify_commit_proof(await nodes[3].node.councils.proof(council, made.sequence, made.position), council)
        assert (proved.name, proved.sequence) == ("board", made.sequence)
        assert len(proved.signers) >= 3
        await until(lambda: len({root(node, council) for node in nodes}) == 1, "one state")


async def test_commits_go_on_without_the_leader_and_who_comes_back_catches_up(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "a", b"1")
        driver = nodes[0].node.councils.driver(council)
        leader = driver.membership.members[driver.replica.leader].node.hex()
        stopped = next(node for node in nodes if node.id == leader)
        left = [node for node in nodes if node is not stopped]
        await it.stop(stopped.name)
        await put(left[0], council, "b", b"2")
        await all_hold(left, council, "b", b"2")
        assert left[0].node.councils.driver(council).replica.view > 0

        back = await it.start(stopped.name)
        await until(lambda: all(back.is_linked(node) for node in left), "it is linked again", 60)
        await all_hold([back], council, "b", b"2")
        other = left[1]
        left = [left[0], left[2]]
        await it.stop(other.name)
        await put(back, council, "c", b"3")
        await all_hold([back, *left], council, "c", b"3")


async def test_a_process_that_stands_still_hears_the_others_before_it_leaves_their_view(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        asked = asyncio.ensure_future(put(nodes[1], council, "k", b"1"))
        for _ in range(3):
            await asyncio.sleep(0.004)
            time.sleep(0.6)  # noqa: ASYNC251  # longer than a member is patient
        await asked
        assert {node.node.councils.driver(council).replica.view for node in nodes} == {0}


async def test_all_go_on_from_what_they_kept(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        for number in range(10):
            await put(nodes[number % 4], council, f"k{number}", b"%d" % number)
        await all_hold(nodes, council, "k9", b"9")
        for name in NAMES:
            await it.stop(name)
        again = [await it.start(name) for name in NAMES]
        await until(lambda: all(a.is_linked(b) for a, b in combinations(again, 2)), "all are linked", 60)
        await all_hold(again, council, "k9", b"9")
        await put(again[2], council, "k10", b"10")
        await all_hold(again, council, "k10", b"10")


async def test_fewer_than_four_are_told_why_not_and_what_works(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        with pytest.raises(UsageError, match="no fault can be tolerated") as refused:
            await alice.node.councils.foundings.create("board", [bob.node.store.node])
        assert "agreement" in refused.value.remedy


async def test_nobody_begins_before_all_have_joined(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        held = await nodes[0].node.councils.foundings.create("board", [node.node.store.node for node in nodes[1:]])
        council = held.founding.id
        for node in nodes[1:3]:
            await until(lambda node=node: node.node.councils.foundings.held(council), "it is asked")
            await node.node.councils.join(council)
        await until(lambda: len(nodes[0].node.councils.foundings.held(council).signatures) == 3, "three have signed")
        with pytest.raises(UsageError, match="1 of its members"):
            nodes[0].node.councils.driver(council)
        again = await it.restart("dora")
        await again.node.councils.join(council)
        running = [*nodes[:3], again]
        await until(lambda: all(begun(node, council) for node in running), "all have begun", 60)
        await asyncio.gather(*(put(node, council, node.name, b"here") for node in running))
        for node in running:
            await all_hold(running, council, node.name, b"here")


async def test_a_disk_that_fails_stops_the_member_alone_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(council_driver, "RETRY_S", 0.05)
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "a", b"1")
        bob = nodes[1]
        await all_hold([bob], council, "a", b"1")
        keep, sent = bob.node.store.keep, []
        carry = bob.node.councils.carrier.send
        monkeypatch.setattr(bob.node.store, "keep", fail)
        monkeypatch.setattr(bob.node.councils.carrier, "send", lambda *args: sent.append(args) or carry(*args))
        await put(nodes[0], council, "b", b"2")
        await until(lambda: is_down(bob, council), "the member without a disk stops")
        assert not [data for _, _, data in sent if isinstance(read(data), Vote)]
        with pytest.raises(FoedusError):
            await put(bob, council, "c", b"3")
        monkeypatch.setattr(bob.node.store, "keep", keep)
        await put(nodes[2], council, "d", b"4")
        await until(lambda: not is_down(bob, council), "it goes on")
        await all_hold(nodes, council, "d", b"4")
        await until(lambda: len({root(node, council) for node in nodes}) == 1, "one state")


async def fail(_commit):
    raise Unavailable("the disk is full")


def is_down(node, council):
    try:
        return not node.node.councils.driver(council).replica
    except CouncilDown:
        return True


async def test_what_no_member_says_is_passed_over_and_what_is_no_message_ends_the_link(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        eve = await it.add("eve")
        await connect(eve, nodes[0])
        alice = nodes[0]
        driver = alice.node.councils.driver(council)
        link = eve.node.links.get(alice.node.store.node)
        vote = write(Vote("checkpoint", 0, 64, bytes(32), 1, bytes(64)))
        link.control(CouncilSays(driver.membership.id, vote))
        link.control(CouncilSays(bytes(32), vote))
        other = nodes[1].node.links.get(alice.node.store.node)
        other.control(CouncilSays(driver.membership.id, vote))
        await until(lambda: driver.refused.total() == 1, "a vote without signature is refused")
        assert eve.is_linked(alice)
        link.control(CouncilSays(bytes(32), b"\xff"))
        await until(lambda: link.closing is not None, "the link ends")
        await put(nodes[2], council, "a", b"1")


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80", b"\x81\x64vote", write(Stable(1, bytes(32), ())) + b"\x00"])
def test_what_is_no_message_is_refused(data):
    with pytest.raises(PeerViolation):
        read(data)


async def test_programs_found_a_council_propose_to_it_and_take_a_proof(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        async with Client(nodes[0].url, nodes[0].node.home.token()) as client:
            made = await client.councils.create("board", [node.id for node in nodes[1:]])
            assert made.state == "waiting"
            for node in nodes[1:]:
                await until(lambda node=node: node.service.council("board").state == "asked", "it is asked")
                await node.service.council_join("board")
            await until(lambda: all(node.service.council("board").state == "running" for node in nodes), "all begin")
            decision = await client.councils.put("board", "k", b"v")
            assert decision.outcome == "done"
            assert (await client.councils.put("board", "k", b"x", if_value=[None])).outcome == "unequal"
            assert (await client.councils.get("board", "k")).value == to_base64url(b"v")
            proof = await client.councils.proof("board", decision.sequence, position=decision.position)
            file = from_base64url(proof.proof)
            assert verify_commit_proof(file).council.hex() == made.id
            shown = await client.councils.verify(file, council=made.id)
            assert (shown.key, shown.value, shown.sequence) == ("k", to_base64url(b"v"), decision.sequence)
            assert len(shown.signers) >= made.quorum
            for bad, council in ((file, "ab" * 32), (file[:-1], ""), (b"", "")):
                with pytest.raises(FoedusError) as refused:
                    await client.councils.verify(bad, council=council)
                assert refused.value.code == "proof_failed"
            log = await client.councils.log("board")
            assert [it.outcome for it in log] == ["done", "unequal", "value"]
        await all_hold(nodes, bytes.fromhex(made.id), "k", b"v")
        assert nodes[3].service.council_held("board", "k").value == to_base64url(b"v")
