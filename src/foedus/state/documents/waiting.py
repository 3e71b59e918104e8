"""Updates of one document that stand on what is not held.

So much may wait, and each chain gets its share: where there is no more room, who has most waiting loses what needs
most. Of what was let go it is remembered what it needs. Once that came, all of the document is to be taken anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from foedus.state.documents.limits import LET_GO_MAX, WAITING_BYTES_MAX, WAITING_EACH
from foedus.state.documents.update import Reach

_SPARE = 64
"""Numbers of updates that wait no more, beside as many as do, before they are cleared away."""


class Waits(NamedTuple):
    """An update. ``source``: the epoch of the chain that brought it."""

    update: bytes
    found: Reach
    source: bytes


class _Source:
    """What waits of one chain, by number; what needs most is found first."""

    def __init__(self) -> None:
        self.size = 0
        self.clients: dict[int, int] = {}
        """Number → the client of which that update needs more."""
        self._order: list[tuple[int, int]] = []

    def add(self, number: int, client: int, needed: int) -> None:
        """Take note of an update, which needs a client up to a clock."""
        self.clients[number] = client
        heappush(self._order, (-needed, -number))
        if len(self._order) > 2 * len(self.clients) + _SPARE:
            self._order = [item for item in self._order if -item[1] in self.clients]
            heapify(self._order)

    def neediest(self) -> int:
        """Return the number of the update that needs most, the newest of those."""
        while -self._order[0][1] not in self.clients:
            heappop(self._order)
        return -self._order[0][1]


class Waiting:
    """See above. Each update is put to one client of which it needs more than is held."""

    def __init__(self) -> None:
        self.bytes = 0
        """What all that waits counts for."""
        self.has_let_go = False
        """Whether something is not here that was brought."""
        self.may_recover = False
        """Whether what something needs that was let go came since."""
        self._by_client: dict[int, dict[int, Waits]] = {}
        """Client → number in the order of coming → update."""
        self._sources: dict[bytes, _Source] = {}
        self._count = 0
        self._let_go: dict[int, int] = {}
        """Client → the least clock that something which was let go needs of it."""

    def updates(self) -> Iterator[bytes]:
        """Yield what waits."""
        return (each.update for waiting in self._by_client.values() for each in waiting.values())

    def put(self, client: int, update: bytes, found: Reach, source: bytes) -> None:
        """Let an update wait for more of a client, and let go what there is no more room for."""
        self._count += 1
        self._by_client.setdefault(client, {})[self._count] = Waits(update, found, source)
        chain = self._sources.setdefault(source, _Source())
        chain.add(self._count, client, found.needs[client])
        chain.size += _size(update)
        self.bytes += _size(update)
        while self.bytes > WAITING_BYTES_MAX:
            largest = max(self._sources.items(), key=lambda item: (item[1].size, item[0]))[1]
            number = largest.neediest()
            its = largest.clients[number]
            self._note(its, self._remove(its, number).found)

    def take_out(self, client: int) -> list[Waits]:
        """Return what waits for a client, in the order in which it came, and hold it no more."""
        return [self._remove(client, number) for number in list(self._by_client.get(client, ()))]

    def _remove(self, client: int, number: int) -> Waits:
        found = self._by_client[client].pop(number)
        if not self._by_client[client]:
            del self._by_client[client]
        chain = self._sources[found.source]
        del chain.clients[number]
        chain.size -= _size(found.update)
        if not chain.clients:
            del self._sources[found.source]
        self.bytes -= _size(found.update)
        return found

    # --- what was let go ---------------------------------------------------------------------

    def _note(self, client: int, found: Reach) -> None:
        self.has_let_go = True
        if client in self._let_go or len(self._let_go) < LET_GO_MAX:
            needed = found.needs[client]
            self._let_go[client] = min(needed, self._let_go.get(client, needed))

    def came(self, ends: Mapping[int, int]) -> None:
        """Take note that more is held: of each client up to a clock."""
        if self._let_go:
            self.may_recover |= any(self._let_go.get(client, clock + 1) <= clock for client, clock in ends.items())

    def begin_again(self) -> None:
        """Forget what was let go."""
        self.has_let_go = self.may_recover = False
        self._let_go.clear()


def _size(update: bytes) -> int:
    return len(update) + WAITING_EACH
