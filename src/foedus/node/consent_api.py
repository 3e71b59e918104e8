"""What surfaces may ask of a running node about grants, and acts that wait for a human."""

from __future__ import annotations

from typing import Any, Protocol

from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import SignedAct


class ConsentService(Protocol):
    """Grants and approvals: a part of ``api.NodeService``."""

    def grants(self) -> list[GrantView]:
        """Return the grants of this node's participants, newest first."""
        ...

    def grant(self, grant: str) -> GrantView:
        """Return one grant, by the id of its event, its CID, or the beginning of either."""
        ...

    def grant_cuts(self, grant: str) -> list[list[Any]]:
        """Return [chain id hex, seq, event id hex] of each chain of this node: what a revocation names."""
        ...

    def approvals(self) -> list[ApprovalView]:
        """Return the acts that wait or waited for a human, oldest first."""
        ...

    async def approval(self, approval: str, *, wait_s: float = 0) -> ApprovalView:
        """Return one approval, once it is decided or after ``wait_s``."""
        ...

    async def approval_ask(self, room: str, agent: str, text: str, delta: str = "") -> ApprovalView:
        """Ask for what an agent with a key of its own wants to say: allowed at once where grants carry it.

        It signs the same words and salt, and cites ``grants``, once that is allowed.
        """
        ...

    async def approval_allow(self, approval: str, did: str, act: SignedAct) -> ApprovalView:
        """Order the grant by which a human allows a waiting act, and then the act."""
        ...

    async def approval_deny(self, approval: str, did: str, reason: str) -> ApprovalView:
        """Say no to a waiting act."""
        ...
