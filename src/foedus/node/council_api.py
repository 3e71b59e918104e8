"""What surfaces may ask of a running node about its councils: a part of ``api.NodeService``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilProofView,
    CouncilProvedView,
    CouncilView,
)


class CouncilService(Protocol):
    """Councils. ``council``: its id, 8 digits of it, or its name."""

    def councils(self) -> list[CouncilView]:
        """Return the councils of this node, and those that it is asked to join."""
        ...

    def council(self, council: str) -> CouncilView:
        """Return one council."""
        ...

    async def council_create(self, name: str, peers: Sequence[str], *, seal: bool = False) -> CouncilView:
        """Found a council with connected peers, and ask them to join. ``seal``: its members seal checkpoints."""
        ...

    async def council_join(self, council: str) -> CouncilView:
        """Join a council that this node is asked to join, as its human decided."""
        ...

    async def council_put(
        self, council: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key, or delete it (None), if it has the value ``expected`` (where given); wait for the decision."""
        ...

    async def council_get(self, council: str, key: str) -> CouncilDecisionView:
        """Read a key in the order of all updates."""
        ...

    async def council_submit(self, council: str, updates: Sequence[bytes]) -> list[CouncilDecisionView]:
        """Ask for updates as their authors signed them (canonical bytes), all or none; wait for all decisions."""
        ...

    def council_held(self, council: str, key: str) -> CouncilDecisionView:
        """Read what this node holds of a key: it may be behind what the council decided."""
        ...

    def council_log(self, council: str, after: int = 0, limit: int = 100) -> list[CouncilEntryView]:
        """Return the updates at the ``limit`` places after ``after``."""
        ...

    def council_follow(self, council: str, *, after: str | None = None) -> AsyncIterator[CouncilEntryView]:
        """Yield updates as they are made and durable, after a cursor (None: from now on), in their order.

        A cursor is ``PLACE`` or ``PLACE.POSITION``; '' is the oldest that is held.
        """
        ...

    async def council_proof(self, council: str, sequence: int, position: int = 0) -> CouncilProofView:
        """Return the proof of one update."""
        ...

    async def council_verify(self, proof: str, council: str = "", *, seals_only: bool = False) -> CouncilProvedView:
        """Check a commit proof (base64url), of the council with this whole id if one is given; raise ProofFailed.

        ``seals_only``: believe its members' seals, and no Ed25519 signature at all.
        """
        ...
