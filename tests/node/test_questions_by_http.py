"""No link opens: questions, calls and what belongs to them go by HTTP, to the same judges, within the same bounds."""

import asyncio
import json
import secrets
from itertools import pairwise

import pytest

from foedus.adapters.federation_client import Refused
from foedus.base.limits import KEEPALIVE_TIMEOUT, MINUTE
from foedus.node import fallback, fallback_peer, lines, redialler
from foedus.node.call_forms import CallsMade
from foedus.node.federation import Federation
from foedus.node.federation_values import PARCEL_TYPE
from foedus.node.ports import FederationRequest
from foedus.surfaces.cli.delegating import Scope
from foedus.sync.frames.codec import encode_frame
from foedus.sync.frames.keeping import Ping
from foedus.sync.frames.questions import Answered, Query, Results
from foedus.sync.parcels import PARCEL_MAX, Parcel, decode_parcel, encode_parcel, read_frames
from foedus.trust.border import ASK, CALL
from foedus.trust.standing import Standing
from tests.node.callees import answer, calling, offer, take
from tests.node.federated import LINK, ROOT, STREAM, federated_street, send, signed_headers, two_connected
from tests.node.federated import ask as request
from tests.node.nodes import connect, until
from tests.node.people import agent, enrol
from tests.node.questions import ask, codes, outcomes, raw, remember, texts

FRAMES = f"{ROOT}/frames"


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(fallback_peer, "POLL_FIRST_S", 0.1)
    monkeypatch.setattr(fallback, "FAILED_DIALS", 1)
    monkeypatch.setattr(fallback, "_LOOK_S", 0.1)
    monkeypatch.setattr(redialler, "_LINKED_PAUSE_S", 0.2)


async def refuse(it, *paths):
    for proxy in it.proxies.values():
        await proxy.refuse(*paths)


def way(running, other):
    """Return how questions go from one node to another."""
    line = running.node.lines.get(other.node.store.node)
    return None if line is None else type(line).__name__


async def without_a_link(it, *running, also=()):
    """Let no link open, and wait until all of these are linked by HTTP in a row."""
    await refuse(it, LINK, *also)
    for one, other in pairwise(running):
        await until(lambda one=one, other=other: way(one, other) == way(other, one) == "HttpLine", "they talk", 30)


@pytest.fixture
async def two(tmp_path, request):
    """Alice and bob without a link; of bob alone there is an address, unless all are ``behind`` proxies."""
    behind = getattr(request, "param", ("bob",))
    async with federated_street(tmp_path, behind=behind) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        ann = await enrol(alice, "ann")
        await connect(alice, bob)
        if len(behind) == 1:
            bob.node.peers.urls = lambda _node: []
        await without_a_link(it, alice, bob)
        yield ann, alice, bob


@pytest.mark.parametrize("two", [("bob",), ("alice", "bob")], ids=["one-reaches", "both-reach"], indirect=True)
async def test_questions_go_both_ways_without_a_link(two):
    _, alice, bob = two
    remember(alice, "the lamp of alice")
    remember(bob, *(f"the lamp {number} of bob" for number in range(100)))
    for asker, other in ((alice, "bob"), (bob, "alice")):
        answers = await ask(asker, "lamp", results=200)
        assert outcomes(answers) == {"alice": "answered", "bob": "answered"}, other
        assert len(answers.results) == 101
        assert len(texts(answers)) == 101
    assert bob.node.queries.under_way == 0


async def test_an_agents_question_stands_on_its_grant_and_is_judged_and_written_down(two):
    ann, alice, bob = two
    asker = await agent(alice, "asker")
    memory = remember(bob, "lamp")
    judged = []
    bob.node.queries.on_judged = lambda *what: judged.append(what)
    await ann.give(asker, Scope(ASK, after_foreign=True))
    assert outcomes(await ask(alice, "lamp", as_=asker, wait_ms=20_000))["bob"] == "answered"
    await bob.service.peer_pause("alice")
    answers = await ask(alice, "lamp", as_=asker, wait_ms=20_000)
    assert (outcomes(answers)["bob"], codes(answers)["bob"]) == ("refused", "paused")
    peer = alice.node.store.node
    assert judged == [(peer, "text", ""), (peer, "", "paused")]
    assert len(memory.asked) == 1


