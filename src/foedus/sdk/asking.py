"""A question, and how it is asked: by the node, for an agent whose key it keeps, or signed by the client's device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.base.vectors import BadVector, unit
from foedus.sdk.acts import signed_question
from foedus.sdk.speaking import grants_for, own, signs_for

if TYPE_CHECKING:
    from foedus.sdk.client import Client

ASK = "/foedus/query/ask"
_HOPS = {"local": 0, "direct": 1, "global": 5}


class Question(Struct, frozen=True, kw_only=True):
    """What is asked: ``text`` goes with the kinds ``text``, ``semantic`` and ``capability``, ``event`` with ``causal``.

    ``vector``, with ``semantic``: the numbers that ``model`` made of something; without them the node's embedder makes
    them of the text. ``results``: of each node, at most. ``wait_s``: until the deadline, at most 60. ``as_``: an agent
    whose key the node keeps; '' is the client's device, or the node itself.
    """

    kind: Literal["text", "semantic", "causal", "topology", "capability"] = "text"
    text: str = ""
    vector: tuple[float, ...] = ()
    model: str = ""
    event: str = ""
    scope: Literal["local", "direct", "global"] = "direct"
    hops: int | None = None
    results: int = 20
    wait_s: float = 5.0
    as_: str = ""


async def body_of(client: Client, question: Question) -> dict[str, Any]:
    """Return the question as the API takes it, signed where the client's device signs."""
    if signs_for(client, question.as_):
        return await _signed(client, question)
    body = {
        "kind": question.kind,
        "text": question.text,
        "event": question.event,
        "scope": question.scope,
        "results": question.results,
        "wait_ms": round(question.wait_s * 1000),
        "as": question.as_,
    }
    if question.vector:
        body |= {"vector": to_base64url(_unit(question.vector)), "model": question.model}
    return body if question.hops is None else body | {"hops": question.hops}


async def _signed(client: Client, question: Question) -> dict[str, str]:
    mine, context = await own(client), await client.node.signing()
    plain = {
        "v": 1,
        "node": parse_id(context.node),
        "epoch": parse_id(context.epoch),
        "asker": mine.who.did,
        "device": mine.device.key.public,
        "kind": question.kind,
        "about": await _about(client, question),
        "scope": question.scope,
        "hops": _HOPS[question.scope] if question.hops is None else question.hops,
        "results": question.results,
        "at": context.now,
        "deadline": context.now + round(question.wait_s * SECOND),
        "auth": [mine.enrolment, *await grants_for(client, mine, ASK)][:AUTH_MAX],
        "nonce": os.urandom(NONCE_BYTES),
    }
    return signed_question(mine.device.key, plain)


async def _about(client: Client, question: Question) -> dict[str, Any]:
    if question.kind == "semantic":
        return await _meaning(client, question)
    if question.kind in {"text", "capability"}:
        return {"text": question.text}
    return {"event": parse_id(question.event)} if question.kind == "causal" else {}


async def _meaning(client: Client, question: Question) -> dict[str, Any]:
    if question.vector:
        model, dimension, vector = question.model, len(question.vector), _unit(question.vector)
    else:
        made = await client.queries.vector(question.text)
        model, dimension, vector = made.model, made.dimension, from_base64url(made.vector, "vector")
    return {"text": question.text, "model": model, "dimension": dimension, "vector": vector}


def _unit(numbers: tuple[float, ...]) -> bytes:
    try:
        return unit(numbers)
    except BadVector as error:
        remedy = "give finite numbers that are not all zero, at most 4,096"
        raise UsageError(f"the vector: {error}", code="malformed_vector", remedy=remedy) from None
