"""Councils as one participant may use them: a part of ``participant_service``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foedus.consensus.updates import read_update
from foedus.node.not_yourself import NotYourself
from foedus.node.tokens import Holder
from foedus.values.councils import CouncilDecisionView, CouncilView


class ParticipantCouncils:
    """A participant sees which councils there are, and proposes for itself alone."""

    _service: Any
    _holder: Holder

    def councils(self) -> list[CouncilView]:
        """Return the councils of this node."""
        found: list[CouncilView] = self._service.councils()
        return found

    def council(self, council: str) -> CouncilView:
        """Return one council."""
        found: CouncilView = self._service.council(council)
        return found

    async def council_put(
        self, council: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key, as itself."""
        return await self.council_put_as(council, self._holder.did, key, value, expected)

    async def council_put_as(
        self, council: str, agent: str, key: str, value: bytes | None, expected: tuple[bytes | None] | None = None
    ) -> CouncilDecisionView:
        """Set a key, as itself, whatever name it gives itself."""
        if agent != self._holder.did:
            raise NotYourself("this token is another participant's")
        made: CouncilDecisionView = await self._service.council_put_as(council, agent, key, value, expected)
        return made

    async def council_submit(self, council: str, updates: Sequence[bytes]) -> list[CouncilDecisionView]:
        """Ask for updates that its own device signed."""
        if any(read_update(data).author != self._holder.did for data in updates):
            raise NotYourself("an update is another participant's")
        made: list[CouncilDecisionView] = await self._service.council_submit(council, updates)
        return made
