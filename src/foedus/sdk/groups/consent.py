"""Grants, and acts of agents that wait for a person."""

from __future__ import annotations

from typing import Any

from foedus.sdk import granting
from foedus.sdk.granting import Scope
from foedus.sdk.operation import Action, Group, M, Sent, operation
from foedus.sdk.transport import TIMEOUT_S
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import Placed, SignedAct


class Grants(Group[M]):
    """What people let agents do at other nodes. ``grant``: its event's id, first digits of it, or its CID."""

    @operation("GET", "/grants")
    def all(self) -> Sent[list[GrantView]]:
        """Return the grants of this node's people and agents, newest first."""
        return Sent()

    @operation("GET", "/grants/{grant}")
    def show(self, grant: str) -> Sent[GrantView]:
        """Return one grant."""
        return Sent({"grant": grant})

    @operation("GET", "/grants/{grant}/cuts")
    def cuts(self, grant: str) -> Sent[list[list[Any]]]:
        """Return [chain id, seq, event id] of each chain in which acts under it may stand: for its revocation."""
        return Sent({"grant": grant})

    @Action
    async def create(self, agent: str, scope: Scope) -> GrantView:
        """Let an agent (its DID) act across the border in the name of the person whose device the client has."""
        return await granting.create(self._client, agent, scope)

    @Action
    async def give(self, ucan: bytes) -> Placed:
        """Put a delegation that the client's device signed into force: an event that travels to all peers."""
        return await granting.register(self._client, ucan)

    @Action
    async def revoke(self, grant: str) -> Placed:
        """Take back what the client's device granted, at once and everywhere."""
        return await granting.revoke(self._client, grant)


class Approvals(Group[M]):
    """Acts that wait, or waited, for a person."""

    @operation("GET", "/approvals")
    def all(self) -> Sent[list[ApprovalView]]:
        """Return them, oldest first."""
        return Sent()

    @operation("POST", "/approvals")
    def ask(self, room: str, as_: str, *, text: str | None = None, delta: str | None = None) -> Sent[ApprovalView]:
        """Ask for what an agent with a key of its own wants to say, or (``delta``) to write to a CRDT.

        It is ``allowed`` at once where grants carry it. ``delta``: the body of the act in base64url.
        """
        return Sent(body={"room": room, "as": as_, "text": text, "delta": delta})

    @operation("GET", "/approvals/{approval}")
    def show(self, approval: str, *, wait_s: int = 0) -> Sent[ApprovalView]:
        """Return one; with ``wait_s`` once it is decided, or after so many seconds."""
        return Sent({"approval": approval}, {"wait": wait_s}, timeout_s=TIMEOUT_S + wait_s)

    @Action
    async def allow(self, approval: str, *, scope: Scope | None = None) -> ApprovalView:
        """Allow a waiting act by the person whose device the client has: that act alone, or all that ``scope`` says."""
        return await granting.allow(self._client, approval, scope)

    @operation("POST", "/approvals/{approval}/allow")
    def post_allow(self, approval: str, did: str, grant: SignedAct) -> Sent[ApprovalView]:
        """Allow a waiting act by a signed ``grant.create``; once enough people did, the node orders it."""
        signed = {"act": grant.act, "asig": grant.asig, "salt": grant.salt, "body": grant.body}
        return Sent({"approval": approval}, body={"did": did, **signed})

    @operation("POST", "/approvals/{approval}/deny")
    def deny(self, approval: str, *, did: str = "", reason: str = "") -> Sent[ApprovalView]:
        """Say no to a waiting act."""
        return Sent({"approval": approval}, body={"did": did, "reason": reason})
