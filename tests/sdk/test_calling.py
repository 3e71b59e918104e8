"""Calls over the API: a person calls from this machine, an agent of another node works with its own token."""

import asyncio

from foedus.sdk import Calling, Client, Device, Question
from foedus.sdk.values.calls import CallView
from foedus.trust.standing import Standing
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
