"""Which chunk is asked of whom: the core of fetching blobs over links. Events are named by their ids, nodes by theirs.

A chunk is asked of one peer at a time. Who has none of an event's blob, is slow or lied is passed over, and the next is
asked; the first two are asked again after a while, or when their link opens anew, who lied never. What is wanted stays
wanted until it is stored or forgotten: the node says so again after each start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import CHUNKS_IN_FLIGHT, CHUNKS_PER_FRAME, MINUTE, SECOND

ANSWER_WITHIN = 30 * SECOND
"""A full window of chunks in this time is 280 kbit/s; slower, and another is asked."""
AGAIN_AFTER = MINUTE
"""After which those are asked again who had nothing, or were slow."""
IN_FLIGHT_MAX = 256
"""Chunks that have not come, over all links: 16 MiB of memory at most."""
LIARS_MAX = 4_096
"""(peer, event) of wrong chunks that are remembered."""

MayAsk = Callable[[bytes, bytes], bool]
"""(peer, event) → whether that peer may see the event."""


class UnexpectedChunk(PeerViolation):
    """The peer sends a chunk that nobody asked it for."""

    code = "unexpected_chunk"
    remedy = "the other node must send what it is asked for"


class Ask(NamedTuple):
    """Ask a peer for chunks of the blob that an event names."""

    node: bytes
    event: bytes
    numbers: tuple[int, ...]


class _Wanted:
    """A blob that is not whole."""

    def __init__(self, missing: Iterable[int]) -> None:
        self.missing = set(missing)
        self.flying: set[int] = set()
        self.away: set[bytes] = set()
        """Peers that do not have it now, as far as we know."""


class Fetching:
    """One per node. Time is an argument; nothing is sent here."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, _Wanted] = {}
        self._asked: dict[bytes, dict[tuple[bytes, int], Instant]] = {}
        """By linked peer: what it was asked for and has not answered, and until when it should."""
        self._liars: dict[tuple[bytes, bytes], None] = {}
        self._again_at: Instant | None = None

    # --- what is wanted ----------------------------------------------------------------------

    def want(self, event: bytes, missing: Collection[int]) -> None:
        """Fetch chunks of an event's blob; nothing where it is wanted already."""
        if missing:
            self._wanted.setdefault(event, _Wanted(missing))

    def forget(self, event: bytes) -> None:
        """Want nothing more of an event. What was asked for may still come."""
        self._wanted.pop(event, None)

    def is_wanted(self, event: bytes, number: int | None = None) -> bool:
        """Whether something of an event's blob, or this chunk of it, is not here."""
        wanted = self._wanted.get(event)
        return wanted is not None and (number is None or number in wanted.missing)

    def stored(self, event: bytes, number: int) -> bool:
        """Take note that a chunk is durable; return whether the blob is whole by it."""
        wanted = self._wanted.get(event)
        if wanted is None:
            return False
        wanted.missing.discard(number)
        wanted.flying.discard(number)
        if wanted.missing:
            return False
        del self._wanted[event]
        return True

    # --- peers -------------------------------------------------------------------------------

    def opened(self, node: bytes) -> None:
        """Take note that a link to a peer that speaks of blobs is open, perhaps in place of a former one."""
        self.closed(node)
        self._asked[node] = {}
        for wanted in self._wanted.values():
            wanted.away.discard(node)

    def closed(self, node: bytes) -> None:
        """Take note that the link is gone; what was asked for there is asked elsewhere."""
        for event, number in self._asked.pop(node, {}):
            self._lands(event, number)

    def has(self, node: bytes, event: bytes) -> None:
        """Take the peer's word that it has all of a blob by now."""
        wanted = self._wanted.get(event)
        if wanted is not None:
            wanted.away.discard(node)

    def lacks(self, node: bytes, event: bytes, numbers: Iterable[int]) -> None:
        """Take the peer's word that it has not what it was asked for; what it was not asked for is passed over."""
        asked = self._asked.get(node, {})
        for number in numbers:
            if asked.pop((event, number), None) is not None:
                self._lands(event, number, away=node)

    def came(self, node: bytes, event: bytes, number: int) -> None:
        """Count a chunk that came; until it is ``stored`` or a ``lie`` it is under way. Raises UnexpectedChunk."""
        if self._asked.get(node, {}).pop((event, number), None) is None:
            raise UnexpectedChunk(f"chunk {number} was not asked for")

    def lie(self, node: bytes, event: bytes, number: int) -> None:
        """Take note that what came is no chunk of the blob: its sender is not asked for it again."""
        if len(self._liars) >= LIARS_MAX:
            del self._liars[next(iter(self._liars))]
        self._liars[node, event] = None
        self._lands(event, number)

    def failed(self, event: bytes, number: int) -> None:
        """Take note that a chunk that came could not be stored: it is asked for again."""
        self._lands(event, number)

    def _lands(self, event: bytes, number: int, away: bytes | None = None) -> None:
        wanted = self._wanted.get(event)
        if wanted is not None:
            wanted.flying.discard(number)
            if away is not None:
                wanted.away.add(away)

    # --- asking ------------------------------------------------------------------------------

    def asks(self, now: Instant, may_ask: MayAsk) -> list[Ask]:
        """Return what to ask now; each is under way by that."""
        found: list[Ask] = []
        flying = sum(len(asked) for asked in self._asked.values())
        for node, asked in self._asked.items():
            for event, wanted in self._wanted.items():
                room = min(CHUNKS_IN_FLIGHT - len(asked), IN_FLIGHT_MAX - flying, CHUNKS_PER_FRAME)
                if room <= 0:
                    break
                numbers = tuple(sorted(wanted.missing - wanted.flying)[:room])
                if not numbers or not self._may(node, event, wanted, may_ask):
                    continue
                wanted.flying |= set(numbers)
                asked.update({(event, number): now + ANSWER_WITHIN for number in numbers})
                flying += len(numbers)
                found.append(Ask(node, event, numbers))
        if self._again_at is None and any(wanted.away for wanted in self._wanted.values()):
            self._again_at = now + AGAIN_AFTER
        return found

    def _may(self, node: bytes, event: bytes, wanted: _Wanted, may_ask: MayAsk) -> bool:
        return node not in wanted.away and (node, event) not in self._liars and may_ask(node, event)

    def next_deadline(self) -> Instant | None:
        """When to call ``on_deadline``."""
        ends = [end for asked in self._asked.values() for end in asked.values()]
        return min([*ends, *([] if self._again_at is None else [self._again_at])], default=None)

    def on_deadline(self, now: Instant) -> None:
        """Pass over who is late, and give another chance to who was passed over long ago. Ask again then."""
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            for wanted in self._wanted.values():
                wanted.away.clear()
        for node, asked in self._asked.items():
            for (event, number), end in asked.items():
                if now >= end:
                    asked[event, number] = now + ANSWER_WITHIN  # it may still come, and fills its window until then
                    self._lands(event, number, away=node)
