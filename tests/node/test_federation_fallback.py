"""No link opens, since what stands between refuses WebSockets: a node uses SSE, then pull, and pushes by POST."""

import asyncio

import pytest

from foedus.node import fallback, fallback_peer, redialler
from tests.node.federated import LINK, ROOT, STREAM, two_connected
from tests.node.nodes import share, until
from tests.node.people import enrol
from tests.node.questions import ask, codes, outcomes

BOTH = ("alice", "bob")
EVENTS = f"{ROOT}/events"


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(fallback_peer, "POLL_FIRST_S", 0.1)
    monkeypatch.setattr(fallback_peer, "POLL_MAX_S", 0.4)
    monkeypatch.setattr(fallback, "FAILED_DIALS", 1)
    monkeypatch.setattr(fallback, "_LOOK_S", 0.1)
    monkeypatch.setattr(redialler, "_LINKED_PAUSE_S", 0.2)


async def refuse(it, *paths):
    for proxy in it.proxies.values():
        await proxy.refuse(*paths)


def kinds(alice, bob):
    return alice.peer(bob).link, bob.peer(alice).link


async def test_without_a_link_events_flow_by_sse_both_ways_until_one_opens(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK, f"{ROOT}/frames")
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        await bob.say("by sse")
        await until(lambda: alice.texts() == ["by sse"], "alice hears")
        await alice.say("so do I")
        await until(lambda: bob.texts() == ["by sse", "so do I"], "bob hears")
        assert alice.node.peers.last_seen[bob.node.store.node] > 0
        answers = await ask(alice, "sse")
        assert (outcomes(answers)["bob"], codes(answers)["bob"]) == ("unreachable", "no_link")
        await refuse(it)
        alice.node.links.redialler.kick(bob.node.store.node)
        await until(lambda: kinds(alice, bob) == ("link", "link"), "a link opens again", 30)
        await until(lambda: not alice.node.fallback._workers and not bob.node.fallback._workers, "HTTP is left alone")
        for proxy in it.proxies.values():
            proxy.seen.clear()
        await bob.say("by link")
        await until(lambda: alice.texts()[-1] == "by link", "alice hears")
        await asyncio.sleep(1.0)
        assert not [path for proxy in it.proxies.values() for _, path in proxy.seen if path in {STREAM, EVENTS}]


async def test_without_streams_too_a_node_pulls(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK, STREAM)
        await until(lambda: kinds(alice, bob) == ("pull", "pull"), "both pull", 30)
        await bob.say("by pull")
        await until(lambda: alice.texts() == ["by pull"], "alice hears")
        await alice.say("so do I")
        await until(lambda: bob.texts() == ["by pull", "so do I"], "bob hears")
        ada = await enrol(alice, "ada")
        await until(lambda: bob.service.participants("ada"), "bob knows ada")
        await ada.say("signed")
        await until(lambda: bob.texts()[-1:] == ["signed"], "bob hears ada")
        assert bob.service.messages("plans").messages[-1].verified


