"""The node as an architect's device may use it: a human of this node whose own it is.

What speaks or signs stays that of one participant. What is looked at is the whole node, as the operator sees it, and
codes are shown for anyone. The operator's own routes the HTTP surface opens to them (`surfaces/http/callers.py`).
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from foedus.node.participant_service import ParticipantService
from foedus.values.access import CallerView, PairCodeView
from foedus.values.node import ParticipantView


class ArchitectService(ParticipantService):
    """``ParticipantService`` of a human with the standing of architect."""

    def caller(self) -> CallerView:
        """Return who asks."""
        return replace(super().caller(), architect=True)

    def participants(self, query: str = "") -> list[ParticipantView]:
        """Return participants with all their devices."""
        found: list[ParticipantView] = self._service.participants(query)
        return found

    def may_see(self, stream: str) -> bool:
        """Whether events of a stream are shown: those of each, for as long as they are architect."""
        is_architect: bool = self._service.is_architect(self._holder.did)
        return is_architect or super().may_see(stream)

    def pair_generate(self, who: str, kind: Literal["human", "agent"], *, architect: bool = False) -> PairCodeView:
        """Open a code for anyone's device."""
        code: PairCodeView = self._service.pair_generate(who, kind, architect=architect)
        return code
