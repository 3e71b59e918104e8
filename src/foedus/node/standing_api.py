"""What surfaces may ask of a running node about standing, and why an act may or may not pass."""

from __future__ import annotations

from typing import Protocol

from foedus.values.standing import ExplainView, StandingView


class StandingService(Protocol):
    """Standing of participants, and explanations: a part of ``api.NodeService``."""

    def standings(self) -> list[StandingView]:
        """Return where every known participant stands here."""
        ...

    def standing(self, who: str) -> StandingView:
        """Return where one stands (DID or name), and what the rule still asks for."""
        ...

    async def standing_propose(self, who: str, to: int | None = None) -> StandingView:
        """Propose a step up (None: the next), by the written rule; a step down takes effect at once."""
        ...

    async def standing_confirm(self, who: str) -> StandingView:
        """Let a proposed step take effect, as this node's human."""
        ...

    def explain(self, who: str, act: str, room: str = "") -> ExplainView:
        """Say, layer by layer, whether ``who`` may do ``act``: a border command, or a kind of act in a room.

        ``room``: the room, or for a command outside of rooms the peer that it goes to. ``who`` = ``event``: ``act`` is
        the id of a held event whose verdict is explained.
        """
        ...
