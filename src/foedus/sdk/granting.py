"""What a person lets agents do at other nodes, and how they take it back: signed by the client's device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.identity.ucan import issue_delegation, issue_revocation
from foedus.identity.ucan.ipld import cid_of_text
from foedus.sdk.acts import Draft
from foedus.sdk.device import Device, now
from foedus.sdk.speaking import Own, own, sign
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import Placed, SignedAct

if TYPE_CHECKING:
    from foedus.sdk.client import Client

_DAY_S = 86_400
_NONCE_BYTES = 16
ONE_ACT_S = 600
"""A grant for one act that waits serves as soon as it is given: ten minutes forgive the clocks and the network."""


class Scope(Struct, frozen=True, kw_only=True):
    """What a grant allows. Of ``rooms``, ``hosts``, ``councils`` (ids), ``domains``, ``capabilities`` none is all.

    Ids are in hex. ``digest``: of the one act that it is for.
    ``uses_per_hour`` 0: without limit; ``after_foreign``: it still counts after the agent has read foreign words.
    """

    command: str = "/foedus/room/speak"
    rooms: Sequence[str] = ()
    hosts: Sequence[str] = ()
    domains: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    councils: Sequence[str] = ()
    digest: str = ""
    lasts_s: int = 30 * _DAY_S
    uses_per_hour: int = 0
    after_foreign: bool = False


def delegation(device: Device, audience: str, scope: Scope) -> bytes:
    """Return the UCAN by which the device lets ``audience``, the did:key of another, do what ``scope`` says."""
    meta: dict[str, Any] = {"uses_per_hour": scope.uses_per_hour} if scope.uses_per_hour else {}
    if scope.after_foreign:
        meta["after_foreign"] = True
    limits = {".room": scope.rooms, ".domain": scope.domains, ".capability": scope.capabilities}
    limits |= {".council": scope.councils, ".host": scope.hosts, ".digest": [scope.digest]}
    tests = [_one_of(selector, values) for selector, values in limits.items()]
    return issue_delegation(
        device.key,
        audience=audience,
        subject=device.device_did,
        command=scope.command,
        policy=[test for test in tests if test],
        nonce=os.urandom(_NONCE_BYTES),
        expires=now() // SECOND + scope.lasts_s,
        meta=meta or None,
    )


def _one_of(selector: str, values: Sequence[str]) -> list[Any]:
    tests = [["==", selector, value] for value in values if value]
    return ["or", tests] if len(tests) > 1 else tests[0] if tests else []


async def register(client: Client, ucan: bytes) -> Placed:
    """Order a ``grant.create`` with a delegation that the device signed."""
    mine = await own(client)
    return await client.participants.act(mine.who.did, await _signed(client, mine, "grant.create", {"ucan": ucan}))


async def create(client: Client, agent: str, scope: Scope) -> GrantView:
    """Grant to each device in force of an agent; return the last."""
    everyone = await client.participants.all(q=agent)
    who = next((who for who in everyone if who.did == agent and who.is_local), None)
    devices = [device for device in who.devices if not device.revoked] if who else []
    if not devices:
        raise NotFound(f"this node has no agent {agent} with a device in force", code="unknown_participant")
    mine = await own(client)
    ucans = [delegation(mine.device, did_of(parse_id(device.key)), scope) for device in devices]
    placed = [await register(client, ucan) for ucan in ucans]
    return await client.grants.show(placed[-1].id)


async def revoke(client: Client, grant: str) -> Placed:
    """Take a grant back: an event that travels to all peers."""
    mine, view = await own(client), await client.grants.show(grant)
    cuts = [[parse_id(chain), seq, parse_id(last)] for chain, seq, last in await client.grants.cuts(view.id)]
    ucan = issue_revocation(mine.device.key, revoked=cid_of_text(view.cid), nonce=b"")
    signed = await _signed(client, mine, "grant.revoke", {"ucan": ucan, "cuts": cuts})
    return await client.participants.act(mine.who.did, signed)


async def allow(client: Client, approval: str, scope: Scope | None) -> ApprovalView:
    """Allow a waiting act by a grant that the device signs: for that act alone, where no ``scope`` is given."""
    mine, view = await own(client), await client.approvals.show(approval)
    if view.state != "waiting":
        raise UsageError(f"the approval is {view.state}", code="already_decided", http_status=409)
    meant = scope or Scope(command=view.command, rooms=[view.room], digest=view.digest, lasts_s=ONE_ACT_S)
    ucan = delegation(mine.device, view.agent.did, meant)
    grant = await _signed(client, mine, "grant.create", {"ucan": ucan})
    return await client.approvals.post_allow(view.id, mine.who.did, grant)


async def _signed(client: Client, mine: Own, kind: str, body: dict[str, Any]) -> SignedAct:
    draft = Draft(mine.who.did, f"participant:{mine.who.did}", kind, body, (mine.enrolment,))
    return await sign(client, mine.device, draft)