async def test_a_question_given_up_ends_at_the_other_node(two):
    _, alice, bob = two
    memory = remember(bob, "lamp", delay_s=600)
    asking = asyncio.create_task(ask(alice, "lamp", wait_ms=50_000))
    await until(lambda: memory.asked, "bob looks")
    asking.cancel()
    await until(lambda: bob.node.queries.under_way == 0, "bob looks no more")


async def test_an_agent_is_called_and_both_sides_sign_without_a_link(two):
    ann, a, b = two
    caller, callee = await agent(a, "caller"), await agent(b, "callee")
    b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
    await ann.give(caller, Scope(CALL, after_foreign=True))
    capability = await offer(b, callee)
    made = calling(a, capability, as_=caller)
    await answer(b, callee)
    view = await made
    assert (view.outcome, view.output) == ("result", {"said": "hello"})
    held = lambda: b.node.calls.life.record(bytes.fromhex(view.call))  # noqa: E731
    await until(lambda: held().countersig is not None, "the callee holds the caller's signature")
    made = calling(a, capability)
    await take(b, callee)
    a.service.call_cancel(a.service.calls_made(CallsMade())[0].call)
    assert (await made).outcome == "cancelled"


async def test_results_of_a_node_behind_come_with_its_identity(tmp_path):
    async with federated_street(tmp_path, behind=("alice", "bob", "carol")) as it:
        nodes = [await it.add(name) for name in ("alice", "bob", "carol")]
        alice, bob, carol = nodes
        await connect(alice, bob)
        await connect(bob, carol)
        for node in nodes:
            remember(node, f"the lamp of {node.name}")
        await without_a_link(it, *nodes)
        answers = await ask(alice, "lamp", scope="global", hops=2)
        assert texts(answers) == ["the lamp of alice", "the lamp of bob", "the lamp of carol"]


async def test_what_is_lost_on_the_way_is_said_again_and_heard_once(tmp_path):
    """The answer to an exchange is lost: whether the other side heard it cannot be known."""
    async with two_connected(tmp_path, behind=("bob",)) as (it, alice, bob):
        bob.node.peers.urls = lambda _node: []
        await without_a_link(it, alice, bob)
        memory = remember(bob, "lamp")
        call, lost = alice.node.client.call, []

        async def lossy(door, query, key_of=None):
            answer = await call(door, query, key_of)
            if query.path == FRAMES and "hold" not in query.parameters and not lost:
                lost.append(query)
                raise Refused("lost on the way", code="lost", http_status=502)
            return answer

        alice.node.client.call = lossy
        answers = await ask(alice, "lamp", wait_ms=30_000)
        assert (outcomes(answers)["bob"], len(lost)) == ("answered", 1)
        assert len(memory.asked) == 1
        assert bob.node.queries.refused.total() == 0


async def test_whose_line_falls_silent_is_lost_and_named(tmp_path):
    async with two_connected(tmp_path, behind=("bob",)) as (it, alice, bob):
        bob.node.peers.urls = lambda _node: []
        await without_a_link(it, alice, bob)
        remember(bob, "lamp", delay_s=600)
        asking = asyncio.create_task(ask(alice, "lamp", wait_ms=50_000))
        await until(lambda: bob.node.queries.under_way == 1, "bob looks")
        await refuse(it, LINK, FRAMES)

        def is_lost():
            for running, other in ((alice, bob), (bob, alice)):
                running.node.lines.http(other.node.store.node).last_heard -= 2 * KEEPALIVE_TIMEOUT
            return asking.done()

        await until(is_lost, "who asked is told")
        assert outcomes(await asking)["bob"] == "lost"
        await until(lambda: bob.node.queries.under_way == 0, "bob looks no more")
        answers = await ask(alice, "lamp")
        assert (outcomes(answers)["bob"], codes(answers)["bob"]) == ("unreachable", "no_link")


