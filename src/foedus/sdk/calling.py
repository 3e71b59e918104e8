"""A call, and how it is made: by the node, for an agent whose key it keeps, or signed by the client's device."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.sdk.acts import signed_call
from foedus.sdk.speaking import grants_for, own, signs_for

if TYPE_CHECKING:
    from foedus.sdk.client import Client

CALL = "/foedus/agent/call"


class Calling(Struct, frozen=True, kw_only=True):
    """What is called. ``node``: its id, '' for this one; ``offer``: the id of the offer, as it was found.

    ``input``: JSON. ``wait_s``: until the deadline, at most 3,600. ``as_``: an agent whose key the node keeps; '' is
    the client's device, or the node itself.
    """

    name: str
    offer: str
    node: str = ""
    input: Any = None
    wait_s: float = 30.0
    as_: str = ""


async def body_of(client: Client, calling: Calling) -> dict[str, Any]:
    """Return the call as the API takes it, signed where the client's device signs."""
    if signs_for(client, calling.as_):
        return await _signed(client, calling)
    return {
        "name": calling.name,
        "offer": calling.offer,
        "node": calling.node,
        "input": calling.input,
        "wait_ms": round(calling.wait_s * 1000),
        "as": calling.as_,
    }


async def _signed(client: Client, calling: Calling) -> dict[str, str]:
    mine, context = await own(client), await client.node.signing()
    node = parse_id(context.node)
    plain = {
        "v": 1,
        "node": node,
        "epoch": parse_id(context.epoch),
        "caller": mine.who.did,
        "device": mine.device.key.public,
        "host": parse_id(calling.node) if calling.node else node,
        "name": calling.name,
        "offer": parse_id(calling.offer),
        "input": json.dumps(calling.input, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(),
        "at": context.now,
        "deadline": context.now + round(calling.wait_s * SECOND),
        "auth": [mine.enrolment, *await grants_for(client, mine, CALL)][:AUTH_MAX],
        "nonce": os.urandom(NONCE_BYTES),
    }
    return signed_call(mine.device.key, plain)
