"""Questions between real nodes: who answers, who may ask, and that nobody is waited for."""

import asyncio
import secrets
from functools import partial

import pytest
from msgspec.structs import replace

from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode
from foedus.base.clock import Hlc
from foedus.base.errors import FoedusError
from foedus.crypto.labels import signed_bytes
from foedus.node.knowledge_forms import PublishForm
from foedus.node.query_forms import Asked, AskedSigned
from foedus.query.question import encode_question, id_of, signing_bytes
from foedus.query.result import Result, encode_result
from foedus.surfaces.cli.delegating import Scope
from foedus.sync.frames.questions import Query, Results, SignedResult
from foedus.values.queries import AnswersView
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.questions import ask, codes, hush, outcomes, raw, remember, row_of, send_raw, texts

WAIT_MS = 30_000
"""How long answers may take where nobody is to be waited for: half of it, on the slowest machine."""


@pytest.fixture
async def two(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        await share(b, a)
        yield it, a, b


# --- direct --------------------------------------------------------------------------------------


async def test_a_direct_question_finds_what_a_peer_may_show(two):
    _, a, b = two
    await b.service.room_create("private")
    await b.say("the harbour opens at nine")
    await b.say("the harbour is closed", room="private")
    answers = await ask(a, "harbour opens")
    assert texts(answers) == ["the harbour opens at nine"]
    assert outcomes(answers) == {"a": "answered", "b": "answered"}
    (found,) = answers.results
    assert {source.content for source in found.sources} == {found.content}


async def test_a_local_question_asks_nobody_else(two):
    _, a, b = two
    memory = remember(b, "lamp")
    answers = await ask(a, "lamp", scope="local")
    assert (outcomes(answers), memory.asked) == ({"a": "answered"}, [])


async def test_a_participant_finds_what_was_said_in_its_own_rooms_alone(two):
    _, a, b = two
    ann = await agent(a, "ann")
    await b.say("the tide turns at six")
    await until(lambda: a.texts() == ["the tide turns at six"], "it came")
    bob, _ = await agent(a, "bob"), await agent(a, "eve")
    secret = await a.service.room_direct(bob, "eve")
    await a.say("the tide is secret", agent="bob", room=secret.room)
    operator = await ask(a, "tide", scope="local")
    assert len(operator.results) == 2
    assert texts(await ask(a, "tide", scope="local", as_=ann)) == ["the tide turns at six"]


async def test_results_come_as_they_are_found(two):
    _, a, b = two
    remember(a, "quick lamp")
    quick_came = asyncio.Event()
    remember(b, "slow lamp", after=quick_came)
    seen = []
    async for it in await a.service.ask(Asked(kind="text", text="lamp")):
        seen.append("end" if isinstance(it, AnswersView) else it.body["text"])
        quick_came.set()
    assert seen == ["quick lamp", "slow lamp", "end"]


async def test_what_was_erased_is_not_found(two):
    _, a, b = two
    placed = await b.say("burn this letter")
    assert texts(await ask(b, "letter", scope="local")) == ["burn this letter"]
    await b.service.erase(placed.id, "author")
    assert texts(await ask(b, "letter", scope="local")) == []
    recollection = b.node.queries.answerer.substrate._recollection
    await until(lambda: not list(recollection.best_first("letter")), "nothing of it is left")
    assert texts(await ask(a, "letter")) == []


# --- further -------------------------------------------------------------------------------------


async def test_a_global_question_goes_down_a_line_as_far_as_its_hops(tmp_path):
    async with street(tmp_path) as it:
        nodes = await row_of(it, "a", "b", "c", "d", "e")
        for hops in (1, 2, 4):
            answers = await ask(nodes[0], "lamp", scope="global", hops=hops)
            names = [node.name for node in nodes[: hops + 1]]
            assert texts(answers) == [f"the lamp of {name}" for name in names]
            assert len(answers.nodes) == hops + 1
            assert {report.outcome for report in answers.nodes} == {"answered"}
            ways = {each.node: each.via for result in answers.results for each in result.sources}
            assert ways == {node.id: nodes[1].id if node is not nodes[0] else "" for node in nodes[: hops + 1]}


async def test_a_ring_answers_once(tmp_path):
    async with street(tmp_path) as it:
        nodes = await row_of(it, "a", "b", "c", "d")
        await connect(nodes[3], nodes[0])
        memories = [remember(node, f"the lamp of {node.name}") for node in nodes]
        answers = await ask(nodes[0], "lamp", scope="global", hops=6, wait_ms=WAIT_MS)
        assert texts(answers) == [f"the lamp of {name}" for name in "abcd"]
        assert [len(memory.asked) for memory in memories] == [1, 1, 1, 1]
        assert {report.outcome for report in answers.nodes} == {"answered"}
        assert answers.took_us < WAIT_MS * 500


async def test_a_node_that_was_killed_is_named_and_not_waited_for(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        await it.stop("c")
        await until(lambda: not b.is_linked(c), "b sees that c is gone")
        answers = await ask(a, "lamp", scope="global", wait_ms=WAIT_MS)
        assert texts(answers) == ["the lamp of a", "the lamp of b"]
        assert {report.node: report.outcome for report in answers.nodes}[c.id] == "unreachable"
        assert answers.took_us < WAIT_MS * 500


async def test_a_node_that_dies_while_it_is_asked_is_lost(tmp_path):
    async with street(tmp_path) as it:
        a, b = await row_of(it, "a", "b")
        memory = remember(b, "lamp", delay_s=60)
        asking = asyncio.create_task(ask(a, "lamp", wait_ms=WAIT_MS))
        await until(lambda: memory.asked, "b was asked")
        await it.stop("b")
        answers = await asking
        assert (texts(answers), outcomes(answers)["b"]) == (["the lamp of a"], "lost")
        assert answers.took_us < WAIT_MS * 500


async def test_a_silent_node_is_named_at_the_deadline(tmp_path):
    async with street(tmp_path) as it:
        a, _, c = await row_of(it, "a", "b", "c")
        hush(c)
        answers = await ask(a, "lamp", scope="global", wait_ms=3_000)
        assert texts(answers) == ["the lamp of a", "the lamp of b"]
        assert {report.node: report.outcome for report in answers.nodes}[c.id] == "silent"
        assert answers.took_us < WAIT_MS * 500


async def test_a_late_node_is_named_and_its_answer_not_taken(tmp_path):
    async with street(tmp_path) as it:
        a, b = await row_of(it, "a", "b")
        remember(b, "slow lamp", delay_s=60)
        answers = await ask(a, "lamp", wait_ms=1_000)
        assert texts(answers) == ["the lamp of a"]
        assert outcomes(answers) == {"a": "answered", "b": "late"}
        assert answers.took_us < WAIT_MS * 500


async def test_who_gives_up_stops_the_search_at_other_nodes(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        memory = remember(c, "lamp", delay_s=20)
        coming = await a.service.ask(Asked(kind="text", text="lamp", scope="global", wait_ms=30_000))
        await anext(coming)
        await until(lambda: memory.asked, "c was asked")
        await coming.aclose()
        for node in (a, b, c):
            await until(lambda node=node: not node.node.queries.under_way, f"{node.name} has nothing under way")
            assert not node.node.queries._held


async def test_a_substrate_that_fails_costs_its_own_answer_alone(tmp_path):
    async with street(tmp_path) as it:
        a, b = await row_of(it, "a", "b")

        async def fail(_text, _wanted):
            raise RuntimeError("out of memory")

        remember(b).search = fail
        answers = await ask(a, "lamp")
        assert (texts(answers), outcomes(answers)["b"], codes(answers)["b"]) == (
            ["the lamp of a"],
            "failed",
            "internal",
        )


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["CORE", "SANDBOX", "EXTERNAL"])
async def test_every_tier_that_is_given_may_ask_and_sees_what_is_shared_with_it(two, tier):
    _, a, b = two
    await b.service.peer_tier(a.id, tier)
    await b.say("the well is deep")
    answers = await ask(a, "well")
    assert outcomes(answers)["b"] == "answered"
    assert "b" in {source.node_name for found in answers.results for source in found.sources}


@pytest.mark.parametrize("tier", ["SANDBOX", "EXTERNAL"])
async def test_what_a_peer_below_core_asks_is_not_passed_on(tmp_path, tier):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        await b.service.peer_tier(a.id, tier)
        remember(b, "the lamp of b", tiers=("", tier))
        memory = remember(c, "the lamp of c")
        answers = await ask(a, "lamp", scope="global")
        assert texts(answers) == ["the lamp of a", "the lamp of b"]
        assert memory.asked == []


async def test_nothing_is_passed_on_to_who_is_below_core_behind_a_peer(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        await c.service.peer_tier(b.id, "EXTERNAL")
        answers = await ask(a, "lamp", scope="global")
        assert {report.node: report.code for report in answers.nodes}[c.id] == "tier"


async def test_a_stranger_is_not_answered(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        memory = remember(b, "lamp")
        await a.service.peer_request(b.url, expect=b.id)
        await until(b.service.peers_pending, "a is a stranger that asks for a connection")
        answers = await ask(a, "lamp")
        assert (set(outcomes(answers)), memory.asked) == ({"a"}, [])
        with pytest.raises(ValueError, match="query from our side"):
            a.node.links.get(b.node.store.node).control(raw(a)[1])


async def test_a_paused_or_disconnected_peer_is_not_answered(two):
    _, a, b = two
    memory = remember(b, "lamp")
    await b.service.peer_pause(a.id)
    assert codes(await ask(a, "lamp"))["b"] == "paused"
    await b.service.peer_resume(a.id)
    assert outcomes(await ask(a, "lamp"))["b"] == "answered"
    await b.service.peer_disconnect(a.id)
    await until(lambda: not a.is_linked(b), "the link ends")
    assert outcomes(await ask(a, "lamp")).get("b") != "answered"
    assert len(memory.asked) == 1


async def test_who_was_sent_away_does_not_ask_through_a_peer(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        await connect(a, c)
        await c.service.peer_disconnect(a.id)
        await until(lambda: not a.is_linked(c), "they part")
        answers = await ask(a, "lamp", scope="global")
        assert texts(answers) == ["the lamp of a", "the lamp of b"]
        assert {report.node: report.code for report in answers.nodes}[c.id] == "not_connected"
        assert b


# --- in whose name -------------------------------------------------------------------------------


async def test_an_agent_asks_by_a_grant_and_not_after_it_is_revoked(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        scout = await agent(a, "scout")
        await connect(a, b)
        remember(a)
        memory = remember(b, "lamp")
        with pytest.raises(FoedusError, match=r"human_required"):
            await ask(a, "lamp", as_=scout)
        assert memory.asked == []
        grant = await ada.give(scout, Scope("/foedus/query/ask"))
        assert texts(await ask(a, "lamp", as_=scout)) == ["lamp"]
        assert memory.asked[0].did == scout
        await ada.take_back(grant)
        with pytest.raises(FoedusError, match=r"human_required|after_foreign"):
            await ask(a, "lamp", as_=scout)
        assert len(memory.asked) == 1


async def test_a_node_that_lets_its_agents_ask_anything_is_not_believed(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        scout, eve = await agent(a, "scout"), await agent(a, "eve")
        await connect(a, b)
        memory = remember(b, "lamp")
        grant = await ada.give(scout, Scope("/foedus/query/ask"))
        assert await send_raw(a, b, who="eve") == ("refused", "grant.human_required")
        assert await send_raw(a, b, who="eve", grants=[grant]) == ("refused", "grant.human_required")
        assert await send_raw(a, b, who="scout", grants=[grant]) == ("answered", "")
        assert await send_raw(a, b, who="scout", key="eve", grants=[grant]) == ("refused", "unknown_device")
        assert await send_raw(a, b, asker=a.node.store.node + b"x") == ("refused", "malformed_query")
        assert await send_raw(a, b, sign=lambda _: bytes(64)) == ("refused", "invalid_signature")
        assert await send_raw(a, b, node=b.node.store.node, asker=b.node.store.node) == ("refused", "bad_path")
        await ada.take_back(grant)
        people = b.node.store.admission.authority.participants
        await until(lambda: people[a.node.store.node, ada.did].withdrawals, "b knows that it was taken back")
        assert await send_raw(a, b, who="scout", grants=[grant]) == ("refused", "grant.human_required")
        assert {reader.did for reader in memory.asked} == {scout}
        assert eve


async def test_a_question_serves_once(two):
    _, a, b = two
    memory = remember(b, "lamp")
    query, frame = raw(a)
    assert await send_raw(a, b, frame=(query, frame)) == ("answered", "")
    assert await send_raw(a, b, frame=(query, frame)) == ("seen", "")
    assert len(memory.asked) == 1


async def test_a_question_after_its_deadline_or_from_the_future_is_late(two):
    _, a, b = two
    now = a.node.store.now()
    assert await send_raw(a, b, at=now - 130_000_000, deadline=now - 70_000_000) == ("refused", "late")
    assert await send_raw(a, b, at=now + 70_000_000, deadline=now + 75_000_000) == ("refused", "late")


async def test_an_agents_grant_counts_at_nodes_that_do_not_know_its_people(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        scout = await agent(a, "scout")
        await connect(a, b)
        c = await it.add("c")
        await connect(b, c)
        for node in (a, b, c):
            remember(node, f"the lamp of {node.name}")
        await ada.give(scout, Scope("/foedus/query/ask"))
        answers = await ask(a, "lamp", scope="global", as_="scout")
        assert texts(answers) == [f"the lamp of {name}" for name in "abc"]
        assert {report.outcome for report in answers.nodes} == {"answered"}


async def test_a_person_asks_by_a_key_of_their_own(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        await connect(a, b)
        c = await it.add("c")
        await connect(b, c)
        for node in (a, b, c):
            remember(node, f"the lamp of {node.name}")
        question, _, _ = a.service._made(Asked(kind="text", text="lamp", scope="global"))
        question = replace(question, asker=ada.did, device=ada.key.public, auth=(ada.enrolment,))
        data = encode_question(question)
        signed = AskedSigned(question=to_base64url(data), asig=to_base64url(ada.key.sign(signing_bytes(data))))
        assert texts(await a.service.answers(signed)) == [f"the lamp of {name}" for name in "abc"]
        forged = AskedSigned(question=signed.question, asig=to_base64url(bytes(64)))
        with pytest.raises(FoedusError, match="not signed"):
            await a.service.answers(forged)


async def test_an_agent_that_read_what_others_know_needs_a_grant_for_that(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        scout = await agent(a, "scout")
        await connect(a, b)
        remember(b, "lamp")
        await ada.give(scout, Scope("/foedus/query/ask"))
        await ask(a, "lamp", as_="scout")
        with pytest.raises(FoedusError, match="human_required"):
            await ask(a, "lamp", as_="scout")
        await ada.give(scout, Scope("/foedus/query/ask", after_foreign=True))
        assert texts(await ask(a, "lamp", as_="scout")) == ["lamp"]


async def test_uses_of_a_grant_are_counted(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(a, "ada")
        scout = await agent(a, "scout")
        await connect(a, b)
        remember(b, "lamp")
        grant = await ada.give(scout, Scope("/foedus/query/ask", uses=2, after_foreign=True))
        asked = [await send_raw(a, b, who="scout", grants=[grant]) for _ in range(2)]
        b = await it.restart("b")
        await until(lambda: a.is_linked(b) and b.is_linked(a), "it is back")
        asked.append(await send_raw(a, b, who="scout", grants=[grant]))
        assert asked == [("answered", ""), ("answered", ""), ("refused", "grant.uses")], "a restart gives none back"


# --- results that are not what they say ----------------------------------------------------------


def a_result(query, node, epoch, **changes):
    parts = {
        "rank": 0,
        "content": bytes(32),
        "kind": "note",
        "score": 1,
        "hlc": Hlc(1, 0),
        "body": encode({"text": "!"}),
    }
    return encode_result(Result(v=1, query=query, node=node, epoch=epoch, **(parts | changes)))


async def test_what_is_not_signed_by_whom_it_names_is_dropped_and_holds_up_nothing(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = await row_of(it, "a", "b", "c")
        answer = b.node.links.on_query

        def lie(link, frame):
            if isinstance(frame, Query):
                query, key = id_of(frame.question), b.node.store.keys.ed25519
                own, other = b.node.store, c.node.store
                forged = [
                    a_result(query, bytes(32), secrets.token_bytes(32)),
                    a_result(query, a.node.store.node, a.node.store.epoch),
                    a_result(query, own.node, a.node.store.epoch),
                    a_result(bytes(32), own.node, own.epoch),
                    a_result(query, own.node, own.epoch, rank=150),
                    a_result(query, other.node, other.epoch),
                    b"no result",
                ]
                signed = [SignedResult(data, key.sign(signed_bytes("result", data))) for data in forged]
                link.control(Results(query, tuple(signed)))
            answer(link, frame)

        b.node.links.on_query = lie
        answers = await ask(a, "lamp", scope="global", wait_ms=20_000)
        assert texts(answers) == [f"the lamp of {name}" for name in "abc"]
        assert answers.took_us < 10_000_000
        assert sum(answers.dropped.values()) == 7
        assert answers.dropped["unknown_identity"] == 2
        assert answers.dropped["other_query"] == answers.dropped["too_many_results"] == 1


# --- storms --------------------------------------------------------------------------------------


async def test_a_storm_is_refused_beyond_the_rate_and_harms_nobody(two):
    it, a, b = two
    memory = remember(b, "lamp")
    c = await it.add("c")
    await connect(c, b)
    link = a.node.links.get(b.node.store.node)
    asks = b.node.policy.current.limits.queries_per_peer
    for _ in range(2_000):
        link.when_there_is_room(partial(link.control, raw(a)[1]))
    await until(lambda: sum(b.node.queries.refused.values()) + len(memory.asked) >= 2_000, "b took the storm")
    assert asks == "500/second"
    assert b.node.queries.refused["rate_limited"] > 500
    assert b.node.queries.under_way <= 64
    assert outcomes(await ask(c, "lamp"))["b"] == "answered"
    assert a.is_linked(b)


async def test_the_policy_bounds_what_one_participant_asks(two):
    it, a, b = two
    b.path.joinpath("foedus.toml").write_text('[federation.limits]\nqueries_per_participant = "2/minute"\n')
    b = await it.restart("b")
    await until(lambda: a.is_linked(b) and b.is_linked(a), "they meet again")
    asked = [codes(await ask(a, "lamp"))["b"] for _ in range(3)]
    assert asked == ["", "", "rate_limited"]


async def test_a_flood_of_results_is_cut(two):
    _, a, b = two
    big = [f"lamp {number} " + "x" * 15_000 for number in range(200)]
    remember(b, *big)
    answers = await ask(a, "lamp", results=200)
    assert len(answers.results) == 200
    assert outcomes(answers)["b"] == "answered"
    remember(b, "lamp " + "x" * 17_000)
    assert codes(await ask(a, "lamp"))["b"] == "internal"


async def test_questions_of_peers_are_in_the_audit_log_and_the_counters(two):
    _, a, b = two
    await ask(a, "lamp")
    await send_raw(a, b, sign=lambda _: bytes(64))
    found = set()
    async for row in b.service.audit_follow(after=""):
        if row.act == "query":
            found.add((row.actor, row.outcome, row.rule))
        if len(found) == 2:
            break
    assert found == {(a.id, "answered", ""), (a.id, "refused", "invalid_signature")}
    assert b'foedus_queries_refused_total{reason="invalid_signature"} 1' in b.service.metrics()


# --- another memory system -----------------------------------------------------------------------


async def test_another_memory_is_told_what_is_said_and_what_is_taken_back(two):
    _, a, b = two
    before = await b.say("said before it came")
    memory = remember(b)
    memory.failing = 1
    await until(lambda: memory.said() == ["said before it came"], "it is told the past, though it failed at first")
    await a.say("said since, elsewhere")
    await until(lambda: len(memory.said()) == 2, "it is told the present")
    await b.service.erase(before.id, "author")
    await until(lambda: memory.said() == ["said since, elsewhere"], "what was erased is taken back")
    assert {change.origin for change in memory.applied.values()} >= {a.node.store.node, b.node.store.node}


# --- knowledge -----------------------------------------------------------------------------------


async def test_knowledge_of_one_node_is_found_from_another_through_a_third(tmp_path):
    async with street(tmp_path) as it:
        a, b, c = [await it.add(name) for name in "abc"]
        await connect(a, b)
        await b.service.peer_tier(a.id, "SANDBOX")  # b takes what a knows, and passes nothing of it on
        await a.service.peer_tier(b.id, "CORE")
        await connect(b, c)
        form = PublishForm(domain="biology.insects", title="Bees dance", content="It tells where the flowers are.")
        await a.service.knowledge_tell([form])
        asked = await ask(c, "dance of bees", scope="global")
        assert {source.node for found in asked.results for source in found.sources} == {a.id}
        assert [found.body["title"] for found in asked.results] == ["Bees dance"]
        assert asked.results[0].body["origin"] == a.id


@pytest.mark.parametrize("tier", ["CORE", "EXTERNAL"])
async def test_knowledge_is_told_to_who_may_ask_whether_or_not_it_syncs(two, tier):
    _, a, b = two
    await b.service.peer_tier(a.id, tier)
    form = PublishForm(domain="biology.insects", title="Bees dance", content="It tells where the flowers are.")
    await b.service.knowledge_tell([form])
    answers = await ask(a, "bees")
    assert b.id in {source.node for found in answers.results for source in found.sources}
    assert {found.body["title"] for found in answers.results} == {"Bees dance"}
    ann = await agent(a, "ann")
    local = await ask(a, "bees", scope="local", as_=ann)
    assert len(local.results) == (1 if tier == "CORE" else 0)