async def test_a_restarted_node_is_spoken_with_anew(tmp_path):
    async with two_connected(tmp_path, behind=("alice", "bob")) as (it, alice, bob):
        await without_a_link(it, alice, bob)
        remember(bob, "lamp")
        assert outcomes(await ask(alice, "lamp"))["bob"] == "answered"
        back = await it.restart("bob")
        remember(back, "lamp")
        await until(lambda: way(alice, back) == way(back, alice) == "HttpLine", "they talk again", 30)

        async def answered():
            return outcomes(await ask(alice, "lamp", wait_ms=2_000)).get("bob") == "answered"

        for _ in range(20):
            if await answered():
                break
        else:
            pytest.fail("bob never answers")


async def test_once_a_link_opens_http_is_left_alone(tmp_path):
    async with two_connected(tmp_path, behind=("alice", "bob")) as (it, alice, bob):
        await without_a_link(it, alice, bob, also=(STREAM,))
        await refuse(it)
        alice.node.links.redialler.kick(bob.node.store.node)
        await until(lambda: way(alice, bob) == way(bob, alice) == "Link", "a link opens", 30)
        remember(bob, "lamp")
        assert outcomes(await ask(alice, "lamp"))["bob"] == "answered"
        with pytest.raises(Refused) as refused:
            await request(
                alice, bob, "POST", "/frames", body=encode_parcel(Parcel(1, 1, (), None)), media_type=PARCEL_TYPE
            )
        assert refused.value.code == "talk_broken"
        assert outcomes(await ask(alice, "lamp"))["bob"] == "answered"


async def test_a_server_that_stops_answers_what_it_holds(tmp_path):
    async with two_connected(tmp_path, behind=("bob",)) as (it, alice, bob):
        bob.node.peers.urls = lambda _node: []
        await without_a_link(it, alice, bob)
        line = bob.node.lines.http(alice.node.store.node)
        await until(lambda: line.is_held, "alice waits")
        await bob.server.stop()
        assert not line.is_held


# --- hostile ---------------------------------------------------------------------------------


@pytest.fixture
async def apart(tmp_path):
    """Alice and bob are connected and do not dial; mallory is a stranger."""
    async with federated_street(tmp_path) as it:
        alice, bob, mallory = [await it.add(name) for name in ("alice", "bob", "mallory")]
        await connect(alice, bob)
        for running in (alice, bob):
            running.node.peers.urls = lambda _node: []
        for running in (alice, bob):
            for link in running.node.links.all():
                link.close("shutdown")
        await until(lambda: not bob.node.links.all() and not alice.node.links.all(), "no link is left")
        yield alice, bob, mallory


async def post(asker, asked, body, **wrong):
    uri = f"{asked.url}{FRAMES}"
    headers = signed_headers(asker, asked, "POST", uri, body, **wrong)
    return await send("POST", uri, headers, body, PARCEL_TYPE)


def parcel(*frames, first=1, talk=1):
    return encode_parcel(Parcel(talk, first, tuple(map(encode_frame, frames)), None))


def code_of(body):
    return json.loads(body)["code"]


async def test_a_stranger_and_who_signs_nothing_bring_nothing(apart):
    alice, bob, mallory = apart
    memory = remember(bob, "lamp")
    body = parcel(raw(mallory)[1])
    assert (await send("POST", f"{bob.url}{FRAMES}", {}, body, PARCEL_TYPE))[0] == 401
    status, _, answer_body = await post(mallory, bob, body)
    assert status in {401, 403}, answer_body
    assert not memory.asked
    assert bob.node.lines.get(mallory.node.store.node) is None
    await bob.service.peer_disconnect("alice")
    status, _, answer_body = await post(alice, bob, parcel(raw(alice)[1]))
    assert (status, code_of(answer_body)) == (403, "not_connected")
    assert bob.node.ingest.refusals["not_connected"] == 1


async def test_a_replayed_request_is_refused_and_a_repeated_parcel_heard_once(apart):
    alice, bob, _ = apart
    memory = remember(bob, "lamp")
    body = parcel(raw(alice)[1])
    uri = f"{bob.url}{FRAMES}"
    headers = signed_headers(alice, bob, "POST", uri, body)
    assert (await send("POST", uri, headers, body, PARCEL_TYPE))[0] == 200
    status, _, answer_body = await send("POST", uri, headers, body, PARCEL_TYPE)
    assert (status, code_of(answer_body)) == (401, "replayed_nonce")
    assert (await post(alice, bob, body))[0] == 200
    await until(lambda: memory.asked and not bob.node.queries.under_way, "bob answered")
    assert len(memory.asked) == 1
    _, _, said = await post(alice, bob, encode_parcel(Parcel(1, 2, (), None)))
    frames = read_frames(decode_parcel(said))
    assert [type(frame) for frame in frames] == [Results, Answered]


