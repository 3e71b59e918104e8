"""Who is in a document now, as clients tell each other. Nothing of it is signed or kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from foedus.state.documents.limits import PRESENCES_EACH_MAX, PRESENCES_MAX
from foedus.state.documents.messages import GONE, Presence


class Presences:
    """The newest presence of each Yjs client, and which of ``owners`` (connections) brought it first.

    Clients of y-websocket repeat what they hear. What was heard already is dropped here, and nobody changes what
    another brought.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[Presence, Hashable]] = {}

    def all(self) -> tuple[Presence, ...]:
        """Return those who are there."""
        return tuple(held for held, _ in self._held.values() if held.state != GONE)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, owner: Hashable, told: Sequence[Presence]) -> tuple[Presence, ...]:
        """Take in what a connection shows; return what is new in it."""
        return tuple(presence for presence in told if self._is_taken(owner, presence))

    def _is_taken(self, owner: Hashable, presence: Presence) -> bool:
        held = self._held.get(presence.client)
        if held is None:
            if presence.state == GONE or self._is_full(owner):
                return False
        elif held[1] != owner or not _is_newer(presence, held[0]):
            return False
        self._held[presence.client] = (presence, owner)
        return True

    def _is_full(self, owner: Hashable) -> bool:
        brought = sum(brought_by == owner for _, brought_by in self._held.values())
        return len(self._held) >= PRESENCES_MAX or brought >= PRESENCES_EACH_MAX

    def leave(self, owner: Hashable) -> tuple[Presence, ...]:
        """Forget what a connection brought; return what to tell the others."""
        gone = [held for held, brought_by in self._held.values() if brought_by == owner]
        for presence in gone:
            del self._held[presence.client]
        return tuple(it._replace(clock=it.clock + 1, state=GONE) for it in gone if it.state != GONE)


def _is_newer(presence: Presence, held: Presence) -> bool:
    is_end = presence.clock == held.clock and presence.state == GONE and held.state != GONE
    return presence.clock > held.clock or is_end
