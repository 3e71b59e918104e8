"""Calls over the API: a person calls from this machine, an agent of another node works with its own token."""

import asyncio

import pytest

from foedus.base.errors import UsageError
from foedus.sdk import Calling, Client, Device, Question
from foedus.trust.standing import Standing
from foedus.values.calls import CallView
from tests.node.nodes import connect, street
from tests.node.paired import paired
from tests.node.people import enrol

ECHO = {"name": "echo", "about": "says what it hears", "takes": {"type": "object", "required": ["text"]}}


async def test_a_person_calls_what_an_agent_elsewhere_offers_and_does(tmp_path):
    async with street(tmp_path) as it:
        oak, elm = await it.add("oak"), await it.add("elm")
        ada = await enrol(oak, "ada")
        await connect(oak, elm)
        elm.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        machine = await paired(elm, "clerk", kind="agent")
        clerk = Client(elm.url, machine.token, Device(machine.key, machine.did, elm.node.store.node))
        caller = Client(oak.url, oak.node.home.token(), Device(ada.key, ada.did, oak.node.store.node))
        async with clerk, caller:
            offered = await clerk.capabilities.register(ECHO)
            (found,) = (await caller.queries.ask(Question(kind="capability", text="hears"))).results
            assert found.content == offered.offer

            async def work():
                taken = (await clerk.calls.work()).work
                await clerk.calls.progress(taken.call, {"done": 1})
                await clerk.calls.finish(taken.call, {"output": taken.input})

            working = asyncio.create_task(work())
            calling = Calling(node=found.sources[0].node, name="echo", offer=found.content, input={"text": "salve"})
            coming = [it async for it in caller.calls.follow(calling)]
            await working
            assert isinstance(coming[-1], CallView)
            assert (coming[-1].outcome, coming[-1].output) == ("result", {"text": "salve"})
            assert coming[-1].caller == ada.did
            assert (await caller.calls.show(coming[-1].call)).countersig
            assert [it.call for it in await caller.calls.all()] == [coming[-1].call]
            assert await clerk.calls.all() == []
            await clerk.capabilities.withdraw("echo")
            assert await clerk.capabilities.all() == []


async def test_an_agent_has_its_own_calls_sent_to_its_own_machine(tmp_path):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        machine = await paired(elm, "clerk", kind="agent")
        other = (await elm.service.participant_add_custodial("other")).did
        async with Client(elm.url, machine.token, Device(machine.key, machine.did, elm.node.store.node)) as clerk:
            hook = await clerk.webhooks.register("http://127.0.0.1:8080/calls")
            assert (hook.agent, hook.by_operator, hook.last) == (machine.did, False, "")
            assert await clerk.webhooks.all() == [hook]
            for refused, code in (
                (clerk.webhooks.register("https://10.0.0.1/"), "webhook_forbidden"),
                (clerk.webhooks.register("http://127.0.0.1/", agent=other), "not_yourself"),
                (clerk.webhooks.register("ftp://127.0.0.1/"), "bad_webhook"),
                (clerk.webhooks.remove(other), "not_yourself"),
            ):
                with pytest.raises(UsageError) as error:
                    await refused
                assert error.value.code == code
            await clerk.webhooks.remove(machine.did)
            assert await clerk.webhooks.all() == []
            metrics = elm.service.metrics()
            assert b'foedus_calls_under_way{side="hosted"} 0' in metrics
            assert b"# TYPE foedus_webhook_deliveries_total counter" in metrics