async def test_a_stream_that_is_cut_falls_back_to_pull_and_loses_nothing(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        await bob.say("one")
        await until(lambda: alice.texts() == ["one"], "alice hears")
        await refuse(it, LINK, STREAM)
        await bob.say("two")
        await until(lambda: kinds(alice, bob) == ("pull", "pull"), "both pull", 30)
        await until(lambda: alice.texts() == ["one", "two"], "nothing is lost")


async def test_one_that_cannot_be_reached_is_pushed_to_and_pulled_from(tmp_path):
    """Only bob has an address; alice alone reads and pushes."""
    async with two_connected(tmp_path, behind=("bob",)) as (it, alice, bob):
        bob.node.peers.urls = lambda _node: []
        await share(bob, alice)
        await refuse(it, LINK)
        await until(lambda: alice.peer(bob).link == "sse", "alice reads", 30)
        await alice.say("pushed")
        await until(lambda: bob.texts() == ["pushed"], "bob hears")
        await bob.say("pulled")
        await until(lambda: alice.texts() == ["pushed", "pulled"], "alice hears")
        assert bob.peer(alice).link == "none"


async def _mistake():
    raise RuntimeError("a mistake")


async def test_a_worker_that_fails_by_a_mistake_of_ours_is_begun_anew(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        workers, peer = alice.node.fallback._workers, bob.node.store.node
        worker, task = workers[peer]
        task.cancel()
        failed = asyncio.create_task(_mistake())
        workers[peer] = (worker, failed)
        await until(lambda: workers.get(peer, (None, failed))[1] is not failed, "another begins", 30)
        await bob.say("still heard")
        await until(lambda: alice.texts() == ["still heard"], "alice hears", 30)


async def test_cursors_are_kept_over_a_restart(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK, STREAM)
        await until(lambda: kinds(alice, bob) == ("pull", "pull"), "both pull", 30)
        for number in range(20):
            await bob.say(str(number))
        await until(lambda: len(alice.texts()) == 20, "alice has them")
        await it.stop("alice")
        await bob.say("while you were away")
        back = await it.start("alice")
        before = back.node.ingest.checked
        await until(lambda: back.texts()[-1] == "while you were away", "alice catches up", 30)
        assert back.node.ingest.checked - before < 10


async def test_a_new_room_and_its_history_arrive_without_a_link(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        await share(bob)
        await bob.say("old")
        await bob.service.room_share("plans", "alice")
        await until(alice.service.rooms, "the room arrives")
        await until(lambda: alice.texts() == ["old"], "with its history")


async def test_a_rotation_is_made_known_without_a_link(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        await alice.service.key_rotate()
        await alice.say("with new keys")
        await until(lambda: bob.texts() == ["with new keys"], "bob follows", 30)
        await bob.say("welcome")
        await until(lambda: alice.texts()[-1] == "welcome", "and alice hears", 30)


async def test_a_disconnected_or_paused_peer_is_left_alone(tmp_path):
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await share(bob, alice)
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        await bob.service.peer_pause("alice")
        await until(lambda: bob.peer(alice).link == "none", "bob stops")
        await bob.say("later")
        await asyncio.sleep(0.5)
        assert alice.texts() == []
        await bob.service.peer_resume("alice")
        await until(lambda: alice.texts() == ["later"], "it comes", 30)
        await bob.service.peer_disconnect("alice")
        await bob.say("never")
        await asyncio.sleep(1.0)
        assert alice.texts() == ["later"]


async def test_who_reads_over_http_alone_is_told_what_was_pruned(tmp_path):
    """Only links said so: what came after the gap was put off for ever."""
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await refuse(it, LINK)
        await until(lambda: kinds(alice, bob) == ("sse", "sse"), "both read streams", 30)
        room = (await bob.service.room_create("plans")).room
        for number in range(5):
            await bob.say(f"old {number}")
        await bob.node.checkpointer._write((bob.node.store.epoch, f"room:{room}"), bob.node.store.now())
        assert (await bob.node.retention.prune({"room": 0})).events == 5
        await bob.say("new")
        await bob.service.room_share("plans", alice.id)
        await until(lambda: alice.texts() == ["new"], "alice begins behind the gap", 30)
        (gap,) = alice.node.log.gaps()
        assert (gap.after, gap.seq) == (0, 5)
        assert (await alice.service.verify()).ok


async def test_who_is_only_pushed_to_is_told_what_was_pruned(tmp_path):
    """Who cannot reach the other at all never asked it: what came after the gap was put off for ever."""
    async with two_connected(tmp_path, behind=BOTH) as (it, alice, bob):
        await it.proxies["alice"].refuse(LINK)
        await it.proxies["bob"].refuse(LINK, STREAM, EVENTS, f"{ROOT}/pruned", f"{ROOT}/records")
        await until(lambda: kinds(alice, bob) == ("none", "sse"), "alice reaches nobody", 30)
        room = (await bob.service.room_create("plans")).room
        for number in range(5):
            await bob.say(f"old {number}")
        await bob.node.checkpointer._write((bob.node.store.epoch, f"room:{room}"), bob.node.store.now())
        assert (await bob.node.retention.prune({"room": 0})).events == 5
        await bob.say("new")
        await bob.service.room_share("plans", alice.id)
        await until(lambda: alice.texts() == ["new"], "alice begins behind the gap", 60)
        (gap,) = alice.node.log.gaps()
        assert (gap.after, gap.seq) == (0, 5)