async def test_one_talk_after_the_other_is_refused(apart, monkeypatch):
    """With each the peer would be told again how its calls ended."""
    monkeypatch.setattr(lines, "TALK_EVERY", MINUTE)
    alice, bob, _ = apart
    statuses = [(await post(alice, bob, parcel(talk=talk)))[0] for talk in (1, 2, 3, 1)]
    assert statuses == [200, 429, 429, 200]
    bob.node.lines._begun.clear()
    assert (await post(alice, bob, parcel(talk=2)))[0] == 200
    assert (await post(alice, bob, parcel(talk=1)))[0] == 409


async def test_what_is_too_large_or_no_parcel_is_refused_and_nothing_is_kept(apart):
    alice, bob, _ = apart
    for body, code in (
        (bytes(PARCEL_MAX + 1), "too_large"),
        (b"", "non_canonical"),
        (parcel(Ping(1)), "not_permitted"),
        (parcel(first=7), "talk_broken"),
    ):
        bob.node.lines._begun.clear()
        status, _, answer_body = await post(alice, bob, body)
        assert status >= 400, code
        assert (code_of(answer_body), bob.node.ingest.refusals[code]) == (code, 1)
    assert bob.node.lines.get(alice.node.store.node) is None
    status, _, answer_body = await send(
        "POST", f"{bob.url}{FRAMES}", signed_headers(alice, bob, "POST", f"{bob.url}{FRAMES}", b"x"), b"x", "text/plain"
    )
    assert status == 415


async def test_where_others_can_listen_nothing_is_taken(apart):
    alice, bob, _ = apart
    doors = Federation(bob.node, bob.service)
    uri, body = f"http://192.0.2.1:8102{FRAMES}", parcel(raw(alice)[1])
    headers = {name.lower(): value for name, value in signed_headers(alice, bob, "POST", uri, body).items()}
    response = await doors.handle(
        FederationRequest(
            method="POST", path=FRAMES, target_uri=uri, query={}, headers=headers | {"content-type": PARCEL_TYPE},
            body=body, address="192.0.2.7", secure=False, stopping=asyncio.Event().wait,
        )
    )  # fmt: skip
    assert (response.status, code_of(response.body)) == (403, "needs_tls")


async def test_a_question_in_anothers_name_and_one_by_a_wrong_key_are_refused_as_on_a_link(apart):
    alice, bob, mallory = apart
    wrong = raw(alice, sign=lambda _: bytes(64))[1]
    other = raw(mallory)[1]
    assert (await post(alice, bob, parcel(wrong, other)))[0] == 200
    await until(lambda: bob.node.queries.refused.total() == 2, "both are refused")
    assert bob.node.queries.refused == {"invalid_signature": 1, "bad_path": 1}


async def test_a_storm_is_refused_beyond_the_rate_and_what_nobody_fetches_is_bounded(apart):
    alice, bob, _ = apart
    memory = remember(bob, "lamp")
    for turn in range(4):
        storm = [raw(alice)[1] for _ in range(500)]
        assert (await post(alice, bob, parcel(*storm, first=1 + 500 * turn)))[0] == 200
    line = bob.node.lines.http(alice.node.store.node)
    await until(lambda: bob.node.queries.refused.total() + len(memory.asked) >= 2_000, "bob took the storm")
    assert bob.node.queries.refused["rate_limited"] > 500
    assert bob.node.queries.under_way <= 64
    for _ in range(200_000):
        if bob.node.lines.http(alice.node.store.node) is not line:
            break
        line.when_there_is_room(
            lambda: line.control(Query(bytes(20_000), None, bytes(64), (), (secrets.token_bytes(32),), 1))
        )
        assert line.talk.size < 1_100_000
    else:
        pytest.fail("all of it is kept")
