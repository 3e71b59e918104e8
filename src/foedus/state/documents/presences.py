"""Who is in a document now, as clients tell each other. Nothing of it is signed or kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from foedus.state.documents.limits import PRESENCES_EACH_MAX, PRESENCES_MAX
from foedus.state.documents.messages import GONE, Presence


class _Held(NamedTuple):
    """What a client last said, who brought it, and by how much its clock is told as later."""

    presence: Presence
    owner: Hashable
    later: int

    @property
    def told(self) -> Presence:
        return self.presence._replace(clock=self.presence.clock + self.later)


class Presences:
    """The newest presence of each Yjs client, and which of ``owners`` (connections) brought it first.

    Clients of y-websocket repeat what they hear. What was heard already is dropped here, and nobody changes what
    another brought.

    Who is told that somebody has gone takes nothing more of them at that clock or an earlier one (y-protocols,
    awareness.js). Who comes back by another connection or link says the clock of before; it is told as a later one.
    """

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._gone: dict[int, int] = {}
        """The clock at which a client was told to have gone."""

    def all(self) -> tuple[Presence, ...]:
        """Return those who are there."""
        return tuple(held.told for held in self._held.values() if held.presence.state != GONE)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, owner: Hashable, told: Sequence[Presence]) -> tuple[Presence, ...]:
        """Take in what a connection shows; return what is new in it."""
        return tuple(self._held[presence.client].told for presence in told if self._is_taken(owner, presence))

    def _is_taken(self, owner: Hashable, presence: Presence) -> bool:
        held = self._held.get(presence.client)
        if held is None:
            if presence.state == GONE or self._is_full(owner):
                return False
            later = max(0, self._gone.pop(presence.client, -1) + 1 - presence.clock)
        elif held.owner != owner or not _is_newer(presence, held.presence):
            return False
        else:
            later = held.later
        self._held[presence.client] = _Held(presence, owner, later)
        return True

    def _is_full(self, owner: Hashable) -> bool:
        brought = sum(held.owner == owner for held in self._held.values())
        return len(self._held) >= PRESENCES_MAX or brought >= PRESENCES_EACH_MAX

    def leave(self, owner: Hashable) -> tuple[Presence, ...]:
        """Forget what a connection brought; return what to tell the others."""
        left = [held.told for held in self._held.values() if held.owner == owner]
        for presence in left:
            del self._held[presence.client]
            self._gone[presence.client] = presence.clock + 1
        while len(self._gone) > PRESENCES_MAX:
            del self._gone[next(iter(self._gone))]
        return tuple(it._replace(clock=it.clock + 1, state=GONE) for it in left if it.state != GONE)


def _is_newer(presence: Presence, held: Presence) -> bool:
    is_end = presence.clock == held.clock and presence.state == GONE and held.state != GONE
    return presence.clock > held.clock or is_end
