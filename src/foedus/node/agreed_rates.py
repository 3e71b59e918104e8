"""How much each of two nodes may send, as they agreed (clause ``rates``): events a minute of what it wrote itself.

The sender keeps to it: chains wait where a minute's worth is spent. The receiver counts, too: a peer that sends more
gets its credit later on links, and 429 over HTTP. What events are judged by (identities, participants, agreements)
is not counted: a rate does not keep a device from being revoked, nor itself from being changed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from foedus.base.clock import Instant
from foedus.base.limits import PEERS_MAX, SECOND
from foedus.log import streams
from foedus.log.chains import ChainKey
from foedus.node.rates import TooOften
from foedus.node.store import Store
from foedus.sync.pace import Allowance
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.door import AGREEMENT
from foedus.trust.tiers import JUDGED_BY

CLAUSE = f"{AGREEMENT}rates"
_LENIENCE = SECOND
"""A peer may be so far ahead of its rate: the way to us takes now more, now less time."""


class OverAgreedRate(TooOften):
    """The peer has sent more than it agreed to."""

    code = CLAUSE

    def __init__(self, per_minute: int, retry_after_s: float) -> None:
        super().__init__("agreement", f"{per_minute}/minute", retry_after_s)
        self.remedy = f"send again in {self.retry_after_s} s, or agree on another rate"


class AgreedRates:
    """Counts both directions with every peer. ``terms`` is joined by the composition root."""

    def __init__(self, store: Store) -> None:
        self.terms: Callable[[bytes], AgreementInForce | None] = lambda _peer: None
        self.held_back: Counter[bytes] = Counter()
        """Peer → how often a chain of ours had to wait."""
        self._store = store
        self._spent: dict[tuple[bytes, bytes], Allowance] = {}
        """(peer, who sends) → its allowance; who sent last is last."""

    def is_ours(self, key: ChainKey) -> bool:
        """Whether events of a chain count against our own rate."""
        return self._counts(key, self._store.node)

    def _counts(self, key: ChainKey, sender: bytes) -> bool:
        epoch, stream = key
        return self._store.identities.node_of(epoch) == sender and streams.parse(stream).kind not in JUDGED_BY

    # --- what we send ------------------------------------------------------------------------

    def left(self, peer: bytes) -> int | None:
        """Return how many events of our own we may send a peer now; None: as many as we will."""
        allowance = self._allowance(peer, self._store.node)
        return None if allowance is None else allowance.left(self._store.now())

    def sent(self, peer: bytes, count: int) -> None:
        """Count events of our own that go to a peer."""
        allowance = self._allowance(peer, self._store.node)
        if allowance is not None:
            allowance.spend(count, self._store.now())

    def wait_s(self, peer: bytes) -> float:
        """Return until when the next event of our own has to wait, seconds; note that something waits."""
        self.held_back[peer] += 1
        allowance = self._allowance(peer, self._store.node)
        return 0.0 if allowance is None else allowance.wait(self._store.now()) / SECOND

    # --- what we are sent --------------------------------------------------------------------

    def arrived(self, peer: bytes, accepted: Mapping[ChainKey, int]) -> float:
        """Count what was new of what a peer brought, by chain; return for how long its credit is to be held back."""
        allowance = self._allowance(peer, peer)
        if allowance is None:
            return 0.0
        own = sum(count for key, count in accepted.items() if self._counts(key, peer))
        allowance.spend(own, self._store.now())
        return self._owed(allowance) / SECOND if own else 0.0

    def check(self, peer: bytes) -> None:
        """Raise OverAgreedRate where a peer has sent more than it may by now."""
        allowance = self._allowance(peer, peer)
        owed = 0 if allowance is None else self._owed(allowance)
        if allowance is not None and owed:
            raise OverAgreedRate(allowance.per_minute, owed / SECOND)

    def _owed(self, allowance: Allowance) -> Instant:
        owed = allowance.owes(self._store.now())
        return owed if owed > _LENIENCE else 0

    def _allowance(self, peer: bytes, sender: bytes) -> Allowance | None:
        terms = self.terms(peer)
        rate = terms.rate(sender) if terms is not None else None
        if rate is None:
            return None
        allowance = self._spent.pop((peer, sender), None)
        if allowance is None or allowance.per_minute != rate:
            allowance = Allowance(rate)
        self._spent[peer, sender] = allowance
        if len(self._spent) > 2 * PEERS_MAX:
            del self._spent[next(iter(self._spent))]
        return allowance


class OutgoingPace:
    """Keeps one link within our own rate. ``rest`` stops a chain, ``wake`` lets those that stopped go on."""

    def __init__(
        self, rates: AgreedRates, peer: bytes, rest: Callable[[ChainKey], None], wake: Callable[[], None]
    ) -> None:
        self._rates = rates
        self._peer = peer
        self._rest = rest
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, key: ChainKey, entries: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Return as much of what was read of a chain as may go now, and count it."""
        left = self._rates.left(self._peer)
        if left is None or not entries or not self._rates.is_ours(key):
            return entries
        if not left:
            self._rest(key)
            self._look_later()
        entries = entries[:left]
        self._rates.sent(self._peer, len(entries))
        return entries

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        if self._timer is None:
            wait_s = self._rates.wait_s(self._peer)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._wake()
