"""What is kept of calls is bounded, and what is forgotten is not run again."""

import asyncio
from functools import partial

from foedus.node import call_records
from foedus.node.call_shelf import Bounds
from foedus.query.call import FORGOTTEN, call_id
from foedus.sync.frames.calls import Call, CallEnded
from tests.node.callees import answer, calling, form, offer, take
from tests.node.nodes import connect, street, until
from tests.node.people import agent

FEW = Bounds(of_one=1 << 24, of_all=1 << 27, calls=3)


async def done(a, b, capability, callee, text="hello"):
    made = calling(a, capability, text=text)
    await answer(b, callee)
    view = await made
    await until(lambda: b.node.calls.life.record(bytes.fromhex(view.call)).countersig, "both have signed")
    return view


async def test_the_oldest_that_are_over_go_and_stay_forgotten_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(call_records, "BOUNDS", FEW)
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        callee = await agent(b, "callee")
        await connect(a, b)
        capability = await offer(b, callee)
        views = [await done(a, b, capability, callee, str(number)) for number in range(5)]
        ids = [bytes.fromhex(view.call) for view in views]
        for _ in range(2):
            assert [call for call, _ in a.node.calls.made()] == ids[2:]
            assert [a.node.calls.is_known(call) for call in ids] == [True] * 5
            life = b.node.calls.life
            assert [life.record(call) is None for call in ids] == [True, True, False, False, False]
            assert [life.is_forgotten(call) for call in ids] == [True, True, False, False, False]
            a, b = await it.restart("a"), await it.restart("b")
        await until(lambda: a.is_linked(b), "they are linked")
        assert (await done(a, b, capability, callee, "after")).outcome == "result"


async def test_a_forgotten_call_that_comes_again_is_not_run_and_its_outcome_is_unknown(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        callee = await agent(b, "callee")
        await connect(a, b)
        capability = await offer(b, callee)
        take_frame = a.node.links.on_call
        a.node.links.on_call = lambda link, frame: None if isinstance(frame, CallEnded) else take_frame(link, frame)
        record, _ = a.service._call_maker.make(form(capability))
        call = call_id(record.call)
        await a.node.calls.make(call, record)
        await answer(b, callee)
        life = b.node.calls.life
        await until(lambda: life.under_way == 0, "it is over there")
        monkeypatch.setattr(life._records._shelf, "_bounds", FEW._replace(calls=1))
        other = asyncio.create_task(a.service.call(form(capability, text="other", wait_ms=300)))
        await until(lambda: life.is_forgotten(call), "it is forgotten")
        link = a.node.links.get(bytes.fromhex(b.id))
        link.when_there_is_room(partial(link.control, Call(record.call, None, record.sig, 1_000_000)))
        await until(lambda: a.node.calls.record(call).state == "refused", "it is told")
        view = a.service.call_show(call.hex())
        assert (view.outcome, view.code) == ("outcome_unknown", FORGOTTEN)
        await other
        assert await take(b, callee, wait_ms=0) is None


async def test_one_who_has_too_much_under_way_is_told_and_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(call_records, "BOUNDS", Bounds(of_one=3 * 67_000, of_all=1 << 27, calls=64))
    async with street(tmp_path) as it:
        a = await it.add("a")
        worker, busy, other = await agent(a, "worker"), await agent(a, "busy"), await agent(a, "other")
        capability = await offer(a, worker)
        waiting = [calling(a, capability, as_=busy) for _ in range(3)]
        await until(lambda: a.node.calls.life.under_way == 3, "they are there")
        made = asyncio.gather(calling(a, capability, as_=busy), return_exceptions=True)
        (refused,) = await made
        assert refused.code == "busy"
        waiting.append(calling(a, capability, as_=other))
        for _ in waiting:
            await answer(a, worker)
        assert {view.outcome for view in await asyncio.gather(*waiting)} == {"result"}
