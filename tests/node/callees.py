"""Capabilities in tests: offering them, calling them, and working as an agent."""

import asyncio

from foedus.node.call_values import CallForm, CapabilityForm, WorkResult

TAKES = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
RETURNS = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}


async def offer(running, agent, name="echo", **fields):
    form = CapabilityForm(name=name, agent=agent, takes=TAKES, returns=RETURNS, **fields)
    return await running.service.capability_register(form)


def form(capability, text="hello", **fields):
    fields = {"input": {"text": text}, "wait_ms": 30_000} | fields
    return CallForm(node=capability.node, name=capability.name, offer=capability.offer, **fields)


async def take(running, agent, wait_ms=30_000):
    return await running.service.call_work(agent, wait_ms)


async def answer(running, agent):
    """Take one call, and say what it said."""
    work = await take(running, agent)
    await running.service.call_finish(agent, work.call, WorkResult(output={"said": work.input["text"]}))
    return work


def calling(running, capability, **fields):
    """Call in the background; return the task."""
    return asyncio.create_task(running.service.call(form(capability, **fields)))
