"""Capabilities in tests: offering them, calling them, and working as an agent."""

import asyncio
import secrets

from foedus.base.base64url import to_base64url
from foedus.base.ids import parse_id
from foedus.base.limits import SECOND
from foedus.node.call_forms import CallForm, CallSignedForm, CapabilityForm, WorkResult
from foedus.query.call import Call, call_bytes, encode_call
from foedus.query.schemas import write_json

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


def signed_call(person, capability, *, nonce=b"", grants=(), text="hello", **fields):
    """Return a call that a person or agent with a key of its own signs; ``fields`` of ``query.call.Call`` win."""
    context = person.running.service.signing_context()
    now = person.running.node.store.now()
    plain = {
        "v": 1,
        "node": parse_id(context.node),
        "epoch": parse_id(context.epoch),
        "caller": person.did,
        "device": person.key.public,
        "host": parse_id(capability.node),
        "name": capability.name,
        "offer": parse_id(capability.offer),
        "input": write_json({"text": text}),
        "at": now,
        "deadline": now + 30 * SECOND,
        "auth": (person.enrolment, *map(parse_id, grants)),
        "nonce": nonce or secrets.token_bytes(16),
    }
    data = encode_call(Call(**plain | fields))
    return CallSignedForm(call=to_base64url(data), asig=to_base64url(person.key.sign(call_bytes(data))))
