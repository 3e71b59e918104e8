"""A call, and how it is made: by the node, for an agent whose key it keeps, or signed by the client's device."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.sdk.acts import signed_call
from foedus.sdk.speaking import Own, decided, grants_for, own, signs_for
from foedus.values.calls import CallView
from foedus.values.consent import ApprovalView

if TYPE_CHECKING:
    from foedus.sdk.client import Client

CALL = "/foedus/agent/call"
AFTER_S = 10.0
"""Seconds beyond a deadline that the node has to answer."""
_LOOK_MS = 30_000


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
    return plain_body(calling, calling.as_)


def asker(client: Client, calling: Calling) -> str:
    """Return for whom a person is asked."""
    return client.device.did if client.device is not None and not calling.as_ else calling.as_


def plain_body(calling: Calling, as_: str) -> dict[str, Any]:
    """Return the call as the API takes it where no device signs."""
    return {
        "name": calling.name,
        "offer": calling.offer,
        "node": calling.node,
        "input": calling.input,
        "wait_ms": round(calling.wait_s * 1000),
        "as": as_,
    }


async def allowed(client: Client, approval: str, wait_s: float, lasts_s: float) -> CallView | None:
    """Return the call that a person allowed: see ``Calls.allowed``."""
    view = await decided(client, approval, wait_s)
    if view.state == "waiting":
        return None
    if view.state == "allowed":
        body = await _signed_as_allowed(client, view, lasts_s)
        return await client.calls.post(body, timeout_s=lasts_s + AFTER_S)
    end = time.monotonic() + lasts_s
    while True:
        left_ms = max(0, round((end - time.monotonic()) * 1000))
        call = await client.calls.show(view.event, wait_ms=min(left_ms, _LOOK_MS))
        if call.state != "open" or not left_ms:
            return call


async def _signed_as_allowed(client: Client, view: ApprovalView, lasts_s: float) -> dict[str, str]:
    """Sign what a person allowed: the same words under the same nonce, hence the digest that their grant names."""
    mine, body = await own(client), decode(from_base64url(view.body, "body"))
    auth = [mine.enrolment, *map(parse_id, view.grants)]
    return await _made(client, mine, body | {"auth": auth, "nonce": from_base64url(view.salt, "salt")}, lasts_s)


async def _signed(client: Client, calling: Calling) -> dict[str, str]:
    mine = await own(client)
    node = calling.node or (await client.node.signing()).node
    called = {
        "host": parse_id(node),
        "name": calling.name,
        "offer": parse_id(calling.offer),
        "input": json.dumps(calling.input, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(),
        "auth": [mine.enrolment, *await grants_for(client, mine, CALL)][:AUTH_MAX],
        "nonce": os.urandom(NONCE_BYTES),
    }
    return await _made(client, mine, called, calling.wait_s)


async def _made(client: Client, mine: Own, called: dict[str, Any], lasts_s: float) -> dict[str, str]:
    context = await client.node.signing()
    plain = {
        "v": 1,
        "node": parse_id(context.node),
        "epoch": parse_id(context.epoch),
        "caller": mine.who.did,
        "device": mine.device.key.public,
        "at": context.now,
        "deadline": context.now + round(lasts_s * SECOND),
    }
    return signed_call(mine.device.key, plain | called)
