"""A call as it is sent: by the node, for a custodial agent, or signed on this device."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.base64url import to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.node.call_values import CallView
from foedus.node.consent_values import GrantView
from foedus.node.values import ParticipantView, SigningContext
from foedus.query.call import Call, call_bytes, encode_call
from foedus.surfaces.cli.options import PassphraseFile

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

_AFTER_S = 10.0
"""Seconds beyond the deadline that the node has to answer the request."""


class Called(NamedTuple):
    """What is called: node and offer by id in hex, the input, and how long it may take."""

    node: str
    name: str
    offer: str
    input: Any
    wait_s: float


def put(node: Client, called: Called, speaker: ParticipantView | None, file: PassphraseFile) -> CallView:
    """Call, and return the call when it is over."""
    body: dict[str, Any]
    if speaker is not None and speaker.custody == "device":
        body = _signed(node, called, speaker, file)
    else:
        body = {"node": called.node, "name": called.name, "offer": called.offer, "input": called.input}
        body |= {"wait_ms": round(called.wait_s * 1000), "as": speaker.did if speaker is not None else ""}
    return node.post("/calls", CallView, body, timeout_s=called.wait_s + _AFTER_S)


def _signed(node: Client, called: Called, speaker: ParticipantView, file: PassphraseFile) -> dict[str, str]:
    from foedus.surfaces.cli.devices import device_folder, enrolled, signer_of

    folder = device_folder()
    entry, device = enrolled(folder, speaker)
    key = signer_of(node, folder, entry, file)
    context = node.get("/signing", SigningContext)
    call = Call(
        v=1,
        node=parse_id(context.node),
        epoch=parse_id(context.epoch),
        caller=speaker.did,
        device=key.public,
        host=parse_id(called.node),
        name=called.name,
        offer=parse_id(called.offer),
        input=json.dumps(called.input, ensure_ascii=False, separators=(",", ":")).encode(),
        at=context.now,
        deadline=context.now + round(called.wait_s * SECOND),
        auth=(parse_id(device.enrolment), *(_grants(node) if speaker.kind == "agent" else ())),
        nonce=os.urandom(NONCE_BYTES),
    )
    try:
        data = encode_call(call)
    except ValueError as error:
        raise UsageError(f"the call: {error}", code="malformed_call") from None
    return {"call": to_base64url(data), "asig": to_base64url(key.sign(call_bytes(data)))}


def _grants(node: Client) -> list[bytes]:
    """Return the grants in force by which one may call, as many as a call cites."""
    from foedus.identity.ucan import covers
    from foedus.trust.border import CALL

    found = [view for view in node.get("/grants", list[GrantView]) if view.state == "in_force"]
    return [parse_id(view.id) for view in found if covers(view.command, CALL)][: AUTH_MAX - 1]
