"""Calls of capabilities between real nodes: at most once, with a human behind each, and a receipt of both sides."""

import asyncio
from functools import partial

import pytest

from foedus.base.base64url import from_base64url
from foedus.base.errors import UsageError
from foedus.crypto import ed25519
from foedus.node.call_forms import CallsMade, CapabilityForm, WorkResult
from foedus.node.call_life import Ending
from foedus.node.call_views import UNREADABLE
from foedus.node.query_forms import Asked
from foedus.query.call import call_id, parse_receipt, receipt_bytes
from foedus.query.limits import PROGRESS_MAX
from foedus.query.schemas import SchemaMismatch
from foedus.surfaces.cli.delegating import Scope
from foedus.sync.frames.calls import Call, CallEnded, CallProgress, CallSigned
from foedus.trust.border import CALL
from foedus.trust.standing import Standing
from foedus.values.calls import CallProgressView
from tests.node.callees import answer, calling, form, offer, take
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol


@pytest.fixture
async def two(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        human = await enrol(a, "ann")
        caller, callee = await agent(a, "caller"), await agent(b, "callee")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        yield it, a, b, human, caller, callee


def hosted(running, call):
    return running.node.calls.life.record(bytes.fromhex(call))


async def test_an_agent_calls_one_of_another_node_and_both_sides_sign_the_receipt(two):
    _, a, b, human, caller, callee = two
    await human.give(caller, Scope(CALL, after_foreign=True))
    capability = await offer(b, callee)
    made = calling(a, capability, as_=caller)
    work = await answer(b, callee)
    view = await made
    assert (view.state, view.outcome, view.output) == ("ended", "result", {"said": "hello"})
    assert (work.caller, work.node) == (caller, a.id)
    receipt = from_base64url(view.receipt, "receipt")
    assert parse_receipt(receipt).call.hex() == view.call
    for running, sig in ((b, view.receipt_sig), (a, view.countersig)):
        key = running.node.store.keys.ed25519.public
        assert ed25519.verify(key, receipt_bytes(receipt), from_base64url(sig, "sig"))
    await until(lambda: hosted(b, view.call).countersig is not None, "the callee holds the caller's signature")


async def test_a_capability_is_found_through_a_peer(two):
    it, a, b, *_, callee = two
    c = await it.add("c")
    await connect(b, c)
    capability = await offer(b, callee, about="says what it hears")
    for asker, scope in ((a, "direct"), (c, "global")):
        answers = await asker.service.answers(Asked(kind="capability", text="hears", scope=scope))
        (found,) = answers.results
        assert (found.content, found.body["name"], found.sources[0].node) == (capability.offer, "echo", b.id)
    assert not (await a.service.answers(Asked(kind="capability", text="sings"))).results


async def test_progress_comes_before_the_result(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    coming = await a.service.call_follow(form(capability))
    first = asyncio.create_task(anext(coming))
    work = await take(b, callee)
    await b.service.call_progress(callee, work.call, {"done": 1})
    progress = await first
    assert isinstance(progress, CallProgressView)
    assert (progress.number, progress.data) == (1, {"done": 1})
    await b.service.call_finish(callee, work.call, WorkResult(code="no_paper", message="it is out"))
    end = await anext(coming)
    assert (end.outcome, end.code, end.output) == ("error", "no_paper", {"code": "no_paper", "message": "it is out"})


async def test_nothing_of_the_progress_is_lost_on_who_begins_to_read_when_it_is_over(two):
    _, a, b, *_, callee = two
    coming = await a.service.call_follow(form(await offer(b, callee)))
    work = await take(b, callee)
    for number in range(3):
        await b.service.call_progress(callee, work.call, number)
    await b.service.call_finish(callee, work.call, WorkResult(output={"said": "done"}))
    await until(lambda: a.service.call_show(work.call).state == "ended", "it is over")
    *words, end = [one async for one in coming]
    assert [(one.number, one.data) for one in words] == [(1, 0), (2, 1), (3, 2)]
    assert end.output == {"said": "done"}


async def test_a_peer_that_storms_with_progress_is_not_listened_to_beyond_its_number(two):
    _, a, b, *_, callee = two
    coming = await a.service.call_follow(form(await offer(b, callee)))
    work = await take(b, callee)
    call = bytes.fromhex(work.call)
    for number in (5, 5, 4, PROGRESS_MAX + 1, *range(6, 200)):
        b.node.calls._tell_caller(bytes.fromhex(a.id), CallProgress(call, number, b"[" * 2_000))
    await b.service.call_finish(callee, work.call, WorkResult(output={"said": "done"}))
    *words, end = [one async for one in coming]
    assert [one.number for one in words][:3] == [5, 6, 7]
    assert len(words) <= PROGRESS_MAX
    assert {one.data for one in words} == {None}
    assert end.outcome == "result"


async def test_an_output_that_is_no_json_is_said_and_not_shown(two):
    _, a, b, *_, callee = two
    made = calling(a, await offer(b, callee))
    work = await take(b, callee)
    await b.node.calls.life.end(bytes.fromhex(work.call), Ending("result", output=b"[" * 40_000))
    assert ((view := await made).outcome, view.code, view.output) == ("result", UNREADABLE, None)


async def test_a_result_over_the_bound_is_refused_and_the_call_goes_on(two):
    _, a, b, *_, callee = two
    made = calling(a, await offer(b, callee))
    work = await take(b, callee)
    with pytest.raises(UsageError) as error:
        await b.service.call_finish(callee, work.call, WorkResult(output={"said": "x" * 70_000}))
    assert error.value.code == "too_large"
    await b.service.call_finish(callee, work.call, WorkResult(output={"said": "shorter"}))
    assert (await made).output == {"said": "shorter"}


async def test_external_peers_may_call_and_paused_ones_may_not(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        callee = await agent(b, "callee")
        await connect(a, b, tier="EXTERNAL", gives="EXTERNAL")
        capability = await offer(b, callee)
        made = calling(a, capability)
        await answer(b, callee)
        assert (await made).outcome == "result"
        await b.service.peer_pause(a.id)
        assert (await a.service.call(form(capability))).code == "paused"


async def test_progress_of_one_call_is_bounded(two, monkeypatch):
    _, a, b, *_, callee = two
    monkeypatch.setattr("foedus.node.call_desk.PROGRESS_MAX", 3)
    made = calling(a, await offer(b, callee))
    work = await take(b, callee)
    for _ in range(3):
        await b.service.call_progress(callee, work.call, 1)
    with pytest.raises(UsageError) as error:
        await b.service.call_progress(callee, work.call, 1)
    assert error.value.code == "too_much_progress"
    await b.service.call_finish(callee, work.call, WorkResult(output={"said": "done"}))
    assert (await made).outcome == "result"


async def test_an_agent_without_a_chain_does_not_call(two):
    _, a, b, _, caller, callee = two
    capability = await offer(b, callee)
    with pytest.raises(UsageError) as error:
        await a.service.call(form(capability, as_=caller))
    assert error.value.http_status == 403
    assert b.node.calls.life.under_way == 0


async def test_a_node_that_lets_its_agent_call_without_a_chain_is_refused(two, monkeypatch):
    _, a, b, _, caller, callee = two
    capability = await offer(b, callee)
    monkeypatch.setattr(a.service._node.consent, "carrying", lambda *_: [])
    monkeypatch.setattr(a.service._call_maker, "check_consent", lambda *_: None)
    view = await a.service.call(form(capability, as_=caller))
    assert (view.state, view.code.split(".")[0]) == ("refused", "grant")
    assert b.node.calls.life.under_way == 0


async def test_a_foreign_agent_needs_the_standing_that_calls_and_the_capability_ask(two):
    _, a, b, human, caller, callee = two
    await human.give(caller, Scope(CALL, after_foreign=True))
    capability = await offer(b, callee, standing=Standing.SUPER)
    assert (await a.service.call(form(capability, as_=caller))).code == "standing"
    b.node.crossings.standing_of = lambda _node, _did: Standing.NORMAL
    assert (await a.service.call(form(capability, as_=caller))).code == "room.standing"


async def test_a_grant_that_was_taken_back_carries_no_call(two, monkeypatch):
    _, a, b, human, caller, callee = two
    grant = await human.give(caller, Scope(CALL, after_foreign=True))
    capability = await offer(b, callee)
    made = calling(a, capability, as_=caller)
    await answer(b, callee)
    assert (await made).outcome == "result"
    record, who = a.service._call_maker.make(form(capability, as_=caller))
    await human.take_back(grant)
    monkeypatch.setattr(a.service._call_maker, "check_consent", lambda *_: None)
    authority = b.node.store.admission.authority
    held = authority.grant(authority.controls.get(bytes.fromhex(grant)))
    await until(lambda: authority.is_taken_back(held), "b holds the withdrawal")
    await a.node.calls.make(call_id(record.call), record)
    await until(lambda: a.node.calls.record(call_id(record.call)).state == "refused", "b refuses")
    assert who.did == caller


async def test_a_call_that_its_schema_does_not_allow_is_refused_by_a_code(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    view = await a.service.call(form(capability, input={"text": 5}))
    assert (view.state, view.code) == ("refused", "schema_mismatch")
    assert "/text" in view.message


async def test_an_output_that_its_schema_does_not_allow_is_an_error_of_the_call(two):
    _, a, b, *_, callee = two
    made = calling(a, await offer(b, callee))
    work = await take(b, callee)
    with pytest.raises(SchemaMismatch):
        await b.service.call_finish(callee, work.call, WorkResult(output={"said": 1}))
    assert ((view := await made).outcome, view.code) == ("error", "bad_output")


async def test_a_changed_capability_is_not_called_by_what_it_was(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    await offer(b, callee, price="twice as much")
    assert (await a.service.call(form(capability))).code == "capability_changed"


async def test_a_call_ends_at_its_deadline_and_is_not_run_where_nobody_took_it(two):
    _, a, b, *_, callee = two
    view = await a.service.call(form(await offer(b, callee), wait_ms=200))
    assert (view.outcome, view.began) == ("not_run", 0)
    assert await take(b, callee, wait_ms=0) is None


async def test_an_agent_that_never_answers_leaves_an_unknown_outcome(two):
    _, a, b, *_, callee = two
    made = calling(a, await offer(b, callee), wait_ms=2_000)
    work = await take(b, callee)
    assert ((view := await made).outcome, view.began > 0) == ("outcome_unknown", True)
    with pytest.raises(UsageError) as error:
        await b.service.call_finish(callee, work.call, WorkResult(output={"said": "late"}))
    assert error.value.code == "call_over"


async def test_a_cancelled_call_says_whether_it_had_begun(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    for begin in (False, True):
        made = calling(a, capability)
        await until(lambda: b.node.calls.life.under_way == 1, "it is there")
        if begin:
            await take(b, callee)
        a.service.call_cancel(a.service.calls_made(CallsMade())[0].call)
        view = await made
        assert (view.outcome, view.began > 0) == ("cancelled", begin)
    assert await take(b, callee, wait_ms=0) is None


async def test_a_lost_reply_is_asked_for_again_and_not_run_again(two):
    it, a, b, *_, callee = two
    capability = await offer(b, callee)
    take_frame = a.node.links.on_call
    a.node.links.on_call = lambda link, frame: None if isinstance(frame, CallEnded) else take_frame(link, frame)
    made = calling(a, capability, wait_ms=2_000)
    work = await answer(b, callee)
    assert (await made).state == "open"
    a = await it.restart("a")
    await until(lambda: a.service.call_show(work.call).state == "ended", "the recorded outcome comes")
    assert a.service.call_show(work.call).output == {"said": "hello"}
    assert await take(b, callee, wait_ms=0) is None


@pytest.mark.parametrize("rotates", [False, True])
async def test_a_signature_of_a_receipt_that_was_lost_is_asked_for_again(two, rotates):
    it, a, b, *_, callee = two
    take_frame = b.node.links.on_call
    b.node.links.on_call = lambda link, frame: None if isinstance(frame, CallSigned) else take_frame(link, frame)
    made = calling(a, await offer(b, callee))
    await answer(b, callee)
    view = await made
    assert hosted(b, view.call).countersig is None
    if rotates:
        await a.service.key_rotate()
    b = await it.restart("b")
    await until(lambda: hosted(b, view.call).countersig is not None, "the callee holds the caller's signature")


async def test_a_call_whose_deadline_comes_while_its_agent_gets_it_may_have_been_run(two, monkeypatch):
    _, a, b, *_, callee = two
    life, writes = b.node.calls.life, asyncio.Event()
    made = calling(a, await offer(b, callee))
    await until(lambda: life.under_way == 1, "it is there")
    change, writing = life._records.change, asyncio.Event()

    async def slow(call, **fields):
        writing.set()
        await writes.wait()
        return await change(call, **fields)

    monkeypatch.setattr(life._records, "change", slow)
    work = asyncio.create_task(take(b, callee))
    await writing.wait()
    ending = asyncio.create_task(life._at_deadline(bytes.fromhex(a.service.calls_made(CallsMade())[0].call)))
    await asyncio.sleep(0)
    writes.set()
    await ending
    assert (await work).input == {"text": "hello"}
    assert (await made).outcome == "outcome_unknown"


async def test_a_callee_that_was_killed_leaves_an_unknown_outcome_and_runs_nothing_twice(two):
    it, a, b, *_, callee = two
    made = calling(a, await offer(b, callee))
    work = await take(b, callee)
    b = await it.restart("b")
    assert ((view := await made).outcome, view.code) == ("outcome_unknown", "restarted")
    assert await take(b, callee, wait_ms=0) is None
    b = await it.restart("b")
    assert hosted(b, work.call).outcome.outcome == "outcome_unknown"


async def test_a_call_that_was_not_handed_over_survives_a_restart(two):
    it, a, b, *_, callee = two
    made = calling(a, await offer(b, callee))
    await until(lambda: b.node.calls.life.under_way == 1, "it is there")
    b = await it.restart("b")
    await answer(b, callee)
    assert (await made).outcome == "result"


async def test_the_same_call_sent_twice_runs_once(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    record, _ = a.service._call_maker.make(form(capability))
    call = call_id(record.call)
    await a.node.calls.make(call, record)
    link = a.node.links.get(bytes.fromhex(b.id))
    for _ in range(5):
        link.when_there_is_room(partial(link.control, Call(record.call, None, record.sig, 1_000_000)))
    await answer(b, callee)
    await until(lambda: a.node.calls.record(call).state == "ended", "it ended")
    assert await take(b, callee, wait_ms=0) is None


async def test_a_storm_of_calls_is_bounded_and_each_is_told(two):
    _, a, b, *_, callee = two
    capability = await offer(b, callee)
    made = [calling(a, capability, wait_ms=60_000) for _ in range(90)]
    await until(lambda: sum(task.done() for task in made) >= 26, "those that are too many are told")
    assert {task.result().code for task in made if task.done()} == {"busy"}
    for view in a.service.calls_made(CallsMade(limit=90)):
        a.service.call_cancel(view.call)
    views = await asyncio.gather(*made)
    assert [view.code for view in views].count("busy") == 26
    assert {view.outcome for view in views} == {"", "cancelled"}
    assert b.node.calls.life.under_way == 0


async def test_a_call_at_home_needs_no_chain(two):
    _, a, *_, caller, _ = two
    worker = await agent(a, "worker")
    made = calling(a, await offer(a, worker), as_=caller)
    await answer(a, worker)
    assert (await made).outcome == "result"


async def test_another_agent_takes_neither_the_name_nor_the_work(two):
    _, a, b, *_, callee = two
    other = await agent(b, "other")
    made = calling(a, await offer(b, callee), wait_ms=2_000)
    await until(lambda: b.node.calls.life.under_way == 1, "it is there")
    assert await take(b, other, wait_ms=0) is None
    with pytest.raises(UsageError) as error:
        await b.service.capability_register(CapabilityForm(name="echo", agent=other))
    assert error.value.code == "name_taken"
    await made


async def test_an_offer_that_this_version_does_not_take_keeps_no_node_from_starting(two, monkeypatch):
    it, _, b, *_, callee = two
    await offer(b, callee)
    await b.service.capability_register(CapabilityForm(name="other", agent=callee))
    monkeypatch.setattr("foedus.query.schemas.SCHEMA_PARTS_MAX", 1)
    b = await it.restart("b")
    assert [view.name for view in b.service.capabilities()] == ["other"]
