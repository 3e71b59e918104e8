"""Participants whose key a program holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.sdk.acts import Draft
from foedus.sdk.device import Device
from foedus.sdk.speaking import sign

if TYPE_CHECKING:
    from foedus.sdk.client import Client


async def enrol(client: Client, name: str, seed: bytes, kind: str) -> Device:
    """Order the first enrolment of a participant, which its device signs for itself."""
    key = Ed25519Key(seed)
    device = Device(key, did_of(key.public), parse_id((await client.node.identity()).node))
    body = {
        "did": device.did,
        "node": device.node,
        "kind": kind,
        "name": name,
        "custody": "device",
        "device": key.public,
        "possession": None,
        "recovery": None,
    }
    draft = Draft(device.did, f"participant:{device.did}", "device.enrol", body)
    await client.participants.act(device.did, await sign(client, device, draft))
    return device
