"""What surfaces may ask of a running node about members of councils: a part of ``api.NodeService``."""

from __future__ import annotations

from typing import Protocol

from foedus.values.councils import CouncilDecisionView, CouncilMotionView, CouncilView


class CouncilMemberService(Protocol):
    """Changes of members, each as the human of this node decides, and updates of agents."""

    async def council_add(self, council: str, peer: str) -> CouncilView:
        """Wish a peer to be a member; it comes once a quorum of the members wishes that and its human joins."""
        ...

    async def council_remove(self, council: str, member: str) -> CouncilView:
        """Wish a member to go; it does once a quorum of the members wishes that."""
        ...

    def council_motions(self, council: str) -> list[CouncilMotionView]:
        """Return what waits for members to approve it."""
        ...

    async def council_approve(self, council: str, motion: str) -> CouncilView:
        """Approve an open motion (its id, or 8 digits of it) in this node's name."""
        ...

    async def council_govern(self, council: str, room: str, peer: str, *, release: bool = False) -> CouncilView:
        """Change a room's members, or the agreement with a peer, only once the council approved it.

        ``release``: no more; the council approves that first.
        """
        ...

    async def council_put_as(
        self, council: str, agent: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key in the name of an agent whose key this node keeps; a person's grant must carry it."""
        ...
